"""Judge many files, one after the other, and keep what was found."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError, PlaneAnomalibError
from plane_anomalib.core.provenance import software_versions
from plane_anomalib.formats.labels import read_mask
from plane_anomalib.inspection.card import GOOD_FOLDER, DetectorCard
from plane_anomalib.inspection.cloud_files import DEFAULT_FORMATS, score_scale, write_cloud
from plane_anomalib.inspection.inputs import CloudFile
from plane_anomalib.inspection.result import Inspection, Threshold
from plane_anomalib.inspection.results_folder import (
    CLOUDS_FOLDER,
    CloudSummary,
    DetectorSummary,
    FailedFile,
    ResultEntry,
    ResultsFolder,
    Summary,
)

logger = logging.getLogger(__name__)

Judgement = Inspection[NDArray[np.float32]]


class CloudJudge(Protocol):
    """What is needed of a `Detector`."""

    run: Path
    card: DetectorCard | None
    weights_hash: str

    @property
    def model_name(self) -> str:
        """Registered name of the model."""
        ...

    @property
    def categories(self) -> tuple[str, ...]:
        """What it was trained on."""
        ...

    @property
    def threshold(self) -> Threshold | None:
        """Of objects."""
        ...

    @property
    def point_threshold(self) -> Threshold | None:
        """Of points."""
        ...

    def __call__(self, points: NDArray[np.float32], *, category: str | None = None) -> Judgement:
        """Judge one cloud, `(N, 3)`."""
        ...

    def compare(self, points: NDArray[np.float32], inspection: Judgement) -> Judgement:
        """Add the nearest good scan and the regions' heights."""
        ...


@dataclass(frozen=True)
class Options:
    """How to predict.

    Attributes:
        formats: Of the files per cloud, some of `writing.FORMATS`.
        compare: Whether to look for the nearest good scan and the heights of regions; `None` does
            so for clouds called anomalous, if the detector has good scans to compare with.
        category: What the objects are, for a model of many.
        resume: Leave alone what the folder's summary has already.
        overwrite: Replace whatever results the folder holds.
    """

    formats: Sequence[str] = DEFAULT_FORMATS
    compare: bool | None = None
    category: str | None = None
    resume: bool = False
    overwrite: bool = False


def places_without_scans(run: Path, out: Path) -> tuple[Path, Path]:
    """Folders with clouds that are not the user's: earlier results, and a detector's copies."""
    return out / CLOUDS_FOLDER, run / GOOD_FOLDER


def predict(
    detector: CloudJudge,
    sources: Sequence[CloudFile],
    out: Path,
    options: Options | None = None,
    tell: Callable[[ResultEntry], None] = lambda entry: None,
) -> Summary:
    """Judge files one by one, never holding more than one cloud.

    A file that cannot be judged is put on record and the rest goes on. Ctrl-C ends the loop, and
    what was done until then is kept: `Summary.left` says what was not.

    Args:
        detector: Who judges.
        sources: The files, in the order wanted.
        out: The folder of results, made if missing.
        options: How; the defaults of `Options` if left out.
        tell: Called after every file with what was found, also for those that a run before
            has done.

    Returns:
        What `summary.json` holds.

    Raises:
        SummaryError: The folder holds other results, or cannot be written.
        ConfigurationError: A comparison is asked for and there is nothing to compare with.
    """
    options = options or Options()
    if options.compare and not _can_compare(detector):
        raise ConfigurationError(
            f"{detector.run}: has no good scans to compare with, since it was not made by "
            "`plane-anomalib train GOOD...`; leave --compare out."
        )
    folder = ResultsFolder(
        out,
        _about(detector),
        sources,
        formats=options.formats,
        resume=options.resume,
        overwrite=options.overwrite,
    )
    try:
        for i, source in enumerate(sources):
            entry = folder.entries[i]
            if entry is None:
                entry = folder.entries[i] = _judge(detector, source, folder, options)
            tell(entry)
            folder.save_now_and_then()
    except KeyboardInterrupt:
        logger.debug("Stopped by the user.")
    finally:
        summary = folder.save()
    return summary


def _judge(
    detector: CloudJudge, source: CloudFile, folder: ResultsFolder, options: Options
) -> ResultEntry:
    """Read, judge and write one cloud; what it leaves in memory is a few numbers."""
    start = time.perf_counter()
    try:
        data, digest = source.read()
        truth = None if source.truth is None else read_mask(source.truth, data.points)
        found = _inspect(detector, source, data.points, options)
    except Exception as error:
        return _failed(source, error)
    if folder.scale is None:
        threshold = detector.point_threshold
        folder.scale = score_scale(found.point_scores, threshold.value if threshold else None)
    with folder.writing():
        files = write_cloud(
            folder.out,
            source.name,
            data.points,
            found,
            scale=folder.scale,
            formats=options.formats,
            truth=truth,
        )
    return CloudSummary(
        name=source.name,
        path=str(source.path),
        sha256=digest,
        num_points=len(data.points),
        dropped=data.dropped,
        score=float(found.score),
        decision=found.decision,
        regions=list(found.regions),
        nearest_good=found.nearest_good,
        files=files,
        seconds=time.perf_counter() - start,
    )


def _inspect(
    detector: CloudJudge, source: CloudFile, points: NDArray[np.float32], options: Options
) -> Judgement:
    found = detector(points, category=options.category)
    if not np.isfinite(found.score):
        raise ConfigurationError(f"the model's score is {found.score}, which decides nothing.")
    compare = options.compare
    if compare is None:
        compare = found.decision == "anomaly" and _can_compare(detector)
    if not compare:
        return found
    try:
        return detector.compare(points, found)
    except Exception as error:
        # An anomaly that was found must not get lost over what is only said beside it.
        logger.warning(
            "%s: is judged, but could not be compared with the good scans (%s)",
            source.path,
            _in_a_line(error),
        )
        return found


def _failed(source: CloudFile, error: Exception) -> FailedFile:
    """One cloud that a model cannot take must not end a night's run, whatever the model raises."""
    text = _in_a_line(error)
    if not isinstance(error, PlaneAnomalibError):
        logger.debug("%s could not be judged.", source.path, exc_info=error)
        text = f"could not be judged ({text})."
    named = text if str(source.path) in text else f"{source.path}: {text}"
    return FailedFile(str(source.path), named)


def _in_a_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, PlaneAnomalibError) else f"{type(error).__name__}: {text}"


def _can_compare(detector: CloudJudge) -> bool:
    return detector.card is not None and bool(detector.card.scans)


def _about(detector: CloudJudge) -> DetectorSummary:
    card = detector.card
    return DetectorSummary(
        run=str(detector.run),
        model=detector.model_name,
        categories=list(detector.categories),
        units="" if card is None else card.units,
        threshold=detector.threshold,
        point_threshold=detector.point_threshold,
        weights_hash=detector.weights_hash,
        config_hash=None if card is None else card.config_hash,
        data_hash=None if card is None else card.data_hash,
        versions=software_versions(),
    )

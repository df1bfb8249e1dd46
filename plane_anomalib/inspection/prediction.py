"""Judge many files, one after the other, and keep what was found."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError, PlaneAnomalibError
from plane_anomalib.core.provenance import software_versions
from plane_anomalib.core.units import unit_named
from plane_anomalib.formats.labels import read_mask
from plane_anomalib.formats.raw_cloud import ReadOptions
from plane_anomalib.inspection.card import DetectorCard
from plane_anomalib.inspection.cloud_files import DEFAULT_FORMATS, score_scale, write_cloud
from plane_anomalib.inspection.inputs import (
    CloudFile,
    Clouds,
    as_clouds,
    in_units_of,
    places_without_scans,
)
from plane_anomalib.inspection.result import Inspection, Threshold
from plane_anomalib.inspection.results_folder import (
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
class PredictOptions:
    """How to predict.

    Attributes:
        formats: Of the files per cloud, some of `cloud_files.FORMATS`.
        compare: Whether to look for the nearest good scan and the heights of regions; `None` does
            so for clouds called anomalous, if the detector has good scans to compare with.
        category: What the objects are, for a model of many.
        units: Unit of length of the clouds; converted to that of the good scans.
        resume: Leave alone what the folder's summary has already.
        overwrite: Replace whatever results the folder holds.
        read: What files do not say of themselves; `None` reads as the good scans were read.

    Examples:
        >>> options = plane_anomalib.PredictOptions(compare=False)
        >>> [found] = plane_anomalib.predict(detector, cloud, options=options)
        >>> found.inspection.nearest_good is None
        True
    """

    formats: Sequence[str] = DEFAULT_FORMATS
    compare: bool | None = None
    category: str | None = None
    units: str | None = None
    resume: bool = False
    overwrite: bool = False
    read: ReadOptions | None = None

    def __post_init__(self) -> None:
        if self.units is not None:
            object.__setattr__(self, "units", unit_named(self.units))


@dataclass(frozen=True, eq=False)
class Prediction:
    """What was found in one cloud.

    Attributes:
        name: Of its results, without suffix; no two of a call are the same.
        path: The file, as it was given; a name where points were given.
        points: `(N, 3) float32`, all that are finite, in input order, in the unit of the good
            scans; empty after a failure.
        inspection: What the detector says; `None` if the cloud could not be read.
        failure: The sentence that says why it could not be; "" otherwise.
        dropped: How many points were left out, as a coordinate was not finite.
        truth: `(N,) bool`, which points are anomalous, where it is known.
        sha256: Of the file; "" after a failure.
        seconds: Reading and judging.

    Examples:
        >>> [found] = plane_anomalib.predict(detector, cloud)
        >>> found.points.shape, found.failure
        ((300, 3), '')
    """

    name: str
    path: Path
    points: NDArray[np.float32]
    inspection: Judgement | None = None
    failure: str = ""
    dropped: int = 0
    truth: NDArray[np.bool_] | None = None
    sha256: str = ""
    seconds: float = 0.0


def predict(
    detector: CloudJudge,
    inputs: Clouds,
    out: str | Path | None = None,
    options: PredictOptions | None = None,
) -> Iterator[Prediction]:
    """Judge clouds one by one, never holding more than one.

    Args:
        detector: What `load` or `train` gave.
        inputs: Files, folders or patterns, or arrays `(N, 3)`, in the good scans' units.
        out: A folder of results to write as well; it is whole at the end.
        options: How.

    Yields:
        What was found in each, in order; a cloud that cannot be judged says why.

    Raises:
        PlaneAnomalibError: Nothing lies under a path, or `out` holds other results.

    Examples:
        >>> [found.inspection.decision for found in plane_anomalib.predict(detector, [cloud])]
        ['anomaly']
    """
    options = options or PredictOptions()
    without = () if out is None else places_without_scans(detector.run, Path(out))
    sources = as_clouds(inputs, without=without)
    _check_options(detector, options)
    if out is None:
        yield from (_judged(detector, source, options) for source in sources)
        return
    folder = _results(detector, sources, Path(out), options)
    try:
        for i, source in enumerate(sources):
            found = _judged(detector, source, options)
            folder.entries[i] = _kept(detector, found, folder, options)
            folder.save_now_and_then()
            yield found
    finally:
        folder.save()


def judge_files(
    detector: CloudJudge,
    sources: Sequence[CloudFile],
    out: Path,
    options: PredictOptions | None = None,
    tell: Callable[[ResultEntry], None] = lambda entry: None,
    passed_by: Mapping[str, int] | None = None,
) -> Summary:
    """Fill a folder of results; a file that cannot be judged is put on record.

    Ctrl-C ends the loop, and what was done until then is kept: `Summary.left` says what was not.

    Args:
        detector: Who judges.
        sources: The files, in the order wanted.
        out: The folder of results, made if missing.
        options: How.
        tell: Called after every file with what was found, also what a run before found.
        passed_by: Files that are no scans, see `inputs.passed_by`.

    Returns:
        What `summary.json` holds.

    Raises:
        PlaneAnomalibError: The folder holds other results, or there is nothing to compare with.
    """
    folder = _results(detector, sources, out, options := options or PredictOptions())
    folder.passed_by = dict(passed_by or {})
    try:
        for i, source in enumerate(sources):
            if (entry := folder.entries[i]) is None:
                found = _judged(detector, source, options)
                entry = folder.entries[i] = _kept(detector, found, folder, options)
            tell(entry)
            folder.save_now_and_then()
    except KeyboardInterrupt:
        logger.debug("Stopped by the user.")
    finally:
        summary = folder.save()
    return summary


def _results(
    detector: CloudJudge, sources: Sequence[CloudFile], out: Path, options: PredictOptions
) -> ResultsFolder:
    _check_options(detector, options)
    return ResultsFolder(
        out,
        _about(detector),
        sources,
        formats=options.formats,
        resume=options.resume,
        overwrite=options.overwrite,
    )


def _judged(detector: CloudJudge, source: CloudFile, options: PredictOptions) -> Prediction:
    """Read and judge one cloud."""
    start = time.perf_counter()
    try:
        data, digest = source.read(_reading(detector, options))
        truth = None if source.truth is None else read_mask(source.truth, data.points)
        wanted = "" if detector.card is None else detector.card.units
        points, converted = in_units_of(data, options.units, wanted)
        found = _inspect(detector, source, points, options)
        found = replace(found, notes=(*data.notes, *converted, *found.notes))
    except Exception as error:
        nothing = np.empty((0, 3), np.float32)
        return Prediction(source.name, source.path, nothing, failure=_reason(source, error))
    seconds = time.perf_counter() - start
    return Prediction(
        source.name, source.path, points, found, "", data.dropped, truth, digest, seconds
    )


def _reading(detector: CloudJudge, options: PredictOptions) -> ReadOptions | None:
    if options.read is not None or detector.card is None:
        return options.read
    return detector.card.reading


def _kept(
    detector: CloudJudge, found: Prediction, folder: ResultsFolder, options: PredictOptions
) -> ResultEntry:
    """Write what was found; what it leaves in memory is a few numbers."""
    if found.inspection is None:
        return FailedFile(str(found.path), found.failure)
    start = time.perf_counter()
    files = _written(detector, found, found.inspection, folder, options)
    score = float(found.inspection.score)
    return CloudSummary(
        name=found.name,
        path=str(found.path),
        sha256=found.sha256,
        num_points=len(found.points),
        dropped=found.dropped,
        score=score if np.isfinite(score) else None,
        decision=found.inspection.decision,
        reason=found.inspection.reason,
        notes=list(found.inspection.notes),
        seen=found.inspection.seen,
        regions=list(found.inspection.regions),
        nearest_good=found.inspection.nearest_good,
        files=files,
        seconds=found.seconds + time.perf_counter() - start,
    )


def _written(
    detector: CloudJudge,
    found: Prediction,
    inspection: Judgement,
    folder: ResultsFolder,
    options: PredictOptions,
) -> dict[str, str]:
    """Write a cloud's files, if it has scores."""
    if not np.isfinite(inspection.score):
        return {}
    if folder.scale is None:
        limit = detector.point_threshold
        scores = inspection.point_scores
        folder.scale = score_scale(scores, None if limit is None else limit.value)
    with folder.writing():
        return write_cloud(
            folder.out,
            found.name,
            found.points,
            inspection,
            scale=folder.scale,
            formats=options.formats,
            truth=found.truth,
        )


def _check_options(detector: CloudJudge, options: PredictOptions) -> None:
    if options.units and not (detector.card and detector.card.units):
        raise ConfigurationError(
            f"--units {options.units}: {detector.run} does not say which unit its good scans have; "
            "train again with --units, or leave it out."
        )
    if options.compare and not _can_compare(detector):
        raise ConfigurationError(
            f"{detector.run}: has no good scans to compare with, since it was not made by "
            "`plane-anomalib train GOOD...`; leave --compare out."
        )


def _inspect(
    detector: CloudJudge, source: CloudFile, points: NDArray[np.float32], options: PredictOptions
) -> Judgement:
    found = detector(points, category=options.category)
    if not found.reason and not np.isfinite(found.score):
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


def _reason(source: CloudFile, error: Exception) -> str:
    """One cloud that a model cannot take must not end a night's run, whatever the model raises."""
    text = _in_a_line(error)
    if not isinstance(error, PlaneAnomalibError):
        logger.debug("%s could not be judged.", source.path, exc_info=error)
        text = f"could not be judged ({text})."
    return text if str(source.path) in text else f"{source.path}: {text}"


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

"""The folder of results: `summary.json`, and how it is filled."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plane_anomalib.core.errors import PlaneAnomalibError
from plane_anomalib.core.files import sha256_of
from plane_anomalib.core.results import Versions
from plane_anomalib.core.typed_data import (
    TypedDataError,
    load_strict,
    parse_versioned,
    strict_json,
    write_json,
)
from plane_anomalib.inspection.inputs import CLOUDS_FOLDER, CloudFile
from plane_anomalib.inspection.regions import Region
from plane_anomalib.inspection.result import Decision, Threshold
from plane_anomalib.web.colours import ScoreScale

SUMMARY_FILE = "summary.json"
SUMMARY_VERSION = 3


class SummaryError(PlaneAnomalibError):
    """A folder of results is missing, damaged, or not what is to be written there."""


@dataclass(frozen=True)
class DetectorSummary:
    """Which detector judged.

    Attributes:
        run: Where it lies, as it was given.
        model: Registered name.
        categories: What it was trained on; empty where the model does not know.
        units: Unit of length of its good scans, a key of `core.units.MILLIMETRES`; "" where nobody
            states one.
        threshold: Of objects; `None` where it has none: then nothing is decided.
        point_threshold: Of points; `None` where it has none: then there are no regions.
        weights_hash: SHA-256 over the model's state.
        config_hash: SHA-256 of its model, arguments and seed; `None` where it is not known.
        data_hash: SHA-256 over its good scans, likewise.
        versions: The software that judged.
    """

    run: str
    model: str
    categories: list[str]
    units: str
    threshold: Threshold | None
    point_threshold: Threshold | None
    weights_hash: str
    config_hash: str | None
    data_hash: str | None
    versions: Versions


@dataclass(frozen=True)
class CloudSummary:
    """What was found in one cloud.

    Attributes:
        name: Of its files, without suffix; no two clouds have the same.
        path: The file, as it was given.
        sha256: Of that file.
        num_points: How many points were judged.
        dropped: How many more were left out, since a coordinate was not a number.
        score: Of the object, raw; `None` where it was not scored.
        decision: What the threshold says of it, or `not judged`; `None` without a threshold.
        regions: Connected anomalous parts, the one with most points first; `region` in the files
            counts them from 0.
        nearest_good: Name of the good scan that the cloud resembles most, where it was compared.
        files: Format (`npz`, `ply`, `csv`) to file, relative to the folder of results.
        seconds: How long it took, reading and writing included.
        reason: Why it was not judged and what to do; "" where it was.
        notes: A sentence for whatever was dropped, converted, resampled or assumed.
        seen: Which share of the part's surface it shows; `None` where that cannot be told.
    """

    name: str
    path: str
    sha256: str
    num_points: int
    dropped: int
    score: float | None
    decision: Decision | None
    regions: list[Region]
    nearest_good: str | None
    files: dict[str, str]
    seconds: float
    reason: str = ""
    notes: list[str] = field(default_factory=list)
    seen: float | None = None


@dataclass(frozen=True)
class FailedFile:
    """A file that could not be judged: its path as it was given, and the sentence that says why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Summary:
    """All that was found by one detector in a number of clouds.

    Attributes:
        detector: Which detector.
        clouds: Those that were judged, in input order.
        failed: Those that could not be.
        left: Files whose turn did not come, since the command was stopped.
        scale: The colours of scores in `.ply`, the same for all clouds; `None` before the first.
        passed_by: How many files that are no scans lie in the folders that were given, by suffix.
    """

    detector: DetectorSummary
    clouds: list[CloudSummary]
    failed: list[FailedFile]
    left: list[str]
    scale: ScoreScale | None
    passed_by: dict[str, int] = field(default_factory=dict)
    summary_version: int = field(default=SUMMARY_VERSION)

    def write(self, folder: Path) -> Path:
        """Write `summary.json`, whole or not at all."""
        return write_json(folder / SUMMARY_FILE, self)

    @classmethod
    def read(cls, folder: Path) -> Summary:
        """Read `summary.json`.

        Raises:
            SummaryError: It is missing, damaged, of another version, or names files outside of
                the folder.
        """
        file = folder / SUMMARY_FILE
        if not file.exists():
            raise SummaryError(
                f"{folder} holds no {SUMMARY_FILE}: give the folder that "
                "`plane-anomalib predict RUN CLOUD... --out FOLDER` has made."
            )
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SummaryError(f"{file}: cannot be read ({error}); predict again.") from error
        summary = parse_versioned(
            cls,
            _upgraded(text),
            str(file),
            field="summary_version",
            version=SUMMARY_VERSION,
            error=SummaryError,
            redo="predict again",
        )
        summary._check_files(folder)
        return summary

    def _check_files(self, folder: Path) -> None:
        """Refuse paths that lead out of the folder: results may come from other people."""
        home = folder.resolve()
        for cloud in self.clouds:
            for file in cloud.files.values():
                if not (folder / file).resolve().is_relative_to(home):
                    raise SummaryError(
                        f"{folder / SUMMARY_FILE}: {cloud.name} has the file {file!r}, which lies "
                        "outside of the folder of results; predict again."
                    )


ResultEntry = CloudSummary | FailedFile

_SAVE_SECONDS = 10.0
"""The summary is written anew after so long, so that little is lost to a power cut."""


def _upgraded(text: str) -> str:
    """A summary of an older version as one of today.

    Version 1 spells the center of things differently; up to version 2 the unit was a guess.
    """
    try:
        plain = load_strict(text)
    except TypedDataError:
        return text  # whoever parses it says what is wrong
    if not isinstance(plain, dict) or plain.get("summary_version") not in (1, 2):
        return text
    plain = _respelt(plain) if plain["summary_version"] == 1 else plain
    detector = plain.get("detector")
    if isinstance(detector, dict):
        plain = {**plain, "detector": {**detector, "units": ""}}
    return strict_json({**plain, "summary_version": SUMMARY_VERSION})


def _respelt(plain: Any) -> Any:
    if isinstance(plain, list):
        return [_respelt(item) for item in plain]
    if isinstance(plain, dict):
        return {"center" if k == "centre" else k: _respelt(v) for k, v in plain.items()}
    return plain


class ResultsFolder:
    """A folder of results, one entry per source.

    Args:
        out: The folder, made if missing.
        detector: Who judges.
        sources: What is judged.
        formats: Of the files that each cloud gets.
        resume: Keep entries whose file has not changed.
        overwrite: Replace whatever results there are.

    Attributes:
        out: The folder.
        entries: What was found in each source; `None` where its turn has not come.
        scale: Colours of the scores, once there is a first cloud.
        passed_by: See `Summary`.

    Raises:
        SummaryError: It holds other results, or cannot be written.
    """

    def __init__(
        self,
        out: Path,
        detector: DetectorSummary,
        sources: Sequence[CloudFile],
        *,
        formats: Sequence[str],
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        self.out = out
        self.entries: list[ResultEntry | None] = [None] * len(sources)
        self.scale: ScoreScale | None = None
        self.passed_by: dict[str, int] = {}
        self._detector = detector
        self._sources = sources
        self._refuse_own_results()
        before = self._before(overwrite)
        if before is not None:
            self._take_over(before, formats if resume else None)
        self.save()

    def save(self) -> Summary:
        """Write the summary of all entries so far."""
        summary = Summary(
            detector=self._detector,
            clouds=[entry for entry in self.entries if isinstance(entry, CloudSummary)],
            failed=[entry for entry in self.entries if isinstance(entry, FailedFile)],
            left=[
                str(source.path)
                for source, entry in zip(self._sources, self.entries, strict=True)
                if entry is None
            ],
            scale=self.scale,
            passed_by=self.passed_by,
        )
        with self.writing():
            summary.write(self.out)
        self._saved = time.monotonic()
        return summary

    def save_now_and_then(self) -> None:
        """Write the summary if that is some time ago."""
        if time.monotonic() - self._saved > _SAVE_SECONDS:
            self.save()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Say in one sentence where something could not be written.

        Raises:
            SummaryError: In place of an `OSError`.
        """
        try:
            yield
        except OSError as error:
            raise SummaryError(
                f"{self.out}: cannot be written ({error.strerror or error}); make room or give "
                "another --out, and repeat the command with --resume to go on."
            ) from error

    def _refuse_own_results(self) -> None:
        own = (self.out / CLOUDS_FOLDER).resolve()
        for source in self._sources:
            if source.path.resolve().is_relative_to(own):
                raise SummaryError(
                    f"{source.path}: is a result in {self.out}, which this command would write "
                    "over; give another --out."
                )

    def _before(self, overwrite: bool) -> Summary | None:
        """Results that the folder holds and that may be replaced."""
        if not (self.out / SUMMARY_FILE).exists():
            return None
        try:
            before = Summary.read(self.out)
        except SummaryError as error:
            if overwrite:
                return None
            raise SummaryError(
                f"{error} Or give another --out, or --overwrite to replace what is there."
            ) from error
        if not overwrite:
            self._refuse_others(before)
        return before

    def _refuse_others(self, before: Summary) -> None:
        if not _same(before.detector, self._detector):
            raise SummaryError(
                f"{self.out}: holds what another detector said ({before.detector.model} of "
                f"{before.detector.run}); give another --out, or --overwrite to replace it."
            )
        asked = {str(source.path) for source in self._sources}
        others = [cloud.path for cloud in before.clouds if cloud.path not in asked]
        if others:
            raise SummaryError(
                f"{self.out}: holds results of {len(others)} clouds that are not asked for now, "
                f"such as {others[0]}; give another --out, or --overwrite to replace them."
            )

    def _take_over(self, before: Summary, formats: Sequence[str] | None) -> None:
        """Keep what is still true, if asked to, and remove the files of everything else."""
        old = {(cloud.path, cloud.name): cloud for cloud in before.clouds}
        same = _same(before.detector, self._detector)
        for i, source in enumerate(self._sources if formats and same else []):
            key = str(source.path), source.name
            if key in old and self._is_done(old[key], source, formats or ()):
                self.entries[i] = old.pop(key)
        if any(self.entries):
            self.scale = before.scale
        with self.writing():
            for cloud in old.values():
                for file in cloud.files.values():
                    (self.out / file).unlink(missing_ok=True)

    def _is_done(self, cloud: CloudSummary, source: CloudFile, formats: Sequence[str]) -> bool:
        """Whether the results are of the file as it is now, and all files wanted are there."""
        # What was not scored has no files.
        wanted = formats if cloud.score is not None else ()
        files = [self.out / cloud.files.get(kind, "") for kind in wanted]
        here = all(file.is_file() for file in files) and source.path.is_file()
        return here and sha256_of(source.path) == cloud.sha256


def _same(one: DetectorSummary, other: DetectorSummary) -> bool:
    """Whether two detectors say the same of every cloud."""
    return all(
        getattr(one, name) == getattr(other, name)
        for name in ("model", "weights_hash", "config_hash", "threshold", "point_threshold")
    )

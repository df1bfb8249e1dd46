"""What a folder of results says of itself, in `summary.json`.

OUT/summary.json          this
OUT/clouds/<name>.npz     of every judged cloud: `points (N, 3) float32` in input order,
                          `scores (N,) float32`, `region (N,) int32` (-1 outside of all regions),
                          and, where it is known, `truth (N,) bool`
OUT/clouds/<name>.ply     points, `score`, `region`, and the score as a colour
OUT/clouds/<name>.csv     x, y, z, score, region
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from plane_anomalib.core.errors import PlaneAnomalibError
from plane_anomalib.core.results import Versions
from plane_anomalib.core.typed_data import read_versioned, write_json
from plane_anomalib.inspection.result import Decision, Region, Threshold
from plane_anomalib.web.colours import ScoreScale

SUMMARY_FILE = "summary.json"
CLOUDS_FOLDER = "clouds"
SUMMARY_VERSION = 1


class SummaryError(PlaneAnomalibError):
    """A folder of results is missing, damaged, or not what is to be written there."""


@dataclass(frozen=True)
class DetectorSummary:
    """Which detector judged.

    Attributes:
        run: Where it lies, as it was given.
        model: Registered name.
        categories: What it was trained on; empty where the model does not know.
        units: Unit of length of its good scans, in words; "" where it cannot be told.
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
        score: Of the object, raw.
        decision: What the threshold says of it; `None` without a threshold.
        regions: Connected anomalous parts, the one with most points first; `region` in the files
            counts them from 0.
        nearest_good: Name of the good scan that the cloud resembles most, where it was compared.
        files: Format (`npz`, `ply`, `csv`) to file, relative to the folder of results.
        seconds: How long it took, reading and writing included.
    """

    name: str
    path: str
    sha256: str
    num_points: int
    dropped: int
    score: float
    decision: Decision | None
    regions: list[Region]
    nearest_good: str | None
    files: dict[str, str]
    seconds: float


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
    """

    detector: DetectorSummary
    clouds: list[CloudSummary]
    failed: list[FailedFile]
    left: list[str]
    scale: ScoreScale | None
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
        summary = read_versioned(
            cls,
            file,
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

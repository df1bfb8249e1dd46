"""What a detector's folder says of itself, in `detector.json`.

RUN/model.ckpt        the model, thresholds included
RUN/model.safetensors the same as arrays, for models that judge without torch
RUN/detector.json     this
RUN/good/<name>.npz   thinned copies of the good scans (`points`), to compare others with
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plane_anomalib.core.errors import PlaneAnomalibError
from plane_anomalib.core.results import Hardware, Versions
from plane_anomalib.core.typed_data import read_versioned, write_json
from plane_anomalib.formats.raw_cloud import ReadOptions
from plane_anomalib.inspection.result import Threshold
from plane_anomalib.models.components.scores import ARRAYS_FILE

CARD_FILE = "detector.json"
MODEL_FILE = "model.ckpt"
GOOD_FOLDER = "good"
CARD_VERSION = 2
_OURS = {MODEL_FILE, ARRAYS_FILE, CARD_FILE, GOOD_FOLDER}


class DetectorError(PlaneAnomalibError):
    """A detector's folder is missing, damaged, or of another version."""


@dataclass(frozen=True)
class ScanCard:
    """A good scan: its name (the file's stem, made unique), points, and measures in its units.

    Attributes:
        name: What to call it.
        path: The file, as it was given.
        num_points: How many points it has.
        spacing: Typical distance between neighbouring points.
        extent: Longest side of its box.
        size: Root mean square distance from its middle, the same in every pose.
        thickness: Standard deviation along its shortest principal axis.
    """

    name: str
    path: str
    num_points: int
    spacing: float
    extent: float
    size: float
    thickness: float


@dataclass(frozen=True)
class DetectorCard:
    """How a detector was made.

    Attributes:
        model: Registered name.
        arguments: Of the model, as it was made.
        category: What the part is called.
        scans: The good scans it was fitted on.
        units: Unit of length of the scans, a key of `core.units.MILLIMETRES`; "" where nobody
            states one.
        common_pose: Whether all scans, good ones and those that are judged, lie the same way.
        one_sided: Whether scans that are judged show one side of parts whose good scans are whole.
        threshold: Of objects.
        point_threshold: Of points.
        choices: What was decided by itself, a sentence each, as printed.
        seed: Of everything drawn.
        seconds: How long making it took.
        created: ISO 8601, UTC.
        versions: Software.
        hardware: Machine.
        config_hash: SHA-256 of model, arguments and seed.
        data_hash: SHA-256 over the scans' bytes.
        weights_hash: SHA-256 over the model's state.
        usual_point_score: What 99 of 100 points of good scans that the model has not seen stay
            below; `None` where no point was scored.
        without_table: Whether the plane that parts stand on was taken out of the good scans, and is
            taken out of scans that are judged.
        reading: How the good scans were read, and others are unless somebody says otherwise.
    """

    model: str
    arguments: dict[str, Any]
    category: str
    scans: list[ScanCard]
    units: str
    common_pose: bool
    one_sided: bool
    threshold: Threshold | None
    point_threshold: Threshold | None
    choices: list[str]
    seed: int
    seconds: float
    created: str
    versions: Versions
    hardware: Hardware
    config_hash: str
    data_hash: str | None
    weights_hash: str
    usual_point_score: float | None = None
    without_table: bool = False
    reading: ReadOptions = field(default_factory=ReadOptions)
    card_version: int = field(default=CARD_VERSION)

    def write(self, folder: Path) -> Path:
        """Write `detector.json`, whole or not at all."""
        return write_json(folder / CARD_FILE, self)

    @classmethod
    def read(cls, folder: Path) -> DetectorCard:
        """Read `detector.json`.

        Raises:
            DetectorError: It is missing, damaged or of another version.
        """
        return read_versioned(
            cls,
            folder / CARD_FILE,
            field="card_version",
            version=CARD_VERSION,
            error=DetectorError,
            redo="train again",
        )


def check_out(out: Path, *, overwrite: bool) -> None:
    """Refuse a place that holds something else, before any work is done.

    Raises:
        DetectorError: A detector lies there that may not be replaced, or anything else.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise DetectorError(f"{out} is a file: give --out a folder that is not there yet.")
    held = {path.name for path in out.iterdir()}
    if not held:
        return
    if CARD_FILE not in held:
        raise DetectorError(
            f"{out} is no detector's folder and is left alone: give --out a folder that is not "
            "there yet."
        )
    if not overwrite:
        raise DetectorError(
            f"{out} holds a detector already: give --overwrite to replace it, or another --out."
        )
    if other := sorted(held - _OURS):
        raise DetectorError(
            f"{out} holds {other[0]!r} beside a detector, which would be lost: move it away, or "
            "give another --out."
        )

"""A detector's folder made by hand from good scans, and a cheap stand-in for a detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from anomalib.engine import Engine
from numpy.typing import NDArray

import plane_anomalib
from plane_anomalib.core.provenance import hardware, software_versions
from plane_anomalib.data.folder import PointCloudFolder
from plane_anomalib.formats.writer import write_points
from plane_anomalib.inspection.card import (
    GOOD_FOLDER,
    MODEL_FILE,
    DetectorCard,
    DetectorError,
    ScanCard,
)
from plane_anomalib.inspection.regions import anomalous_regions
from plane_anomalib.inspection.result import Inspection, Threshold
from plane_anomalib.models.btf import BTF

Cloud = NDArray[np.float32]


def good_cloud(seed: int, count: int = 500) -> Cloud:
    """A sheet with two waves, always the same shape, other points each time."""
    generator = np.random.default_rng(seed)
    flat = generator.uniform(-1, 1, (count, 2))
    height = 0.3 * np.sin(3 * flat[:, 0]) + 0.2 * flat[:, 1] ** 2
    return np.column_stack([flat, height]).astype(np.float32)


def bent_cloud(seed: int, count: int = 500) -> Cloud:
    """The same with a corner that stands up by 0.5."""
    cloud = good_cloud(seed, count)
    cloud[(cloud[:, 0] > 0.5) & (cloud[:, 1] > 0.5), 2] += np.float32(0.5)
    return cloud


def make_run(folder: Path, work: Path, *, units: str = "mm") -> Path:
    """A detector's folder: a small model fitted on three good clouds, its card and the clouds."""
    names = [f"good{number}" for number in range(3)]
    clouds = [good_cloud(number) for number in range(3)]
    for number, (name, cloud) in enumerate(zip(names, clouds, strict=True)):
        write_points(work / "sheet" / "train" / f"{name}.ply", cloud)
        dense = good_cloud(10 + number, 3000)  # for distances to mean something
        write_points(folder / GOOD_FOLDER / f"{name}.npz", dense)
    engine = Engine(
        accelerator="cpu", devices=1, logger=False, default_root_dir=work, enable_progress_bar=False
    )
    engine.fit(BTF(descriptor="raw"), datamodule=PointCloudFolder(work / "sheet", val_variants=2))
    (folder / MODEL_FILE).write_bytes(Path(engine.best_model_path).read_bytes())
    detector = plane_anomalib.load(folder / MODEL_FILE)
    scans = [ScanCard(name, f"{name}.ply", 500, 0.045, 2.0, 0.85, 0.2) for name in names]
    a_card(
        scans=scans,
        units=units,
        threshold=detector.threshold,
        point_threshold=detector.point_threshold,
        weights_hash=detector.weights_hash,
    ).write(folder)
    return folder


def a_card(
    scans: Sequence[ScanCard] = (),
    units: str = "",
    threshold: Threshold | None = None,
    point_threshold: Threshold | None = None,
    weights_hash: str = "",
) -> DetectorCard:
    """How a small BTF was made."""
    return DetectorCard(
        model="BTF",
        arguments={"descriptor": "raw"},
        category="sheet",
        scans=list(scans),
        units=units,
        common_pose=True,
        one_sided=False,
        threshold=threshold,
        point_threshold=point_threshold,
        choices=[],
        seed=0,
        seconds=0.1,
        created="2026-01-01T00:00:00+00:00",
        versions=software_versions(),
        hardware=hardware(),
        config_hash="c" * 64,
        data_hash=None,
        weights_hash=weights_hash,
    )


@dataclass
class HeightJudge:
    """Scores a point by its height: what is right can be seen from the cloud alone.

    `stop_at` presses Ctrl-C at that cloud (counted from 1), `fail_at` raises what no model should,
    and with `compare_fails` the good scans are damaged.
    """

    run: Path = Path("run")
    card: DetectorCard | None = None
    weights_hash: str = "a" * 64
    model_name: str = "Height"
    categories: tuple[str, ...] = ()
    threshold: Threshold | None = field(default_factory=lambda: Threshold(1.0, "by hand"))
    point_threshold: Threshold | None = field(default_factory=lambda: Threshold(0.7, "by hand"))
    stop_at: int = 0
    fail_at: int = 0
    judged: int = 0
    compared: int = 0
    compare_fails: bool = False

    def __call__(self, points: Cloud, *, category: str | None = None) -> Inspection[Cloud]:
        self.judged += 1
        if self.judged == self.stop_at:
            raise KeyboardInterrupt
        if self.judged == self.fail_at:
            raise RuntimeError("shapes do\nnot match")
        scores = points[:, 2].copy()
        limit = self.point_threshold
        regions, of_point = anomalous_regions(points, scores, limit.value if limit else np.inf)
        score = float(scores.max())
        return Inspection(score, scores, self.threshold, limit, regions, of_point)

    def compare(self, points: Cloud, inspection: Inspection[Cloud]) -> Inspection[Cloud]:
        self.compared += 1
        if self.compare_fails:
            raise DetectorError("good/good1.npz: cannot be read; train again.")
        return replace(inspection, nearest_good="good1")

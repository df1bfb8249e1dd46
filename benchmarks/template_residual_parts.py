"""TemplateResidual with and without each of its parts: one table from one command.

Run `python benchmarks/template_residual_parts.py --data ROOT [ROOT ...] [--parts all,calibrate]`. A
folder in Anomaly-ShapeNet's layout or in Real3D-AD's is one column group; every row
switches one part off. Metrics are means over categories; those of points pool all points of a
category. Seconds are of one process, fitting not included.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet
from plane_anomalib.data.datamodule import BenchmarkDataModule
from plane_anomalib.data.point_cloud import PointCloudItem
from plane_anomalib.data.real3d_ad import Real3DAD
from plane_anomalib.metrics.functional import binary_metrics
from plane_anomalib.models.template_residual.torch_model import TemplateResidualDetector

PARTS: dict[str, dict[str, Any]] = {
    "all": {},
    "no calibration": {"calibrate": False},
    "no deviation": {"remove_deviation": False},
    "no coverage": {"coverage": False},
    "no smoothing": {"smoothing": False},
    "one scale": {"scales": (16,)},
    "no registration": {"registration": False},
}


def read(root: Path) -> tuple[dict[str, list[np.ndarray]], dict[str, list[PointCloudItem]]]:
    """Templates and test items by category."""
    data: BenchmarkDataModule
    if any(root.glob("*/GT")):
        data = AnomalyShapeNet(root=root, val_split_mode="none")
    else:
        data = Real3DAD(root=root, val_split_mode="none")
    data.setup()
    templates: dict[str, list[np.ndarray]] = defaultdict(list)
    tests: dict[str, list[PointCloudItem]] = defaultdict(list)
    for index in range(len(data.train_data)):
        item = data.train_data.untransformed(index)
        templates[item.category].append(item.points.numpy())
    for index in range(len(data.test_data)):
        item = data.test_data[index]
        tests[item.category].append(item)
    return templates, tests


def evaluate(
    templates: list[np.ndarray], tests: list[PointCloudItem], arguments: dict[str, Any]
) -> tuple[float, float, float, float]:
    """Object AUROC, point AUROC, point AP and seconds per cloud of one category."""
    detector = TemplateResidualDetector(**arguments)
    detector.fit(templates)
    detector(templates[0])  # trees are built when first needed
    start = time.perf_counter()
    scores = [detector(item.points.numpy()) for item in tests]
    seconds = (time.perf_counter() - start) / len(tests)
    labels = [bool(item.gt_label) for item in tests]
    objects = binary_metrics(np.array([score.pred_score for score in scores]), labels)
    masks = [
        np.zeros(len(item.points), bool) if item.gt_mask is None else item.gt_mask.numpy()
        for item in tests
    ]
    maps = np.concatenate([score.anomaly_map for score in scores])
    points = binary_metrics(maps, np.concatenate(masks))
    return objects.auroc, points.auroc, points.average_precision, seconds


def main() -> None:
    """Print one Markdown row per part and set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--parts", default=",".join(PARTS), help="rows, separated by commas")
    given = parser.parse_args()
    print("| set | parts | object AUROC | point AUROC | point AP | s/cloud |")
    print("|---|---|---:|---:|---:|---:|")
    for root in given.data:
        templates, tests = read(root)
        for part in given.parts.split(","):
            rows = [evaluate(templates[name], tests[name], PARTS[part]) for name in tests]
            means = np.mean(rows, 0)
            print(
                f"| {root.name} | {part} | {means[0]:.3f} | {means[1]:.3f} | {means[2]:.3f} "
                f"| {means[3]:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

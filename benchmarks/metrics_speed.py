"""Time and peak memory of AUROC + AP + F1-max, and of AU-PRO, on many points.

Every measurement runs in a process of its own, so that the peak memory is that of one method:

    python benchmarks/metrics_speed.py                      # 30 million points, beside scikit-learn
    python benchmarks/metrics_speed.py --points 3000000 --methods ours aupro
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Metrics = dict[str, float]


def ours(scores: NDArray[np.float32], labels: NDArray[np.bool_]) -> Metrics:
    """One call of this package's function."""
    from plane_anomalib.metrics.functional import binary_metrics

    result = binary_metrics(scores, labels)
    return {"AUROC": result.auroc, "AP": result.average_precision, "F1max": result.f1_max}


def sklearn(scores: NDArray[np.float32], labels: NDArray[np.bool_]) -> Metrics:
    """The three scikit-learn functions that give the same numbers."""
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

    precision, recall, _ = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    return {
        "AUROC": float(roc_auc_score(labels, scores)),
        "AP": float(average_precision_score(labels, scores)),
        "F1max": float(f1.max()),
    }


def aupro(scores: NDArray[np.float32], labels: NDArray[np.bool_]) -> Metrics:
    """AU-PRO with 1000 regions already found."""
    from plane_anomalib.metrics.aupro import au_pro

    regions = np.arange(int(labels.sum())) % 1000
    return {"AUPRO": au_pro(scores, labels, regions)}


def regions(scores: NDArray[np.float32], labels: NDArray[np.bool_]) -> Metrics:
    """Search for the regions: as many surface points as there are anomalous ones, one cloud."""
    from plane_anomalib.metrics.aupro import find_regions

    generator = np.random.default_rng(1)
    flat = generator.uniform(size=(int(labels.sum()), 3)) * [1, 1, 1e-4]
    return {"regions": float(find_regions(flat).max() + 1)}


METHODS: dict[str, Callable[[NDArray[np.float32], NDArray[np.bool_]], Metrics]] = {
    "ours": ours,
    "sklearn": sklearn,
    "aupro": aupro,
    "regions": regions,
}


def measure(method: str, points: int, share: float, levels: int) -> dict[str, object]:
    """Make the scores, run one method, report seconds and memory of this process."""
    generator = np.random.default_rng(0)
    labels = generator.random(points, dtype=np.float32) < share
    scores = generator.standard_normal(points, dtype=np.float32)
    scores += labels
    if levels:
        np.round(scores * levels, out=scores)
    METHODS[method](scores[:1000], labels[:1000])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    values = METHODS[method](scores, labels)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "method": method,
        "seconds": round(seconds, 2),
        "peak_gb": round(peak / 2**20, 2),
        "before_gb": round(before / 2**20, 2),
        "values": values,
    }


def main() -> None:
    """Run each method in a subprocess and print one line each, then the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=30_000_000)
    parser.add_argument("--share", type=float, default=0.03, help="share of anomalous points")
    parser.add_argument("--levels", type=int, default=0, help="round to 1/levels: heavy ties")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--worker", choices=METHODS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        print(json.dumps(measure(args.worker, args.points, args.share, args.levels)))
        return
    rows = {}
    for method in args.methods:
        command = [sys.executable, str(Path(__file__).resolve()), "--worker", method]
        command += [f"--points={args.points}", f"--share={args.share}", f"--levels={args.levels}"]
        output = subprocess.run(command, check=True, capture_output=True, text=True)
        rows[method] = json.loads(output.stdout.splitlines()[-1])
        print(json.dumps(rows[method]))
    if "ours" in rows and "sklearn" in rows:
        ratio = rows["sklearn"]["seconds"] / max(rows["ours"]["seconds"], 0.01)
        print(f"scikit-learn takes {ratio:.1f} times as long")


if __name__ == "__main__":
    main()

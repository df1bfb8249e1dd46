"""Clouds of the sizes that scanners give, in memory that a laptop has."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

# The child's own high-water mark: getrusage would report its parent's, who forked it.
SCRIPT = """
import json, re
from pathlib import Path
import numpy as np, torch
from plane_anomalib.data.point_cloud import PointCloudBatch, PointCloudItem
from plane_anomalib.models.plane import Plane


def memory(field):
    found = re.search(field + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found[1])

model = Plane(
    num_points=2048, num_groups=64, num_views=4, local_geometry=True, pose="principal",
    template_context=False, resolution="points", visualizer=False,
)
generator = np.random.default_rng(0)
items = []
for size in (100, 2_000_000):
    points = generator.normal(size=(size, 3)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    items.append(PointCloudItem(points=torch.from_numpy(points)))
batch = PointCloudBatch.collate(items)
before = memory("VmRSS")
found = model.score_batch(batch)
print(json.dumps({
    "additional": memory("VmHWM") - before,
    "scores": len(found.anomaly_map),
    "finite": bool(found.anomaly_map.isfinite().all()),
    "distinct": len(found.anomaly_map[100:].unique()),
    "objects": found.pred_score.tolist(),
}))
"""


@pytest.mark.slow
def test_two_million_points_beside_a_hundred_in_less_than_2_gb() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert 0 < result["additional"] < 2e9
    assert result["scores"] == 2_000_100
    assert result["finite"]
    assert result["distinct"] > 100_000
    assert len(result["objects"]) == 2

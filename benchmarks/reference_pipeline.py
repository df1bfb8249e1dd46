"""FPFH, coreset, search and registration as BTF and PatchCore are usually run, with their times.

What `baselines_speed.py` compares the package with. Nothing here comes from the package.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import open3d as o3d
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

Cloud = NDArray[np.float32]
Numbers = dict[str, float]

CPU = ", CPU"
"""Follows the name of a stage where seconds of all threads are meant."""
NORMAL_RADIUS, NORMAL_NEIGHBOURS = 1.0, 30
RADIUS, NEIGHBOURS = 2.5, 100
CORESET = 10_000
MATCH_DISTANCE, EDGE_LENGTH, ITERATIONS, CONFIDENCE = 0.75, 0.9, 100_000, 0.999


@contextmanager
def timed(stages: Numbers, name: str) -> Iterator[None]:
    """Add the seconds of a block to a stage, and those of all threads of the process."""
    start, busy = time.perf_counter(), time.process_time()
    yield
    add(stages, name, time.perf_counter() - start, time.process_time() - busy)


def add(stages: Numbers, name: str, seconds: float, busy: float) -> None:
    """Add wall and CPU time to a stage."""
    for key, value in ((name, seconds), (name + CPU, busy)):
        stages[key] = stages.get(key, 0.0) + value


def clocks() -> NDArray[np.float64]:
    """Wall and CPU seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def open3d_fpfh(cloud: Cloud) -> tuple[Any, Any]:
    """Open3D's cloud with normals, and its feature at every point."""
    near = o3d.geometry.KDTreeSearchParamHybrid
    pcd = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(cloud.astype(np.float64)))
    pcd.estimate_normals(near(NORMAL_RADIUS, NORMAL_NEIGHBOURS))
    search = near(RADIUS, NEIGHBOURS)
    feature = o3d.pipelines.registration.compute_fpfh_feature(pcd, search)  # type: ignore[call-arg]
    return pcd, feature


def ransac(source: Cloud, template: Cloud, fit: Numbers, score: Numbers) -> NDArray[np.float64]:
    """Match features at every point, as the methods' published code does at every voxel.

    Args:
        source: (M, 3) what to move.
        template: (N, 3).
        fit: Gets the time of what is done once for a template, as `registration`.
        score: Gets the time of what is done for each cloud.

    Returns:
        (4, 4) motion of the source.
    """
    registration = o3d.pipelines.registration
    with timed(fit, "registration"):
        target, target_feature = open3d_fpfh(template)
    o3d.utility.random.seed(0)
    with timed(score, "registration"):
        moved, moved_feature = open3d_fpfh(source)
        found = registration.registration_ransac_based_on_feature_matching(
            moved,
            target,
            moved_feature,
            target_feature,
            True,
            MATCH_DISTANCE,
            registration.TransformationEstimationPointToPoint(False),
            3,
            [
                registration.CorrespondenceCheckerBasedOnEdgeLength(EDGE_LENGTH),
                registration.CorrespondenceCheckerBasedOnDistance(MATCH_DISTANCE),
            ],
            registration.RANSACConvergenceCriteria(ITERATIONS, CONFIDENCE),
        )
    return np.asarray(found.transformation)


def coreset(stages: Numbers, name: str, rows: NDArray[np.float32], picks: int) -> NDArray[np.int64]:
    """Random projection, mean distance to ten starts, then one pass over all rows per pick."""
    generator = torch.Generator().manual_seed(0)
    start = clocks()
    matrix = torch.rand(rows.shape[1], 128, generator=generator) * 2 - 1
    space = torch.from_numpy(rows) @ matrix / rows.shape[1] ** 0.5
    starts = torch.randperm(len(rows), generator=generator)[:10]
    nearest = torch.cdist(space, space[starts]).mean(1).square_()
    norms = space.square().sum(1)
    before = clocks()
    picked = []
    for _ in range(picks):
        index = int(nearest.argmax())
        picked.append(index)
        squared = torch.addmv(norms, space, space[index], alpha=-2).add_(norms[index])
        torch.minimum(nearest, squared, out=nearest)
    taken = before - start + (clocks() - before) * CORESET / picks
    add(stages, name, *taken.tolist())
    return np.array(picked)


def search(queries: NDArray[np.float32], bank: NDArray[np.float32]) -> NDArray[np.float64]:
    """All distances in float64, some thousand queries at a time."""
    parts = np.array_split(queries.astype(np.float64), max(1, len(queries) // 2000))
    rows = bank.astype(np.float64)
    return np.concatenate([cdist(part, rows).min(1) for part in parts])

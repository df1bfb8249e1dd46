"""Results of jobs as a sweep would leave them, without running one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from plane_anomalib.benchmark.schema import (
    DONE,
    FAILED,
    ONE_CLASS,
    Cost,
    Failure,
    Identity,
    Job,
    JobResult,
    JobTiming,
    SavedCloud,
)
from plane_anomalib.core.results import (
    METRIC_NAMES,
    CategoryCounts,
    Component,
    Hardware,
    Metrics,
    ObjectScore,
    RunResult,
    Timing,
    Versions,
)

VERSIONS = Versions("0.3.0", "0" * 40, "2.7.0", "2.10.0", "3.11.2")
HARDWARE = Hardware("a processor", 2, 16 << 30, None)
FLOORS = {
    "object_AUROC": 0.5,
    "object_AP": 0.6,
    "object_F1max": 0.75,
    "point_AUROC": 0.5,
    "point_AP": 0.03,
    "point_F1max": 0.06,
    "point_AUPRO": 0.15,
    "point_AUROC_per_cloud": 0.5,
}
TRACEBACK = 'Traceback (most recent call last):\n  File "<string>", line 1\nValueError: no & yes'


def make_result(
    row: str = "BTF FPFH",
    column: str = "objects",
    categories: Sequence[str] = ("bowl",),
    *,
    values: Mapping[str, float | Mapping[str, float | None]] | None = None,
    scope: str = ONE_CLASS,
    seed: int = 0,
    model: str = "BTF",
    data: str = "AnomalyShapeNet",
    status: str = DONE,
    files: Mapping[str, Sequence[str]] | None = None,
    seconds: float = 0.5,
    finished: str = "2026-01-01T00:01:00+00:00",
    **changes: Any,
) -> JobResult:
    """One job.

    Args:
        values: For each category its metrics, or one number for all of them; None is absent.
        files: Names of each category's test clouds.
        changes: Of the result itself.
    """
    job = Job(
        row,
        column,
        Component(model, {"seed": seed}),
        Component(data, {"root": "/somewhere/private", "num_workers": 2}),
        list(categories),
        scope,
        seed,
    )
    identity = Identity(_hash(row, column, scope, seed, *categories), _hash("code"), None, None)
    done = status == DONE
    result = JobResult(
        job_id=_hash(identity.config)[:20],
        job=job,
        identity=replace(identity, data=_hash(column, *categories)),
        status=status,
        run=_run(job, values or {}, files or {}, seconds) if done else None,
        cost=Cost(2_000_000_000, 1_000_000, 22_000_000, 100_000) if done else None,
        timing=JobTiming("2026-01-01T00:00:00+00:00", finished, 60.0, 40.0 if done else None),
        failure=None if done else Failure("ValueError", "no & yes", TRACEBACK),
        attempt=1,
        versions=VERSIONS,
        hardware=HARDWARE,
    )
    return replace(result, **changes)


def make_sweep(
    rows: Mapping[str, float],
    categories: Sequence[str],
    *,
    seeds: Sequence[int] = (0,),
    column: str = "objects",
    spread: float = 0.05,
    **options: Any,
) -> list[JobResult]:
    """One-class jobs of several rows around a mean quality each; the same for the same names."""
    results = []
    for row, quality in rows.items():
        for seed in seeds:
            for number, category in enumerate(categories):
                generator = np.random.default_rng([len(row), seed, number, len(column)])
                values = {
                    name: float(np.clip(quality + spread * generator.normal() - 0.03 * i, 0, 1))
                    for i, name in enumerate(METRIC_NAMES)
                }
                slow = {"values": {category: values}, "seconds": 0.1 * (1 + len(row)), **options}
                results.append(make_result(row, column, [category], seed=seed, **slow))
    return results


def failed(result: JobResult, status: str = FAILED) -> JobResult:
    """The same job without numbers."""
    return replace(
        result,
        status=status,
        run=None,
        cost=None,
        failure=Failure("ValueError", "no & yes", TRACEBACK),
        timing=replace(result.timing, fit_seconds=None),
    )


def keep_cloud(
    folder: Path, result: JobResult, kind: str, generator: np.random.Generator
) -> JobResult:
    """Write a scored cloud beside a result that names it; a ball with a bulge as its defect."""
    points = generator.normal(size=(9000, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    truth = points @ np.array([0.5, 0.6, 0.62]) > 0.85
    points[truth] *= 1.1
    noise = 0.1 if kind == "best" else 0.6
    scores = (truth + noise * generator.normal(size=len(points))).astype(np.float32)
    home = folder / result.job_id
    home.mkdir(parents=True, exist_ok=True)
    name = f"{kind}.npz"
    np.savez_compressed(home / name, points=points.astype(np.float32), scores=scores, truth=truth)
    quality = 0.93 if kind == "best" else 0.21
    category = result.job.categories[0]
    saved = SavedCloud(name, f"{category}/test/{kind}_<1>.pcd", category, kind, quality)
    return replace(result, clouds=[*result.clouds, saved])


def _run(
    job: Job,
    values: Mapping[str, float | Mapping[str, float | None]],
    files: Mapping[str, Sequence[str]],
    seconds: float,
) -> RunResult:
    per_category: dict[str, dict[str, float | None]] = {}
    for name in job.categories:
        given = values.get(name, 0.7)
        every = dict.fromkeys(METRIC_NAMES, given) if isinstance(given, float) else dict(given)
        per_category[name] = {metric: every.get(metric) for metric in METRIC_NAMES}
    empty: dict[str, float | None] = dict.fromkeys(METRIC_NAMES)
    metrics = Metrics(
        mean=empty,
        mean_over=dict.fromkeys(METRIC_NAMES, 0),
        pooled=empty,
        per_category=per_category,
        floors={
            name: {m: None if found[m] is None else FLOORS[m] for m in METRIC_NAMES}
            for name, found in per_category.items()
        },
    )
    objects = [
        ObjectScore(f"{name}/test/{file}", name, "positive" not in file, 0.5)
        for name in job.categories
        for file in files.get(name, ["a_hole0.pcd", "a_positive0.pcd"])
    ]
    return RunResult(
        versions=VERSIONS,
        seed=job.seed,
        model=job.model,
        data=job.data,
        config_hash="c" * 64,
        data_counts={name: CategoryCounts(4, 1, 1, 2000, 60, 1) for name in job.categories},
        data_hash=None,
        weights_hash="w" * 64,
        hardware=HARDWARE,
        timing=Timing("2026-01-01T00:00:50+00:00", "2026-01-01T00:01:00+00:00", 9.0, 0.5, seconds),
        peak_memory_bytes=700 << 20,
        peak_gpu_memory_bytes=None,
        metrics=metrics,
        objects=objects,
    )


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()

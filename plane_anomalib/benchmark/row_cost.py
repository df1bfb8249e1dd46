"""What a row of the table took: time, memory, operations, parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plane_anomalib.benchmark.schema import JobResult
from plane_anomalib.core.results import Hardware


@dataclass(frozen=True)
class RowCost:
    """Costs of all finished jobs of a row on a column; None where not measured.

    Attributes:
        seconds_per_cloud: Mean over test clouds of the seconds to score one, loading left out.
        fit_seconds: Mean over seeds of the seconds to fit all categories.
        peak_memory_bytes: Largest resident memory of a job.
        peak_gpu_memory_bytes: Largest GPU memory of a job.
        operations: Mean over jobs of the operations to score a cloud.
        parameters: Most numbers in a model.
        hardware: The machines.
    """

    seconds_per_cloud: float | None
    fit_seconds: float | None
    peak_memory_bytes: int | None
    peak_gpu_memory_bytes: int | None
    operations: float | None
    parameters: int | None
    hardware: list[Hardware]


def row_cost(results: Sequence[JobResult]) -> RowCost | None:
    """Put the costs of one row on one column together; None without a finished job."""
    runs = [(result, result.run) for result in results if result.run is not None]
    if not runs:
        return None
    timed = [
        (len(run.objects), run.timing.seconds_per_cloud)
        for _, run in runs
        if run.timing.seconds_per_cloud is not None and run.objects
    ]
    clouds = sum(count for count, _ in timed)
    fitted = [r.timing.fit_seconds for r, _ in runs if r.timing.fit_seconds is not None]
    seeds = len({result.job.seed for result, _ in runs})
    graphics = [
        run.peak_gpu_memory_bytes for _, run in runs if run.peak_gpu_memory_bytes is not None
    ]
    counted = [result.cost for result, _ in runs if result.cost is not None]
    return RowCost(
        seconds_per_cloud=sum(n * s for n, s in timed) / clouds if clouds else None,
        fit_seconds=sum(fitted) / seeds if len(fitted) == len(runs) else None,
        # The system may not say, which is written as 0.
        peak_memory_bytes=max(run.peak_memory_bytes for _, run in runs) or None,
        peak_gpu_memory_bytes=max(graphics, default=None),
        operations=sum(c.operations for c in counted) / len(counted) if counted else None,
        parameters=max((c.parameters for c in counted), default=None),
        hardware=list(dict.fromkeys(result.hardware for result, _ in runs)),
    )

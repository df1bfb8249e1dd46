"""Results of jobs that never ran, complete enough to be stored."""

from __future__ import annotations

from plane_anomalib.benchmark.identity import job_id
from plane_anomalib.benchmark.job_process import failed
from plane_anomalib.benchmark.schema import (
    DONE,
    FAILED,
    Failure,
    Identity,
    Job,
    JobOrder,
    JobResult,
)
from plane_anomalib.core.results import Component


def order(seed: int = 0, attempt: int = 1, model: str = "BTF") -> JobOrder:
    """An order, another one for each seed."""
    job = Job(
        "row", "column", Component(model), Component("AnomalyShapeNet", {"root": "nowhere"}),
        ["bowl0"], "one-class", seed,
    )  # fmt: skip
    identity = Identity(f"{seed:064x}", "c" * 64, "d" * 64, None)
    return JobOrder(job_id(identity), job, identity, attempt)


def result(wanted: JobOrder, status: str = DONE) -> JobResult:
    """Its result, without numbers."""
    made = failed(wanted, status, Failure("Error", "broken", "trace"), 0.0, 1.0)
    if status == DONE:
        made = JobResult(**{**vars(made), "failure": None})
    return made


__all__ = ["DONE", "FAILED", "order", "result"]

"""Running a plan: what is left of it, how long that takes, and how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from statistics import fmean

from plane_anomalib.benchmark.executors import Executor
from plane_anomalib.benchmark.plan import Plan
from plane_anomalib.benchmark.schema import DONE, Job, JobOrder, JobResult
from plane_anomalib.benchmark.store import Store
from plane_anomalib.core.progress import duration


def orders_of(plan: Plan, store: Store, *, retry_failed: bool) -> list[JobOrder]:
    """The jobs that are left to run, each once.

    Args:
        plan: All jobs, with ids.
        store: What there is.
        retry_failed: Run those again that have failed.
    """
    orders: dict[str, JobOrder] = {}
    for planned in plan.jobs:
        name, identity = planned.job_id, planned.identity
        if name is None or identity is None or name in orders:
            continue
        before = store.result(name)
        attempt = 1 if before is None else before.attempt + 1
        if before is None or (retry_failed and before.status != DONE):
            orders[name] = JobOrder(name, planned.job, identity, attempt)
    return list(orders.values())


def results_of(plan: Plan, store: Store) -> list[JobResult]:
    """The results there are of a plan, under the names that rows and columns have in it.

    Two sweeps may call the same job differently, and two rows of one sweep may be the same job.
    """
    found = []
    for planned in plan.jobs:
        result = store.result(planned.job_id) if planned.job_id else None
        if result is not None:
            named = replace(result.job, row=planned.job.row, column=planned.job.column)
            found.append(replace(result, job=named))
    return found


def run_orders(
    orders: Sequence[JobOrder], store: Store, executor: Executor, estimates: Estimates
) -> list[JobResult]:
    """Run jobs, with a line on stderr for each.

    Args:
        orders: The jobs.
        store: Where results go.
        executor: Where they run.
        estimates: Of how long they take; made better on the way.

    Returns:
        Their results.
    """
    progress = _ProgressLines(orders, estimates)
    results: list[JobResult] = []
    if not orders:
        return results
    with closing(executor.run(orders, store)) as ending:
        for result in ending:
            results.append(result)
            progress.show(result)
    return results


def label(job: Job) -> str:
    """A job in a few words."""
    where = "+".join(job.categories[:3]) + ("+..." if len(job.categories) > 3 else "")
    return f"{job.row}, {job.column}, {where}, {job.scope}, seed {job.seed}"


class _ProgressLines:
    """Says what has ended and how long the rest will take."""

    def __init__(self, orders: Sequence[JobOrder], estimates: Estimates) -> None:
        self._left = {order.job_id: order.job for order in orders}
        self._count, self._estimates = len(orders), estimates
        self._started, self._worked = time.monotonic(), 0.0

    def show(self, result: JobResult) -> None:
        """Write a line for a job that has ended."""
        self._left.pop(result.job_id, None)
        self._estimates.add(result)
        self._worked += result.timing.total_seconds
        job, seconds = result.job, duration(result.timing.total_seconds)
        what = f"{job.row}, {job.column}, {'+'.join(job.categories[:3])}, seed {job.seed}"
        line = (
            f"[{self._count - len(self._left)}/{self._count}] {result.status} in {seconds}: {what}"
        )
        if self._left:
            line += f"; about {duration(self._seconds_left())} left"
        if result.failure is not None:
            first = result.failure.message.partition("\n")[0]
            line += f"\n    {result.failure.type}: {first}"
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def _seconds_left(self) -> float:
        # Jobs run beside each other, as many as the work done so far shows.
        beside = self._worked / max(time.monotonic() - self._started, 1e-3)
        return sum(map(self._estimates.seconds, self._left.values())) / max(beside, 1.0)


START_SECONDS = 9.0
"""Imports of a process, on two cores."""
PER_CLOUD_SECONDS = {
    "BTF": 1.0,
    "PatchCore3D": 0.8,
    "M3DM": 0.4,
    "Reg3DAD": 0.9,
    "TemplateResidual": 0.4,
    "Plane": 0.5,
}
"""Of a test cloud of 12,000 to 20,000 points on two cores, fitting included roughly; measured:
`benchmarks/results/comparison.csv`."""
PER_STEP_SECONDS = {"Plane": 0.6}
"""Of a training step on two cores: 2,500 take 24 minutes, says the model's page."""
MEASURED_STEP_SECONDS = {"Plane": 2.0}
"""Of a step with `template_context`, its specimens' comparison included: 250 take 10 minutes."""
USUAL_STEPS = {True: 250, False: 1500}
"""Of a trained model whose `max_steps` is left to itself, with and without `template_context`."""
OTHERS_SECONDS = 60.0
"""Of a model of which nothing is known, per category."""


class Estimates:
    """Seconds of jobs.

    Args:
        results: Earlier results; each new one makes the estimates better.
    """

    def __init__(self, results: Iterable[JobResult] = ()) -> None:
        self._seconds: dict[tuple[str, str], list[float]] = {}
        for result in results:
            self.add(result)

    def add(self, result: JobResult) -> None:
        """Learn from a job that is done."""
        if result.status == DONE:
            share = result.timing.total_seconds / len(result.job.categories)
            for key in _keys(result.job):
                self._seconds.setdefault(key, []).append(share)

    def seconds(self, job: Job, clouds: int = 0) -> float:
        """Seconds that a job will take alone on the machine.

        Args:
            job: The job.
            clouds: Number of its test clouds; 0 if not known.
        """
        for key in _keys(job):
            if key in self._seconds:
                return fmean(self._seconds[key]) * len(job.categories)
        per_cloud = PER_CLOUD_SECONDS.get(job.model.name)
        if per_cloud is None:
            return OTHERS_SECONDS * len(job.categories)
        measured = bool(job.model.arguments.get("template_context", True))
        steps = job.model.arguments.get("max_steps")
        steps = USUAL_STEPS[measured] if steps is None else max(steps, 0)
        per_step = (MEASURED_STEP_SECONDS if measured else PER_STEP_SECONDS).get(job.model.name, 0)
        training = per_step * steps
        return START_SECONDS + training + per_cloud * (clouds or 12 * len(job.categories))


def _keys(job: Job) -> tuple[tuple[str, str], ...]:
    """What jobs are alike by, the closest first: the row on this data, the row on other data."""
    return (job.row, job.column), (job.row, "")

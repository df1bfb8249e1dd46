"""Running a plan: what is left of it, how long that takes, and how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from plane_anomalib.benchmark.executors import Executor
from plane_anomalib.benchmark.plan import Plan
from plane_anomalib.benchmark.schema import DONE, Job, JobOrder, JobResult
from plane_anomalib.benchmark.store import Store
from plane_anomalib.core.configured import flat_arguments, from_arguments
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.progress import duration
from plane_anomalib.core.registry import MODELS


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
OTHERS_SECONDS = 60.0
"""Of a model of which nothing is known, per category."""
_CLOUDS_PER_CATEGORY = 12
"""Where a plan does not know."""


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
            if known := self._seconds.get(key):
                return sum(known) / len(known) * len(job.categories)
        config = _config(job)
        if config is None or config.seconds_per_cloud is None:
            return OTHERS_SECONDS * len(job.categories)
        scoring = config.seconds_per_cloud * (clouds or _CLOUDS_PER_CATEGORY * len(job.categories))
        return START_SECONDS + float(config.training_seconds + scoring)


def _config(job: Job) -> Any:
    """What the job's model is told; None where its arguments are not declared apart from it."""
    declared = MODELS.entry(job.model.name).load_config()
    if declared is None:
        return None
    names = flat_arguments(declared)
    given = {name: value for name, value in job.model.arguments.items() if name in names}
    try:
        return from_arguments(declared, given)
    except ConfigurationError:  # The job itself says what is wrong, when it is run.
        return None


def _keys(job: Job) -> tuple[tuple[str, str], ...]:
    """What jobs are alike by, the closest first: the row on this data, the row on other data."""
    return (job.row, job.column), (job.row, "")

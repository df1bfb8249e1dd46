"""Running a plan: what is left of it, in which order, and how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from plane_anomalib.benchmark.estimates import Estimates
from plane_anomalib.benchmark.executors import Executor
from plane_anomalib.benchmark.order import Order
from plane_anomalib.benchmark.plan import Plan
from plane_anomalib.benchmark.schema import DONE, Job, JobResult
from plane_anomalib.benchmark.store import Store
from plane_anomalib.core.progress import duration


def orders_of(plan: Plan, store: Store, *, retry_failed: bool) -> list[Order]:
    """The jobs that are left to run, each once.

    Args:
        plan: All jobs, with ids.
        store: What there is.
        retry_failed: Run those again that have failed.
    """
    orders: dict[str, Order] = {}
    for planned in plan.jobs:
        name, identity = planned.job_id, planned.identity
        if name is None or identity is None or name in orders:
            continue
        before = store.result(name)
        attempt = 1 if before is None else before.attempt + 1
        if before is None or (retry_failed and before.status != DONE):
            orders[name] = Order(name, planned.job, identity, attempt)
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
    orders: Sequence[Order], store: Store, executor: Executor, estimates: Estimates
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
    progress = _Progress(orders, estimates)
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


class _Progress:
    """Says what has ended and how long the rest will take."""

    def __init__(self, orders: Sequence[Order], estimates: Estimates) -> None:
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

"""Where jobs run: an executor by its name.

An executor claims each job in the folder of results, lets `supervise` run it somewhere, and yields
its result as soon as that lies in the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # The command line lists the names, and starts without all this.
    from plane_anomalib.benchmark.schema import JobOrder, JobResult
    from plane_anomalib.benchmark.store import Store

_EXECUTORS = {
    "local": "plane_anomalib.benchmark.executors.local:LocalExecutor",
    "ray": "plane_anomalib.benchmark.executors.ray:RayExecutor",
}
NAMES = tuple(_EXECUTORS)


@dataclass(frozen=True)
class Resources:
    """What a sweep may take.

    Attributes:
        processes: Jobs at a time; None for as many as fit.
        timeout_seconds: Of each job; None for any.
        memory_bytes: Of each job; None for any.
        options: What only one executor understands, such as the address of a cluster.
    """

    processes: int | None = None
    timeout_seconds: float | None = None
    memory_bytes: int | None = None
    options: Mapping[str, str] | None = None


class Executor(Protocol):
    """Runs jobs. `Executor(resources)` makes one."""

    def run(self, orders: Sequence[JobOrder], store: Store) -> Generator[JobResult, None, None]:
        """Run jobs, or wait for whoever else is running them.

        Args:
            orders: Jobs without a usable result, or with a failed one of an earlier attempt.
            store: Where results go.

        Yields:
            Every order's result once, in the order in which they end. Closing the iterator, by
            Ctrl-C for instance, ends what is running and leaves nothing half done behind.
        """
        ...


def create_executor(name: str, resources: Resources) -> Executor:
    """Make an executor.

    Args:
        name: One of `NAMES`.
        resources: What it may take.

    Raises:
        PlaneAnomalibError: It needs a package that is not installed, or an option cannot be meant.
    """
    module, _, cls = _EXECUTORS[name].partition(":")
    made: Callable[[Resources], Executor] = getattr(import_module(module), cls)
    return made(resources)


def is_settled(order: JobOrder, result: JobResult | None) -> bool:
    """Whether a result answers an order: it is of this attempt, a later one, or no failure."""
    return result is not None and (result.failure is None or result.attempt >= order.attempt)

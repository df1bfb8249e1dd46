"""Jobs on this machine, several at a time, each in a process of its own."""

from __future__ import annotations

import os
import queue
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from threading import Event, Lock, Thread

import psutil

from plane_anomalib.benchmark.executors import Resources, is_settled
from plane_anomalib.benchmark.job_process import Allowance, supervise
from plane_anomalib.benchmark.schema import RESULT_FILE, JobOrder, JobResult
from plane_anomalib.benchmark.store import Store, remove
from plane_anomalib.core.cores import usable_cores

_JOB_BYTES = 3 * 2**30
"""Memory that a job is taken to need where the number of processes is chosen."""
_WAIT_SECONDS = 1.0
_THREADS = "OMP_NUM_THREADS"
"""Torch, MKL and OpenBLAS all go by it, unless the user has set one of their own."""


class LocalExecutor:
    """N processes: one per GPU, or as many as the cores and the memory are good for.

    The cores are shared out, since two processes that each take all of them slow each other down
    several times: OpenMP's threads wait by spinning.

    Args:
        resources: See there.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def run(self, orders: Sequence[JobOrder], store: Store) -> Generator[JobResult, None, None]:
        """See `Executor`."""
        slots = slots_of_machine(self._resources.processes, len(orders))
        work = _OrderQueue(orders, store, self._resources)
        threads = [Thread(target=work.run, args=(slot,), daemon=True) for slot in slots]
        for thread in threads:
            thread.start()
        try:
            for _ in orders:
                found = work.next_result()
                if isinstance(found, BaseException):
                    raise found
                yield found
        finally:
            work.stop.set()
            for thread in threads:
                thread.join()


class _OrderQueue:
    """Orders that several threads take from, and the results that they bring."""

    def __init__(self, orders: Sequence[JobOrder], store: Store, resources: Resources) -> None:
        self.stop = Event()
        self._waiting = deque(orders)
        self._lock = Lock()
        self._store, self._resources = store, resources
        self._found: queue.Queue[JobResult | BaseException] = queue.Queue()

    def next_result(self) -> JobResult | BaseException:
        """The next result, or what went wrong in a thread; can be interrupted."""
        while True:
            try:
                return self._found.get(timeout=0.2)
            except queue.Empty:
                continue

    def run(self, environment: Mapping[str, str]) -> None:
        """Take orders until there are none, each with these variables."""
        try:
            while not self.stop.is_set() and (order := self._take()) is not None:
                result = self._run(order, environment)
                if result is not None:
                    self._found.put(result)
                elif not self.stop.is_set():
                    # Another process is at it; perhaps it dies.
                    self.stop.wait(_WAIT_SECONDS)
                    with self._lock:
                        self._waiting.append(order)
        except BaseException as error:
            self._found.put(error)

    def _take(self) -> JobOrder | None:
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def _run(self, order: JobOrder, environment: Mapping[str, str]) -> JobResult | None:
        store, resources = self._store, self._resources
        with store.claim(order.job_id) as free:
            if not free:
                return None
            before = store.result(order.job_id)
            if is_settled(order, before):
                return before
            home = store.clean(order.job_id)
            allowance = Allowance(resources.timeout_seconds, resources.memory_bytes, environment)
            result = supervise(order, home, allowance, self.stop)
            if not (home / RESULT_FILE).exists():
                remove(home)
            return result


def slots_of_machine(processes: int | None, jobs: int) -> list[dict[str, str]]:
    """The variables that each of several processes at a time gets, so that they do not fight.

    Args:
        processes: How many; None chooses.
        jobs: How many there are to run.

    Returns:
        For each process its GPU, if there are any, and its number of threads. Variables that the
        user has set stay.
    """
    cores, gpus = usable_cores(), _gpus()
    fitting = len(gpus) or max(min(cores, psutil.virtual_memory().total // _JOB_BYTES), 1)
    count = max(min(processes or fitting, jobs), 1)
    threads = str(max(cores // count, 1))
    slots = []
    for index in range(count):
        slot = {} if _THREADS in os.environ else {_THREADS: threads}
        if gpus:
            slot["CUDA_VISIBLE_DEVICES"] = gpus[index % len(gpus)]
        slots.append(slot)
    return slots


def _gpus() -> list[str]:
    """The GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` calls them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]

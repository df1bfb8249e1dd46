"""How many processors there are for this process, and how work is shared among them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


def usable_cores() -> int:
    """Processors that this process may run on, at least 1 and not always all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_threads() -> int:
    """Threads that work is shared among: as many as torch uses, which is not imported for it.

    Before anything imported torch, it is `OMP_NUM_THREADS` where that is set, else the processors
    that this process may run on. Results are the same for any number.
    """
    # Half imported by another thread, torch has no such function yet.
    asked = getattr(sys.modules.get("torch"), "get_num_threads", None)
    if asked is not None:
        return int(asked())
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isascii() and said.isdigit() and int(said) else usable_cores()


def in_chunks(
    work: Callable[[slice], None], num: int, size: int, threads: int | None = None
) -> None:
    """Call `work` on slices that cover 0..num, on several threads.

    Args:
        work: Called with one slice; slices do not overlap.
        num: Total length.
        size: Length of a slice.
        threads: How many; by default `worker_threads()`.
    """
    parts = [slice(start, min(start + size, num)) for start in range(0, num, size)]
    threads = min(worker_threads() if threads is None else threads, len(parts))
    if threads <= 1:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, part) for part in parts]:
            done.result()


@contextmanager
def one_torch_thread() -> Iterator[int]:
    """Let torch work on one thread within the block, in new threads too.

    Thousands of short operations that each wait for every thread take many times as long as on one
    thread as soon as another process uses a core.

    Yields:
        How many threads it had, and has again afterwards.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let numpy's and scipy's linear algebra work on one thread within the block.

    Their threads wait by spinning, each library's in a pool of its own, and keep the processor from
    those that search for neighbours: matrices of a few hundred rows take ten times as long.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield

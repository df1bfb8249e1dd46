"""How many processors there are for this process, and work that is shared among them."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def usable_cores() -> int:
    """Processors that this process may run on, at least 1 and not always all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_chunks(
    work: Callable[[slice], None], num: int, size: int, threads: int | None = None
) -> None:
    """Call `work` on slices that cover 0..num, on several threads.

    Args:
        work: Called with one slice; slices do not overlap.
        num: Total length.
        size: Length of a slice.
        threads: How many; by default as many as torch uses.
    """
    import torch

    parts = [slice(start, min(start + size, num)) for start in range(0, num, size)]
    threads = min(torch.get_num_threads() if threads is None else threads, len(parts))
    if threads <= 1:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, part) for part in parts]:
            done.result()

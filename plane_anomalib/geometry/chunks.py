"""Long arrays in slices, on several threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch


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
    parts = [slice(start, min(start + size, num)) for start in range(0, num, size)]
    threads = min(torch.get_num_threads() if threads is None else threads, len(parts))
    if threads <= 1:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, part) for part in parts]:
            done.result()

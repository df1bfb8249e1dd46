"""Keeping libraries from splitting small operations between threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def one_torch_thread() -> Iterator[int]:
    """Let torch work on one thread within the block, in new threads too.

    Thousands of short operations that each wait for every thread take many times as long as on one
    thread as soon as another process uses a core.

    Yields:
        How many threads it had, and has again afterwards.
    """
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
    with threadpool_limits(1, user_api="blas"):
        yield

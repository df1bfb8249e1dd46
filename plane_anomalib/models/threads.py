"""Keeping torch from splitting small operations between threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


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

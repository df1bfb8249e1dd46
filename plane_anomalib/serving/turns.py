"""One thread that takes one cloud after another, and a bound to how many wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Turns:
    """Work that is done one piece at a time.

    A place is taken before the work is known and given back when the work has ended, also if
    nobody waits for it any more: a thread cannot be stopped, so its place is not free before.

    Args:
        places: How many may wait or work at a time.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._taken = 0
        self._last = 0.0
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inspect")

    @property
    def taken(self) -> int:
        """How many wait or work."""
        return self._taken

    @property
    def last(self) -> float:
        """Seconds that the last piece of work took."""
        return self._last

    def take(self) -> bool:
        """Take a place, if there is one."""
        with self._lock:
            free = self._taken < self._places
            self._taken += free
        return free

    def leave(self) -> None:
        """Give back a place without having worked."""
        with self._lock:
            self._taken -= 1

    def work(self, task: Callable[[], T], clean: Callable[[], object]) -> Future[T]:
        """Hand in work; its place is given back when it has ended or was cancelled.

        Args:
            task: What to do, in the thread.
            clean: What to do afterwards, whether the task was run or not.

        Returns:
            The task's result; cancelling it works until its turn has come.
        """
        future = self._thread.submit(self._timed, task)

        def ended(_: Future[T]) -> None:
            try:
                clean()
            finally:
                self.leave()

        future.add_done_callback(ended)
        return future

    def close(self) -> None:
        """Let the current piece end, and begin no other."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _timed(self, task: Callable[[], T]) -> T:
        start = time.perf_counter()
        try:
            return task()
        finally:
            self._last = time.perf_counter() - start

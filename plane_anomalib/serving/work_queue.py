"""How much clients may ask for, and one thread that takes one cloud after another."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from plane_anomalib.core.errors import ConfigurationError


@dataclass(frozen=True)
class ServerLimits:
    """Bounds of a server's memory and work.

    Attributes:
        megabytes: Largest request body, in millions of bytes.
        points: Most points of a cloud. It bounds how long scoring takes, which nothing can stop
            once it has begun.
        timeout: Seconds from the first byte of a request to its answer, the wait for others'
            clouds included.
        waiting: Most requests at a time, the one that is being scored included.
    """

    megabytes: float = 200
    points: int = 1_000_000
    timeout: float = 60
    waiting: int = 16

    def __post_init__(self) -> None:
        """Refuse what would refuse everything.

        Raises:
            ConfigurationError: A value is not above zero.
        """
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ConfigurationError(f"{field.name} is {value}; it must be above zero.")

    @property
    def size(self) -> int:
        """Largest request body in bytes."""
        return int(self.megabytes * 1e6)


T = TypeVar("T")


class WorkQueue:
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

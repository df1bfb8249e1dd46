"""What commands print: lines on stdout, and on stderr how far a long one is."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from plane_anomalib.inspection.progress import Progress

_SECONDS_BETWEEN_LINES = 15.0
_TELLING_SHARE = 0.2


def say(*lines: str) -> None:
    """Write lines to stdout at once, whatever characters are in the names of files."""
    encoding = sys.stdout.encoding or "utf-8"
    text = "".join(f"{line}\n" for line in lines)
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def shown_progress() -> Bars | Lines:
    """What suits stderr; use it in a `with` statement."""
    return Bars() if sys.stderr.isatty() else Lines()


class Bars(Progress):
    """A bar per stage, with the time that is left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("time left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            # Lines that go to a file must stay on their way there.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task: Any = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def start(self, what: str, total: int) -> None:
        """Begin a bar."""
        self._task = self._bars.add_task(what, total=total or None)

    def advance(self, count: int = 1) -> None:
        """Move it on."""
        self._bars.advance(self._task, count)


class Lines(Progress):
    """A line when a stage begins, and one every few seconds."""

    def __init__(self) -> None:
        self._done, self._total = 0, 0
        self._began = self._said = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del kind, error, trace

    def start(self, what: str, total: int) -> None:
        """Say what begins."""
        self._done, self._total = 0, total
        self._began = self._said = time.monotonic()
        _line(f"{what} ({total} step{'s' if total != 1 else ''})" if total else what)

    def advance(self, count: int = 1) -> None:
        """Say how far it is, unless that has just been said."""
        from plane_anomalib.benchmark.estimates import duration

        self._done += count
        now = time.monotonic()
        if now - self._said < _SECONDS_BETWEEN_LINES or not 0 < self._done < self._total:
            return
        # The first steps are not like the others: a fit before many scores.
        if self._done < self._total * _TELLING_SHARE:
            return
        self._said = now
        left = (now - self._began) / self._done * (self._total - self._done)
        _line(f"  {self._done} of {self._total}, about {duration(left)} left")


def _line(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()

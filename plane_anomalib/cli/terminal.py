"""What commands print: lines on stdout; on stderr how far a long one is, and what goes wrong."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from plane_anomalib.core.errors import PlaneAnomalibError
from plane_anomalib.core.progress import Progress, duration

DEBUG_VARIABLE = "PLANE_ANOMALIB_DEBUG"
_SECONDS_BETWEEN_LINES = 15.0
_TELLING_SHARE = 0.2
# How torch hands on what a loader's worker process raised: our type's name in the first line,
# the whole traceback, and the sentence in the last line.
_FROM_WORKER = re.compile(
    r"^Caught \w+ in .*^plane_anomalib\.core\.errors\.\w+: (?P<sentence>[^\n]+)\s*\Z",
    re.DOTALL | re.M,
)


def say(*lines: str) -> None:
    """Write lines to stdout at once, whatever characters are in the names of files."""
    encoding = sys.stdout.encoding or "utf-8"
    text = "".join(f"{line}\n" for line in lines)
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


@contextmanager
def one_sentence_errors() -> Iterator[None]:
    """Turn errors this package raises on purpose into a line on stderr and exit code 1.

    Other errors pass. With `PLANE_ANOMALIB_DEBUG=1` in the environment everything passes, with its
    traceback.

    Raises:
        SystemExit: With code 1, in place of a `PlaneAnomalibError`.
    """
    try:
        yield
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None or os.environ.get(DEBUG_VARIABLE, "0") != "0":
            raise
        sys.stderr.write(f"error: {sentence}\n")
        raise SystemExit(1) from None


def sentence_of(error: BaseException) -> str | None:
    """The sentence of an error of this package, also if a worker process raised it; else None."""
    from_worker = _FROM_WORKER.search(str(error))
    if from_worker:
        return from_worker["sentence"]
    return str(error) if isinstance(error, PlaneAnomalibError) else None


def stage_progress() -> Progress:
    """What suits stderr for stages of steps; use it in a `with` statement."""
    return StageBars() if sys.stderr.isatty() else StageLines()


def transfer_progress() -> Progress:
    """What suits stderr for bytes that come: a bar on a terminal, else nothing."""
    return TransferBar() if sys.stderr.isatty() else Progress()


class _Bars(Progress):
    """Bars on a terminal's stderr.

    Args:
        columns: Of each bar, after its name, as rich has them.
        options: Of the display.
    """

    def __init__(self, *columns: Any, **options: Any) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            *columns,
            console=Console(stderr=True),
            **options,
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

    def start(self, what: str, total: int, done: int = 0) -> None:
        """Begin a bar."""
        self._task = self._bars.add_task(what, total=total or None, completed=done)

    def advance(self, count: int = 1) -> None:
        """Move it on."""
        self._bars.advance(self._task, count)


class StageBars(_Bars):
    """A bar per stage, with the time that is left."""

    def __init__(self) -> None:
        from rich.progress import MofNCompleteColumn, TextColumn, TimeRemainingColumn

        super().__init__(
            MofNCompleteColumn(),
            TextColumn("time left"),
            TimeRemainingColumn(),
            transient=True,
            # Lines that go to a file must stay on their way there.
            redirect_stdout=sys.stdout.isatty(),
        )


class TransferBar(_Bars):
    """One bar for a file, with its speed and the time that is left."""

    def __init__(self) -> None:
        from rich.progress import DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

        super().__init__(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())

    def __enter__(self) -> Self:
        # Nothing is drawn before something comes: a hub's client draws bars of its own.
        return self

    def start(self, what: str, total: int, done: int = 0) -> None:
        """Show the bar where the transfer is, also after a connection dropped."""
        if self._task is None:
            self._bars.start()
            super().start(what, total, done)
        else:
            self._bars.update(self._task, completed=done, total=total or None)


class StageLines(Progress):
    """A line when a stage begins, and one every few seconds."""

    def __init__(self) -> None:
        self._done, self._total = 0, 0
        self._began = self._said = 0.0

    def start(self, what: str, total: int, done: int = 0) -> None:
        """Say what begins, or how much of it is left."""
        self._done, self._total = 0, total - done
        self._began = self._said = time.monotonic()
        steps = f"{self._total} step{'s' if self._total != 1 else ''}"
        _line(f"{what} ({steps})" if total else what)

    def advance(self, count: int = 1) -> None:
        """Say how far it is, unless that has just been said."""
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

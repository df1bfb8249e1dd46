"""How far a long piece of work is: what it tells, and to whom."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Progress:
    """Is told how far a piece of work is and tells nobody; a base for those who do.

    A display is opened and closed by a `with` statement; the work itself only calls `start` and
    `advance`.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the display."""

    def start(self, what: str, total: int, done: int = 0) -> None:
        """A stage of so many steps begins, or a transfer of so many bytes.

        Args:
            what: What it does, in words, or the name of what comes.
            total: Steps or bytes; 0 where they are not known.
            done: How many of them are behind it already.
        """

    def advance(self, count: int = 1) -> None:
        """So many more steps or bytes are done."""


def duration(seconds: float) -> str:
    """A length of time in words: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

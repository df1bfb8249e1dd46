"""How far a download is."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Progress:
    """Tells nobody; a base for those who do."""

    def start(self, done: int, total: int | None) -> None:
        """A transfer begins or goes on with `done` bytes here already."""

    def advance(self, count: int) -> None:
        """`count` more bytes came."""


class Bar(Progress):
    """A bar on stderr, if that is a terminal.

    Args:
        name: What is fetched.
    """

    def __init__(self, name: str) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.progress import Progress as RichProgress

        console = Console(stderr=True)
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(name, total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def start(self, done: int, total: int | None) -> None:
        """Show the bar where the transfer is."""
        self._bar.update(self._task, completed=done, total=total)

    def advance(self, count: int) -> None:
        """Move it on."""
        self._bar.advance(self._task, count)

"""How far a long command is."""

from __future__ import annotations


class Progress:
    """Tells nobody; a base for those who do."""

    def start(self, what: str, total: int) -> None:
        """A stage of so many steps begins.

        Args:
            what: What it does, in words.
            total: Steps; 0 where they are not known.
        """

    def advance(self, count: int = 1) -> None:
        """So many more steps are done."""

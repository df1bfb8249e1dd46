"""A training that was stopped, and where it can go on from."""

from __future__ import annotations

from pathlib import Path

from plane_anomalib.core.errors import PlaneAnomalibError

LAST = "last.ckpt"


class TrainingStoppedError(PlaneAnomalibError):
    """Ctrl-C during a training.

    Args:
        unfinished: Where its last checkpoint lies; `None` if there is none yet.
    """

    def __init__(self, unfinished: Path | None) -> None:
        self.unfinished = unfinished
        super().__init__(
            "Stopped before the first checkpoint: nothing is kept."
            if unfinished is None
            else f"Stopped; the last checkpoint is {unfinished / LAST}."
        )


def unfinished_folder(out: Path) -> Path:
    """Where a training towards the folder `out` keeps its checkpoint until it has ended."""
    return out.with_name(f"{out.name}.unfinished")

"""What a run says while it goes: a line for people, a row for tables."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor


class Log:
    """Collects losses on the device and looks at them once in a while.

    Args:
        path: CSV file; rows are appended.
        every: Steps between rows.
        write: Takes the lines.
    """

    def __init__(self, path: Path, every: int, write: Callable[[str], None]) -> None:
        self.path, self.every, self.write = path, every, write
        self._sums: dict[str, Tensor] = {}
        self._count = 0
        self._since = time.monotonic()

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Take a step's losses in, without waiting for them."""
        for name, value in values.items():
            value = value.detach().float()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._count += 1

    def due(self, step: int) -> bool:
        """Whether a row is due after so many steps."""
        return step % self.every == 0

    def report(self, step: int, steps: int, rate: float, seconds: float, left: float) -> None:
        """Write the means since the last row, which waits for the device.

        Args:
            step: Steps done.
            steps: In all.
            rate: Learning rate.
            seconds: Since the run began.
            left: Expected until it ends.
        """
        if not self._count:
            return
        names = list(self._sums)
        values = (torch.stack([self._sums[n] for n in names]) / self._count).tolist()
        now = time.monotonic()
        speed = self._count / max(1e-9, now - self._since)
        row = {"step": step, "seconds": round(seconds, 1), "steps_per_second": round(speed, 2),
               "learning_rate": f"{rate:.3g}"}  # fmt: skip
        row |= {name: f"{value:.5f}" for name, value in zip(names, values, strict=True)}
        self._append(row)
        losses = " ".join(f"{name} {value:.3f}" for name, value in zip(names, values, strict=True))
        self.write(
            f"step {step}/{steps}  {losses}  lr {rate:.1e}  {speed:.1f} steps/s  "
            f"{left / 60:.1f} min left"
        )
        self._sums, self._count, self._since = {}, 0, now

    def _append(self, row: Mapping[str, object]) -> None:
        new = not self.path.is_file()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)

"""Scores of every predicted cloud as files: a coloured cloud each, and one table."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.files import replaced
from plane_anomalib.formats.io import write_points
from plane_anomalib.web.colours import ScoreScale
from plane_anomalib.web.files import safe_name
from plane_anomalib.web.gallery import CloudRecord


class ScoreFiles:
    """Writes scored clouds once the colours of the whole run are known.

    Until then the points wait on disk, not in memory: a run may hold many millions of them.

    Args:
        folder: The run directory.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._waiting = tempfile.TemporaryDirectory(prefix=".scores-", dir=folder)

    def add(
        self, number: int, points: NDArray[np.float32], scores: NDArray[np.float32] | None
    ) -> None:
        """Put a cloud aside.

        Args:
            number: The cloud's number in the run.
            points: `(N, 3) float32`.
            scores: `(N,) float32`; without any, the cloud gets no file.
        """
        if scores is not None and len(scores):
            columns = np.column_stack([points, scores]).astype(np.float32)
            np.save(self._place(number), columns, allow_pickle=False)

    def _place(self, number: int) -> Path:
        return Path(self._waiting.name) / f"{number}.npy"

    def finish(
        self, records: Sequence[CloudRecord], names: Sequence[str], scale: ScoreScale
    ) -> Path:
        """Write `predictions/<category>/<stem>_scores.ply` and `predictions.csv`.

        Args:
            records: Every cloud, by number.
            names: Its file name without suffix.
            scale: The run's score colours.

        Returns:
            The table's path.
        """
        table = self._folder / "predictions.csv"
        rows = []
        for number, (record, name) in enumerate(zip(records, names, strict=True)):
            file = ""
            if self._place(number).exists():
                columns = np.load(self._place(number), allow_pickle=False)
                self._place(number).unlink()
                target = self._folder / "predictions" / safe_name(record.category or "all")
                target = target / f"{name}_scores.ply"
                points, scores = columns[:, :3], columns[:, 3]
                colours = scale.colours(scores)
                write_points(target, points, fields={"score": scores}, colors=colours)
                file = target.relative_to(self._folder).as_posix()
            score = "" if record.score is None else repr(record.score)
            called = {None: "", True: "anomalous", False: "normal"}[record.called_anomalous]
            rows.append((record.path, record.category, score, called, file))
        self._waiting.cleanup()
        with replaced(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(("path", "category", "score", "label", "scores_file"))
            writer.writerows(rows)
        return table

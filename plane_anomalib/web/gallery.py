"""What a run shows and writes of its clouds, without knowing how many will come.

Pictures and pages show a few of them, kept in bounded memory (`Gallery`); the scores of all of them
go to files, coloured once the colours of the whole run are known (`ScoreFiles`).
"""

from __future__ import annotations

import csv
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.files import replaced, safe_name, unique_stems
from plane_anomalib.formats.writer import write_points
from plane_anomalib.web.colours import ScoreScale
from plane_anomalib.web.shown_cloud import ShownCloud


@dataclass(frozen=True)
class CloudRecord:
    """What is kept of every cloud, shown or not.

    Attributes:
        path: The file it came from.
        category: The object's class.
        defect: Kind of defect, "good" without one, "" where unknown.
        score: The object's score, or `None`.
        anomalous: The true label, or `None`.
        called_anomalous: The predicted label, or `None`.
        num_points: How many points it has.
    """

    path: str
    category: str
    defect: str
    score: float | None
    anomalous: bool | None
    called_anomalous: bool | None
    num_points: int


class _ThresholdGuess:
    """Finds the threshold that made a mask of scores: between the unmarked and the marked."""

    def __init__(self) -> None:
        self._unmarked = -np.inf
        self._marked = np.inf

    def add(self, scores: NDArray[np.floating], marked: NDArray[np.bool_]) -> None:
        self._unmarked = max(self._unmarked, float(np.max(scores[~marked], initial=-np.inf)))
        self._marked = min(self._marked, float(np.min(scores[marked], initial=np.inf)))

    def value(self, known: float | None) -> float | None:
        """The known threshold if it agrees with the masks, else what they say, else nothing."""
        if known is not None and self._unmarked <= known <= self._marked:
            return known
        if np.isfinite(self._unmarked) and self._unmarked < self._marked < np.inf:
            return (self._unmarked + self._marked) / 2
        return None


class Gallery:
    """Clouds of one run: a record of each, and drawable copies of some.

    The copies are spread evenly over categories and over good and defective clouds, and within
    those over the kinds of defect; among equals the earlier cloud stays.

    Args:
        max_clouds: The most copies to keep.
        max_points: The most points of a copy.
    """

    def __init__(self, max_clouds: int, max_points: int) -> None:
        self.max_clouds = max_clouds
        self.max_points = max_points
        self.records: list[CloudRecord] = []
        self._kept: dict[int, ShownCloud] = {}
        self._points_threshold = _ThresholdGuess()
        self._object_threshold = _ThresholdGuess()

    def add(self, cloud: ShownCloud) -> int:
        """Take in one cloud with all its points; returns its number in the run."""
        number = len(self.records)
        total = len(cloud.points)
        self.records.append(
            CloudRecord(
                cloud.path,
                cloud.category,
                cloud.defect,
                cloud.score,
                cloud.anomalous,
                cloud.called_anomalous,
                total,
            )
        )
        if cloud.scores is not None and cloud.predicted is not None:
            self._points_threshold.add(cloud.scores, cloud.predicted)
        if cloud.score is not None and cloud.called_anomalous is not None:
            called = np.array([cloud.called_anomalous])
            self._object_threshold.add(np.array([cloud.score]), called)
        if total and self._make_room(number):
            copy = replace(cloud.thinned(self.max_points), num_points=total)
            self._kept[number] = copy.detached()
        return number

    def _make_room(self, newcomer: int) -> bool:
        """Whether the newcomer is to be kept; drops another for it where the gallery is full."""
        if len(self._kept) < self.max_clouds:
            return True
        if self.max_clouds == 0:
            return False
        groups: dict[tuple[str, bool | None], list[int]] = defaultdict(list)
        for number in [*sorted(self._kept), newcomer]:
            groups[self.records[number].category, self.records[number].anomalous].append(number)
        largest = max(groups.values(), key=lambda numbers: (len(numbers), numbers[-1]))
        kinds: dict[str, list[int]] = defaultdict(list)
        for number in largest:
            kinds[self.records[number].defect].append(number)
        leaves = max(kinds.values(), key=lambda numbers: (len(numbers), numbers[-1]))[-1]
        self._kept.pop(leaves, None)
        return leaves != newcomer

    def names(self) -> list[str]:
        """One file name without suffix per cloud of the run, unique within its category."""
        records = self.records
        return unique_stems([r.path for r in records], [r.category for r in records])

    def clouds(self) -> list[ShownCloud]:
        """The kept copies with their names, by category, defective before good, then by name."""
        names = self.names()
        named = [replace(cloud, name=names[number]) for number, cloud in self._kept.items()]
        return sorted(named, key=lambda c: (c.category, c.anomalous is False, c.name))

    def scale(self, known_threshold: float | None = None) -> ScoreScale:
        """Score colours for all copies.

        Args:
            known_threshold: The model's own threshold of point scores; used if it agrees with
                the predicted masks (scores may have been rescaled after it was set).
        """
        threshold = self._points_threshold.value(known_threshold)
        shown = [cloud.scores for cloud in self._kept.values() if cloud.scores is not None]
        return ScoreScale.fit(shown, threshold)

    def object_threshold(self, known_threshold: float | None = None) -> float | None:
        """A score that parts the clouds called anomalous from the others, if there is one."""
        return self._object_threshold.value(known_threshold)


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

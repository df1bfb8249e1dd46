"""Raw scores of a whole test run, kept per cloud, and the metrics made of them.

Anomalous and normal points are kept apart from the start, because that is how
:mod:`plane_anomalib.metrics.functional` wants them. The scores of normal points, the bulk of any
test set, go to a temporary file once they pass `memory_bytes`, so that a run over hundreds of
millions of points holds its anomalous points and one piece of the normal ones at a time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import IO

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.metrics.aupro import find_regions

Floats = NDArray[np.float32]
_EMPTY = np.empty(0, dtype=np.float32)


@dataclass(frozen=True)
class _Stored:
    """A piece of the temporary file, in numbers of float32."""

    start: int
    count: int


class FloatSpool:
    """Arrays of float32, in memory up to a budget and in an unnamed temporary file beyond it.

    Args:
        memory_bytes: The budget.
    """

    def __init__(self, memory_bytes: int) -> None:
        self._left = memory_bytes
        self._file: IO[bytes] | None = None
        self._written = 0

    def put(self, values: Floats) -> Floats | _Stored:
        """Store an array; :meth:`get` gives it back for the returned handle."""
        if values.nbytes <= self._left:
            self._left -= values.nbytes
            return values
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="plane_anomalib_scores_")  # noqa: SIM115
        self._file.seek(self._written * 4)
        self._file.write(values.tobytes())
        stored = _Stored(self._written, len(values))
        self._written += len(values)
        return stored

    def get(self, handle: Floats | _Stored) -> Floats:
        """The array of a handle."""
        if not isinstance(handle, _Stored):
            return handle
        assert self._file is not None  # noqa: S101 - a handle exists only after put() opened it
        self._file.seek(handle.start * 4)
        return np.frombuffer(self._file.read(handle.count * 4), dtype=np.float32)


@dataclass(frozen=True)
class TestedCloud:
    """One test cloud: its raw scores, parted by the truth.

    Attributes:
        path: The cloud's file.
        category: Its class.
        label: True for an anomalous cloud, None when unknown.
        score: The object score, None when the model gives none.
        num_points: Number of points.
        point_truth: Whether the points' truth is known and scores for them exist.
        anomalous: Scores of the anomalous points, `(P,)` float32.
        regions: Region of each of them, `(P,)` int32; empty when regions were not asked for.
        normal: Scores of the normal points, or the handle of their place in the file.
    """

    path: str
    category: str
    label: bool | None
    score: float | None
    num_points: int
    point_truth: bool = False
    anomalous: Floats = field(default_factory=lambda: _EMPTY)
    regions: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    normal: Floats | _Stored = field(default_factory=lambda: _EMPTY)


class ScoreCollection:
    """All clouds of a run.

    Args:
        radius_factor: See :func:`plane_anomalib.metrics.aupro.find_regions`; None skips the search
            for regions, and with it AU-PRO.
        memory_bytes: How much memory the scores of normal points may take before they go to disk.
    """

    def __init__(self, radius_factor: float | None = 2.5, memory_bytes: int = 2**29) -> None:
        self.radius_factor = radius_factor
        self._spool = FloatSpool(memory_bytes)
        self._clouds: list[TestedCloud] = []

    def __len__(self) -> int:
        return len(self._clouds)

    @property
    def clouds(self) -> Sequence[TestedCloud]:
        """The clouds in the order of arrival."""
        return self._clouds

    def add(
        self,
        *,
        path: str,
        category: str,
        points: NDArray[np.float32],
        label: bool | None,
        score: float | None,
        anomaly_map: Floats | None,
        mask: NDArray[np.bool_] | None,
    ) -> None:
        """Add one cloud.

        Args:
            path: See `TestedCloud`, as category, label and score.
            category: Its class.
            points: `(N, 3)` coordinates.
            label: True for an anomalous cloud, None when unknown.
            score: The raw object score.
            anomaly_map: `(N,)` raw scores of the points.
            mask: `(N,)` true for anomalous points; None when unknown: of a cloud labelled normal
                all points are.

        Raises:
            ConfigurationError: A score is NaN, or lengths differ.
        """
        cloud = TestedCloud(path, category, label, score, len(points))
        _check(cloud, anomaly_map, mask)
        if mask is None and label is False:
            mask = np.zeros(len(points), dtype=bool)
        if anomaly_map is not None and mask is not None:
            scores = anomaly_map.astype(np.float32, copy=False)
            cloud = replace(
                cloud,
                point_truth=True,
                anomalous=scores[mask],
                regions=self._regions(points, mask),
                normal=self._spool.put(scores[~mask]),
            )
        self._clouds.append(cloud)

    def normal(self, cloud: TestedCloud) -> Floats:
        """Scores of a cloud's normal points, `(N - P,)` float32."""
        return self._spool.get(cloud.normal)

    def normals(self, clouds: Sequence[TestedCloud]) -> Iterator[Floats]:
        """Scores of the normal points of several clouds, in pieces that fit in memory."""
        piece: list[Floats] = []
        for cloud in clouds:
            piece.append(self.normal(cloud))
            if sum(map(len, piece)) > 2**25:
                yield np.concatenate(piece)
                piece = []
        if piece:
            yield np.concatenate(piece)

    def by_category(self) -> dict[str, list[TestedCloud]]:
        """The clouds of each category, categories sorted by name."""
        grouped: dict[str, list[TestedCloud]] = {}
        for cloud in self._clouds:
            grouped.setdefault(cloud.category, []).append(cloud)
        return dict(sorted(grouped.items()))

    def export(self) -> list[TestedCloud]:
        """The clouds with all their scores in memory, ready to be sent to another process."""
        return [replace(cloud, normal=self.normal(cloud)) for cloud in self._clouds]

    def merge(self, others: Sequence[Sequence[TestedCloud]], total: int) -> None:
        """Replace the content by that of several processes, in the order of the dataset.

        A distributed sampler deals the clouds out in turn, and repeats some at the end so that all
        processes get equally many: each cloud counts once.

        Args:
            others: The clouds of each process, by its number.
            total: Clouds in the dataset.
        """
        dealt = [
            (turn * len(others) + rank, cloud)
            for rank, clouds in enumerate(others)
            for turn, cloud in enumerate(clouds)
        ]
        self._clouds = [
            replace(cloud, normal=self._spool.put(self.normal(cloud)))
            for place, cloud in sorted(dealt, key=itemgetter(0))
            if place < total
        ]

    def _regions(self, points: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.int32]:
        if self.radius_factor is None or not mask.any():
            return np.empty(0, dtype=np.int32)
        return find_regions(points[mask], self.radius_factor)


def _check(cloud: TestedCloud, anomaly_map: Floats | None, mask: NDArray[np.bool_] | None) -> None:
    where = cloud.path or "a cloud"
    if cloud.score is not None and np.isnan(cloud.score):
        raise ConfigurationError(f"{where}: the object score is NaN; the model diverged.")
    for name, values in (("anomaly_map", anomaly_map), ("gt_mask", mask)):
        if values is not None and values.shape != (cloud.num_points,):
            raise ConfigurationError(
                f"{where}: {name} has shape {values.shape} for {cloud.num_points} points."
            )
    if anomaly_map is not None and len(anomaly_map) and np.isnan(anomaly_map.min()):
        bad = int(np.isnan(anomaly_map).sum())
        raise ConfigurationError(
            f"{where}: {bad} of {len(anomaly_map)} point scores are NaN; the model diverged."
        )

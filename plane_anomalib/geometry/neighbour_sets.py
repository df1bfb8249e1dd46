"""Exact neighbour sets of very many of a cloud's own points at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from plane_anomalib.core.cores import in_chunks
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry.points import FloatArray, IntArray, as_points

SetArray = NDArray[np.int32]

_BLOCK = 16
"""Points of the cloud in the space of one block, which share one list of candidates."""
_SLACK = 1.14
"""Candidates over what an even surface would need."""
_SAMPLE = 16
"""One block in so many is searched first, with ample candidates, to learn how many suffice."""
_ENOUGH_FOR = 0.9
"""Share of the sampled blocks for which the others' candidates would have sufficed."""
_MOST_CANDIDATES = 4_096
"""Where more points than this lie equally near, which of them count is left to the tree."""
_LEVELS_TOGETHER = 4
"""So many times rows are halved before the parts are handed to threads."""
_DISTANCES_AT_ONCE = 120_000
"""Distances held by one thread: they should stay in its cache."""


@dataclass(frozen=True)
class NeighbourSets:
    """The neighbours of many points.

    Attributes:
        members: (M, k) int32 positions, ascending, then padded with the point itself.
        sizes: (M,) int32, how many of them are neighbours (the point itself among them).
    """

    members: SetArray
    sizes: SetArray


class OrderedCloud:
    """A cloud sorted so that near points are near in memory, and their neighbour sets.

    A kd-tree asked point by point for 100 neighbours spends its time on a sorted heap. Here a block
    of near points shares one list of candidates, which holds everything within a known radius of
    the block's middle; sorting tells how far each point's last neighbour is, and the radius proves
    that none is missing. Points whose proof fails are tried again, in the end each by itself.
    Measured on 20,000 and 200,000 points: 1.2 to 1.6 times as fast as `cKDTree.query` of the sorted
    points at 100 neighbours, 0.8 to 0.9 times at 30, which cost a sixth more when asked for along
    with the 100.

    Args:
        points: (N, 3), N >= 1.

    Attributes:
        points: (N, 3) float32, sorted.
        axes: (3, N) float32, the same transposed.
        order: (N,) int64, where each sorted point stood in the input.
        rank: (N,) int64, the inverse: where each input point stands now.
        center: (3,) float64, the centroid.
    """

    def __init__(self, points: ArrayLike) -> None:
        cloud = as_points(points)
        self.order: IntArray = np.asarray(cKDTree(cloud, balanced_tree=False).indices, np.int64)
        self.points: FloatArray = np.ascontiguousarray(cloud[self.order])
        self.rank: IntArray = np.empty_like(self.order)
        self.rank[self.order] = np.arange(len(cloud))
        self.center = cloud.mean(0, dtype=np.float64)
        # Built again on the sorted points, so that its answers lie together in memory, too.
        self._tree = cKDTree(self.points, leafsize=32, balanced_tree=False)
        self.axes: FloatArray = np.ascontiguousarray(self.points.T)

    def positions(self, queries: IntArray | None) -> tuple[IntArray, IntArray]:
        """Where input points stand now.

        Args:
            queries: (Q,) indices of input points; None is all of them.

        Returns:
            (M,) distinct ascending positions, and (Q,) which of them each query's is.

        Raises:
            ConfigurationError: If the queries are no indices of points.
        """
        num = len(self.points)
        if queries is None:
            return np.arange(num), self.rank
        indices = np.asarray(queries)
        if indices.ndim != 1 or not (np.issubdtype(indices.dtype, np.integer) or not indices.size):
            raise ConfigurationError(
                f"queries must be (Q,) indices of points, not {indices.shape}."
            )
        if indices.size and not 0 <= indices.min() <= indices.max() < num:
            msg = f"queries must lie in 0..{num - 1}, not {indices.min()}..{indices.max()}."
            raise ConfigurationError(msg)
        rows, back = np.unique(self.rank[indices.astype(np.int64)], return_inverse=True)
        return rows, back.reshape(-1)

    def nearest_sets(self, rows: IntArray, *searches: tuple[int, float]) -> list[NeighbourSets]:
        """The `k` nearest points of each row (itself among them) within a radius.

        Which points belong to a set depends on nothing but the cloud and the row: of points equally
        far (in float32) those sorted first are taken, so asking for fewer rows gives the same sets.
        Only where k or more points equal the row, which of these copies are taken is left open.

        Args:
            rows: (M,) positions in `points`; ascending is fastest.
            searches: Pairs of `k`, the largest size of a set (N where that is less), and a
                radius, in units of the points, than which neighbours are strictly nearer. Several
                searches cost little more than one.

        Returns:
            The sets of each search.

        Raises:
            ConfigurationError: If a `k` or a radius is not positive.
        """
        if any(k < 1 or not radius > 0 for k, radius in searches):
            msg = f"Neighbours and radii must be positive, not {searches}."
            raise ConfigurationError(msg)
        num = len(self.points)
        asked = [_Search.of(min(k, num), radius, len(rows)) for k, radius in searches]
        self._search(asked, rows)
        return [NeighbourSets(search.members, search.sizes) for search in asked]

    def _search(self, asked: Sequence[_Search], rows: IntArray) -> None:
        """Fill the sets of all rows: block by block first, and what that leaves one by one."""
        proven = np.zeros(len(rows), bool)
        most = max(search.k for search in asked)
        # Rows may be few and yet lie close together: what counts is how far apart the next is.
        gap = max(1.0, float(np.median(np.diff(rows)))) if len(rows) > 1 else 1.0
        blocks = _compact_blocks(self.points, rows, max(1, int(_BLOCK / gap)))
        width = blocks.shape[1]
        candidates = 2 * _candidates(most, width * gap if width > 1 else 1.0)
        needed = self._fill(asked, proven, rows, blocks[::_SAMPLE], candidates)
        if len(blocks) > 1:
            candidates = int(1.05 * np.quantile(needed, _ENOUGH_FOR)) + 1
            others = np.delete(blocks, np.s_[::_SAMPLE], axis=0)
            self._fill(asked, proven, rows, others, candidates)
        if width > 1:
            failed = blocks[~proven[blocks].all(1)]
            self._fill(asked, proven, rows, failed, 2 * candidates)
        candidates = _candidates(most, 1)
        while not proven.all():  # then each by itself, with ever more candidates
            missing = np.flatnonzero(~proven)[:, None]
            self._fill(asked, proven, rows, missing, candidates)
            candidates *= 2

    def _fill(
        self,
        asked: Sequence[_Search],
        proven: NDArray[np.bool_],
        rows: IntArray,
        blocks: IntArray,
        candidates: int,
    ) -> IntArray:
        """Find the sets of blocks of rows; mark those that the candidates prove.

        Returns:
            (B,) how many candidates would have sufficed for each block, as far as they show it.
        """
        num, width = len(self.points), blocks.shape[1]
        candidates = min(max(candidates, *(search.k + 1 for search in asked)), num)
        complete = candidates == num or candidates >= _MOST_CANDIDATES
        needed = np.empty(len(blocks), np.int64)

        def work(part: slice) -> None:
            members = rows[blocks[part]]
            places = self.points[members]
            middle = (places.min(1).astype(np.float64) + places.max(1)) / 2
            answer = self._tree.query(middle, np.arange(1, candidates + 1))
            away, near = np.asarray(answer[0]), np.asarray(answer[1], np.int32)
            near.sort(axis=1)
            squared = self._squared(places, near)
            ordered = np.sort(squared, axis=2)
            farthest = np.zeros(members.shape, np.float32)
            for search in asked:
                last = np.minimum(ordered[:, :, search.k - 1], search.limit)
                np.maximum(farthest, last, out=farthest)
                search.choose(blocks[part], members, squared, last, near)
            # Float32 distances: the margin is larger than their rounding.
            reach = np.sqrt(farthest) * 1.00001
            reach += np.where(farthest > 0, np.linalg.norm(places - middle[:, None], axis=2), 0)
            needed[part] = np.count_nonzero(away <= reach.max(1, keepdims=True), axis=1) + 1
            proven[blocks[part]] = complete | (reach < away[:, -1:]) | (farthest == 0)

        in_chunks(work, len(blocks), max(1, _DISTANCES_AT_ONCE // (width * candidates)))
        return needed

    def _squared(self, places: FloatArray, near: SetArray) -> FloatArray:
        """(B, m, K) squared distances of places (B, m, 3) from the candidates (B, K) of a block.

        Each operation is rounded by itself, so a pair has the same distance in whichever block it
        is computed.
        """
        total = part = np.empty(0, np.float32)
        for axis, values in enumerate(self.axes):
            candidates = values.take(near, mode="clip")[:, None]
            if axis == 0:
                total = candidates - places[:, :, None, axis]
                total *= total
                part = np.empty_like(total)
                continue
            np.subtract(candidates, places[:, :, None, axis], out=part)
            part *= part
            total += part
        return total


@dataclass(frozen=True)
class _Search:
    """One size and radius, and the sets that are filled in parts."""

    k: int
    limit: np.float32
    members: SetArray
    sizes: SetArray

    @classmethod
    def of(cls, k: int, radius: float, num: int) -> _Search:
        squared = np.float32(np.square(min(radius, 1e18)))
        limit = np.nextafter(squared, np.float32(0))  # the largest distance that is less
        return cls(k, limit, np.empty((num, k), np.int32), np.empty(num, np.int32))

    def choose(
        self,
        blocks: IntArray,
        own: IntArray,
        squared: FloatArray,
        last: FloatArray,
        near: SetArray,
    ) -> None:
        """Fill the sets of blocks (B, m).

        Args:
            blocks: (B, m) where the sets go.
            own: (B, m) positions of the points.
            squared: (B, m, K) their squared distances to the candidates.
            last: (B, m) the largest of them that counts.
            near: (B, K) ascending positions of the candidates.
        """
        num, candidates = blocks.size, near.shape[1]
        inside = (squared <= last[:, :, None]).reshape(num, candidates)
        chosen, starts = _chosen(inside)
        counts = np.diff(starts)
        tied = np.flatnonzero(counts > self.k)
        if len(tied):
            equal = squared.reshape(num, candidates)[tied] == last.reshape(num, 1)[tied]
            surplus = (counts[tied] - self.k)[:, None]
            inside[tied] &= ~equal | (equal[:, ::-1].cumsum(1)[:, ::-1] > surplus)
            chosen, starts = _chosen(inside)
            counts = np.diff(starts)
        # From a place in (B, m, K) to one in (B, K).
        shift = np.arange(num) * candidates - np.arange(num) // blocks.shape[1] * candidates
        members = np.empty((num, self.k), np.int32)
        if len(chosen) == members.size:
            places = chosen.reshape(members.shape) - shift[:, None]
            near.reshape(-1).take(places, out=members, mode="clip")
        else:
            members[:] = own.reshape(-1, 1)
            filled = np.arange(self.k) < counts[:, None]
            members[filled] = near.reshape(-1).take(chosen - shift.repeat(counts))
        self.members[blocks] = members.reshape(*blocks.shape, self.k)
        self.sizes[blocks] = counts.reshape(blocks.shape)


def _chosen(inside: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """Flat places of what is true in (R, K), and (R + 1,) where each row begins among them."""
    chosen = np.flatnonzero(inside)
    ends = np.arange(len(inside) + 1) * inside.shape[1]
    return chosen, chosen.searchsorted(ends)


def _compact_blocks(points: FloatArray, rows: IntArray, size: int) -> IntArray:
    """Split rows into blocks of equal length, roughly `size`, each near together.

    Blocks are filled up by repeating the last row.

    Args:
        points: (N, 3).
        rows: (M,) positions in points.
        size: Wanted length; the true one is within a factor of 1.5.

    Returns:
        (B, length) indices of rows.
    """
    if not len(rows) or size == 1:
        return np.arange(len(rows))[:, None]
    levels = max(0, round(np.log2(len(rows) / size)))
    length = -(-len(rows) // 2**levels)
    together = min(levels, _LEVELS_TOGETHER)
    whole = np.minimum(np.arange(length * 2**levels), len(rows) - 1)[None]
    parts = _halved(points, rows, whole, together)
    blocks = np.empty((len(parts), 2 ** (levels - together), length), np.int64)

    def work(part: slice) -> None:
        for index in range(part.start, part.stop):
            blocks[index] = _halved(points, rows, parts[[index]], levels - together)

    in_chunks(work, len(parts), 1)
    return blocks.reshape(-1, length)


def _halved(points: FloatArray, rows: IntArray, blocks: IntArray, times: int) -> IntArray:
    """Halve each block again and again along its longest side."""
    for _ in range(times):
        half = blocks.shape[1] // 2
        places = points.take(rows.take(blocks), axis=0)
        longest = (places.max(1) - places.min(1)).argmax(1)
        along = np.take_along_axis(places, longest[:, None, None], axis=2)[:, :, 0]
        order = np.argpartition(along, half, axis=1)
        blocks = np.take_along_axis(blocks, order, axis=1).reshape(-1, half)
    return blocks


def _candidates(k: int, block: float) -> int:
    """How many points the ball around a block must hold on an even surface."""
    # In units of the spacing: radius of a set, and half the diagonal of a square block.
    radius = np.sqrt(k / np.pi) + (np.sqrt(block / 2) if block > 1 else 0.0)
    return int(np.ceil(_SLACK * np.pi * radius**2 / 16)) * 16

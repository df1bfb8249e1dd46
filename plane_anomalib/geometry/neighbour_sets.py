"""Exact neighbour sets of very many of a cloud's own points at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from plane_anomalib.errors import ConfigurationError
from plane_anomalib.geometry.validation import FloatArray, IntArray, as_points

SetArray = NDArray[np.int32]

_BLOCK = 16
"""Points of the cloud in the space of one block, which share one list of candidates."""
_SLACK = 1.14
"""Candidates over what an even surface would need; more cost time, fewer fail more often."""
_MOST_CANDIDATES = 4_096
"""Where more points than this lie equally near, which of them count is left to the tree."""
_SORTED_AT_ONCE = 256
"""numpy sorts so many integers by a fixed network, faster than it partitions more."""
_CANDIDATES_AT_ONCE = 60_000
"""Keys held by one thread: they should stay in its cache."""


def in_chunks(
    work: Callable[[slice], None], num: int, size: int, threads: int | None = None
) -> None:
    """Call `work` on slices that cover 0..num, on several threads.

    Args:
        work: Called with one slice; slices do not overlap.
        num: Total length.
        size: Length of a slice.
        threads: How many; by default as many as torch uses.
    """
    parts = [slice(start, min(start + size, num)) for start in range(0, num, size)]
    threads = min(torch.get_num_threads() if threads is None else threads, len(parts))
    if threads <= 1:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, part) for part in parts]:
            done.result()


class OrderedCloud:
    """A cloud sorted so that near points are near in memory, and their neighbour sets.

    A kd-tree asked point by point for 100 neighbours spends its time on a sorted heap. Here a block
    of near points shares one list of candidates, which holds everything within a known radius of
    the block's middle; sorting picks each point's nearest, and the radius proves that none is
    missing. Points whose proof fails are tried again, each by itself. Measured on 20,000 and
    200,000 points: 1.7 times as fast as `cKDTree.query` of the sorted points at 100 neighbours, as
    fast at 30.

    Args:
        points: (N, 3), N >= 1.

    Attributes:
        points: (N, 3) float32, sorted.
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
        self._tree = cKDTree(self.points, balanced_tree=False)

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

    def nearest_sets(
        self, rows: IntArray, k: int, radii: Sequence[float]
    ) -> tuple[SetArray, SetArray]:
        """The ``k`` nearest points of each row (itself among them) within the largest radius.

        Which points belong to a set depends on nothing but the cloud and the row: equal distances
        (in float32) are taken in sorted order, so asking for fewer rows gives the same sets. Only
        where k or more points equal the row, which of these copies are taken is left open.

        Args:
            rows: (M,) positions in `points`; ascending is fastest.
            k: Largest size of a set, N where that is less.
            radii: Neighbours are strictly nearer than the largest, in units of the points.

        Returns:
            Positions (M, k) int32, nearest first, padded with the row itself, and how many of them
            are nearer than each radius, (M, len(radii)) int32, the padding not counted.

        Raises:
            ConfigurationError: If ``k`` or a radius is not positive.
        """
        if k < 1 or not all(radius > 0 for radius in radii):
            msg = f"Neighbours and radii must be positive, not {k} and {tuple(radii)}."
            raise ConfigurationError(msg)
        k = min(k, len(self.points))
        limits = np.square(np.minimum(np.asarray(radii, np.float64), 1e18)).astype(np.float32)
        found = _Found(
            np.empty((len(rows), k), np.int32), np.empty((len(rows), len(limits)), np.int32)
        )
        # Rows may be few and yet lie close together: what counts is how far apart the next is.
        gap = max(1.0, float(np.median(np.diff(rows)))) if len(rows) > 1 else 1.0
        blocks = _compact_blocks(self.points, rows, max(1, int(_BLOCK / gap)))
        candidates = _candidates(k, blocks.shape[1] * gap)
        missing = self._fill(found, limits, rows, blocks, candidates)
        candidates = _candidates(k, 1)
        while len(missing):  # then each by itself, with ever more candidates
            missing = self._fill(found, limits, rows, missing[:, None], candidates)
            candidates = min(2 * candidates, max(k, _MOST_CANDIDATES))
        return found.sets, found.sizes

    def _fill(
        self, found: _Found, limits: FloatArray, rows: IntArray, blocks: IntArray, candidates: int
    ) -> IntArray:
        """Fill the rows where the candidates suffice; return (as indices of rows) the others."""
        num, k = len(self.points), found.sets.shape[1]
        candidates = min(candidates, num)
        complete = candidates == num or candidates >= max(k, _MOST_CANDIDATES)
        proven = np.zeros(blocks.shape, bool)

        def work(part: slice) -> None:
            members = rows[blocks[part]]
            places = self.points[members]
            middle = (places.min(1).astype(np.float64) + places.max(1)) / 2
            answer = self._tree.query(middle, np.arange(1, candidates + 1))
            reach, near = np.asarray(answer[0])[:, -1:], np.asarray(answer[1], np.int64)
            keys = _keys(places, self.points, near)
            if candidates > _SORTED_AT_ONCE:
                keys = np.partition(keys, k - 1, axis=2)[:, :, :k]
            keys = np.sort(keys, axis=2)[:, :, :k]
            largest = (keys[:, :, -1] >> 32).astype(np.int32).view(np.float32)
            away = np.linalg.norm(places - middle[:, None], axis=2)
            # Float32 distances: the margin is larger than their rounding.
            proven[part] = np.sqrt(largest) * 1.00001 < reach - away
            proven[part] |= largest == 0
            for column, limit in enumerate(limits.view(np.int32).astype(np.int64) << 32):
                found.sizes[blocks[part], column] = np.count_nonzero(keys < limit, axis=2)
            outside = keys >= np.int64(limits.max().view(np.int32)) << 32
            keys &= 0xFFFFFFFF
            np.copyto(keys, members[:, :, None], where=outside)
            found.sets[blocks[part]] = keys

        in_chunks(work, len(blocks), max(1, _CANDIDATES_AT_ONCE // (blocks.shape[1] * candidates)))
        return blocks[:0, 0] if complete else np.unique(blocks[~proven])


@dataclass(frozen=True)
class _Found:
    """Results that are filled in parts."""

    sets: SetArray
    sizes: SetArray


def _compact_blocks(points: FloatArray, rows: IntArray, size: int) -> IntArray:
    """Split rows into blocks of equal length, at most ``size``, each near together.

    Halves again and again along the longest side. Blocks are filled up by repeating the last row.

    Args:
        points: (N, 3).
        rows: (M,) positions in points.
        size: Longest block.

    Returns:
        (B, length) indices of rows.
    """
    if not len(rows) or size == 1:
        return np.arange(len(rows))[:, None]
    levels = max(0, int(np.ceil(np.log2(len(rows) / size))))
    length = -(-len(rows) // 2**levels)
    blocks = np.minimum(np.arange(length * 2**levels), len(rows) - 1)[None]
    for _ in range(levels):
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


def _keys(places: FloatArray, points: FloatArray, near: IntArray) -> IntArray:
    """(B, m, 3) places, (B, K) candidates to (B, m, K) integers sorted by distance, then position.

    The bits of a float32 that is not negative sort as the number does. Each operation is rounded
    by itself, so a pair has the same distance in whichever block it is computed.
    """
    candidates = points.take(near, axis=0, mode="clip")
    total = np.zeros((*places.shape[:2], near.shape[1]), np.float32)
    for axis in range(3):
        part = candidates[:, None, :, axis] - places[:, :, None, axis]
        part *= part
        total += part
    keys = total.view(np.int32).astype(np.int64)
    keys <<= 32
    keys |= near[:, None, :]
    return keys

"""Fast point feature histograms, as Open3D computes them, at all points or at few.

After R. B. Rusu, N. Blodow, M. Beetz, "Fast Point Feature Histograms (FPFH) for 3D registration",
ICRA 2009.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry.chunks import in_chunks
from plane_anomalib.geometry.hybrid_normals import set_normals, turned_outward
from plane_anomalib.geometry.neighbour_sets import OrderedCloud
from plane_anomalib.geometry.pair_angles import PairAngles
from plane_anomalib.geometry.validation import FloatArray, IntArray

Array = NDArray[np.float64]

_BINS = PairAngles.BINS
_EMPTY = (5, 16, 27)
"""Bins that a pair without features (two equal points) counts in, one in each block."""
_PAIRS_AT_ONCE = 24_000
"""What one thread works on: its arrays should stay in its cache."""
_WEIGHTS_AT_ONCE = 100_000


def fpfh(
    points: ArrayLike,
    *,
    queries: IntArray | None = None,
    normal_radius: float,
    normal_neighbours: int = 30,
    radius: float,
    neighbours: int = 100,
    oriented: bool = True,
    normals: ArrayLike | None = None,
) -> FloatArray:
    """Describe the surface around points by histograms of angles between normals.

    The same values as Open3D's `compute_fpfh_feature` with a hybrid search, up to angles that
    rounding puts on the other side of a bin's edge. With oriented normals the descriptor is
    invariant to rotation; the sign that the eigenvector happens to have depends on the pose.

    Args:
        points: (N, 3), any units.
        queries: (Q,) indices of the points to describe, by default all of them; exactly those rows
            of the full result, computed without the rest as far as possible.
        normal_radius: Neighbours that make a normal are nearer than this, in units of the points.
        normal_neighbours: At most so many of them, the point itself included.
        radius: Neighbours that make a histogram are nearer than this.
        neighbours: At most so many of them, the point itself included.
        oriented: Turn normals away from the centroid; otherwise they keep the sign that Open3D's
            `estimate_normals` gives them.
        normals: (N, 3) unit normals to use instead of estimating them.

    Returns:
        (Q, 33) float32, three blocks of 11 bins, each summing to 200 (to 0 where a point has no
        neighbour).

    Raises:
        ConfigurationError: If an array has the wrong shape, an index is out of range, or a radius
            or a number of neighbours is not positive.
    """
    cloud = OrderedCloud(points)
    rows, back = cloud.positions(queries)
    given = None if normals is None else _given_normals(cloud, normals)
    histograms = _Histograms(cloud, rows, (neighbours, radius), (normal_neighbours, normal_radius))
    if given is None:
        given = histograms.normals()
        if oriented:
            given = turned_outward(given, cloud.points, cloud.center)
    return histograms.describe(rows, given)[back]


def _given_normals(cloud: OrderedCloud, normals: ArrayLike) -> Array:
    given = np.asarray(normals, np.float64)
    if given.shape != cloud.points.shape:
        msg = f"normals must have the shape {cloud.points.shape}, one each, not {given.shape}."
        raise ConfigurationError(msg)
    return given[cloud.order]


class _Histograms:
    """Neighbour sets of the queries and of their neighbours, and what is computed on them."""

    def __init__(
        self,
        cloud: OrderedCloud,
        queries: IntArray,
        search: tuple[int, float],
        normal_search: tuple[int, float],
    ) -> None:
        self.cloud = cloud
        self.normal_search = normal_search
        wanted = np.zeros(len(cloud.points), bool)
        wanted[queries] = True
        if len(queries) < len(wanted):
            wanted[cloud.nearest_sets(queries, search)[0].members] = True
        self.rows = np.flatnonzero(wanted)
        found, self.normal_sets = cloud.nearest_sets(self.rows, search, normal_search)
        self.sets, self.sizes = found.members, found.sizes

    def normals(self) -> Array:
        """(N, 3) normals of all points in a set, with Open3D's sign; undefined elsewhere."""
        cloud = self.cloud
        normals = np.full(cloud.points.shape, np.nan)
        wanted = np.zeros(len(normals), bool)
        wanted[self.sets] = True
        wanted[self.rows] = False
        normals[self.rows] = set_normals(cloud, self.normal_sets)
        others = np.flatnonzero(wanted)
        normals[others] = set_normals(cloud, cloud.nearest_sets(others, self.normal_search)[0])
        return normals

    def describe(self, queries: IntArray, normals: Array) -> FloatArray:
        """(Q, 33) descriptors of rows."""
        simplified = self._simplified(normals)
        where = np.empty(len(self.cloud.points), np.int32)
        where[self.rows] = np.arange(len(self.rows), dtype=np.int32)
        result = np.empty((len(queries), 3 * _BINS), np.float32)
        axes, k = self.cloud.axes, self.sets.shape[1]

        def work(part: slice) -> None:
            own = where[queries[part]]
            sets = self.sets[own]
            squared = np.zeros(sets.shape, np.float32)
            for values in axes:
                offsets = values.take(sets, mode="clip")
                offsets -= values[queries[part], None]
                offsets *= offsets
                squared += offsets
            near = where.take(sets, mode="clip")
            present = (squared > 0) & (self.sizes.take(near, mode="clip") > 1)
            # Relative to the smallest, or the weights of tiny clouds would overflow.
            least = np.where(present, squared, np.inf).min(1, keepdims=True)
            weights = np.divide(least, squared, out=np.zeros_like(squared), where=present)
            weights /= np.maximum(weights.sum(1, keepdims=True), np.finfo(np.float32).tiny)
            ends = np.arange(0, weights.size + 1, k, dtype=np.int32)
            shape = (len(own), len(simplified))
            # Of one type with the histograms, or all of them would be converted for each part.
            matrix = csr_array((weights.reshape(-1), near.reshape(-1), ends), shape=shape)
            result[part] = matrix @ simplified
            result[part] += simplified[own]

        in_chunks(work, len(queries), max(1, _WEIGHTS_AT_ONCE // k))
        return result

    def _simplified(self, normals: Array) -> FloatArray:
        """Histograms of the pairs of each row alone, (M, 33), three blocks that sum to 100."""
        num, k = self.sets.shape
        histograms = np.empty((num, 3 * _BINS), np.float32)
        pairs = PairAngles(np.concatenate([self.cloud.axes, normals.T]))

        def work(part: slice) -> None:
            rows = self.rows[part]
            starts = np.arange(len(rows))[:, None] * (3 * _BINS)
            found = np.zeros(len(rows) * 3 * _BINS, np.int64)
            for block, bins in enumerate(pairs.bins(rows, self.sets[part])):
                places = starts + block * _BINS + bins
                found += np.bincount(places.reshape(-1), minlength=len(found))
            # The point itself and the padding were counted as pairs of equal points.
            counts = found.reshape(-1, 3 * _BINS)
            others = self.sizes[part, None] - 1
            counts[:, _EMPTY] -= k - others
            histograms[part] = counts * (100.0 / np.maximum(others, 1))

        in_chunks(work, num, max(1, _PAIRS_AT_ONCE // k))
        return histograms

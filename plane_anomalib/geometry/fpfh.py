"""Fast point feature histograms, as Open3D computes them, at all points or at few.

After R. B. Rusu, N. Blodow, M. Beetz, "Fast Point Feature Histograms (FPFH) for 3D registration",
ICRA 2009.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from plane_anomalib.core.cores import in_chunks
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry.neighbour_sets import OrderedCloud, SetArray
from plane_anomalib.geometry.normals import set_normals, turned_outward
from plane_anomalib.geometry.points import FloatArray, IntArray

Array = NDArray[np.float64]
Angles = tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]
Mask = NDArray[np.bool_]

_BINS = 11
_EMPTY = (5, 16, 27)
"""Bins that a pair without features (two equal points) counts in, one in each block."""
_PAIRS_AT_ONCE = 24_000
"""What one thread works on: its arrays should stay in its cache."""
_WEIGHTS_AT_ONCE = 100_000
_MARGIN = 2e-5
"""Bins from an edge, over the squared sine, within which float32 is not trusted; its errors stay
below a tenth of this."""
_CLOSE = 1e-6
"""Cosines that differ by less may be in either order in float32."""
_STEEP = 0.998
"""Beyond this cosine to the frame's middle axis the angle about it is poorly determined."""

_ALONG = 1e-4
"""Squared sine below which the direction to the neighbour and the normal are too near parallel."""


class PairAngles:
    """The three angles of a Darboux frame between two points with normals, as bins.

    Computed in float32, and again in float64 where that could be in doubt: the bins are those of
    float64 in half the time.

    Args:
        axes: (6, N) float64 positions, exact in float32, and unit normals.
    """

    def __init__(self, axes: Array) -> None:
        self._exact = axes
        # At most 1, by a power of two, so that no square under- or overflows.
        exponent = np.frexp(np.abs(axes[:3]).max())[1]
        self._axes = axes.astype(np.float32)
        self._axes[:3] = np.ldexp(self._axes[:3], -exponent)

    def bins(self, rows: IntArray, sets: SetArray) -> list[NDArray[np.int32]]:
        """Where the three angles of each pair fall among 11 bins.

        Args:
            rows: (M,) where the pairs begin.
            sets: (M, k) where they end.

        Returns:
            Three (M, k) int32 arrays in 0..10; the middle for equal points.
        """
        ends = sets.astype(np.int64)
        places, doubtful = _places(
            [axis.take(rows)[:, None] for axis in self._axes],
            [axis.take(ends, mode="clip") for axis in self._axes],
        )
        bins = [values.astype(np.int32) for values in places]
        again = np.flatnonzero(doubtful)
        if len(again):
            starts, ends = rows.take(again // sets.shape[1]), ends.reshape(-1).take(again)
            places, _ = _places(
                [axis.take(starts) for axis in self._exact],
                [axis.take(ends) for axis in self._exact],
            )
            for found, values in zip(bins, places, strict=True):
                found.reshape(-1)[again] = values.astype(np.int32)
        return bins


def _places(
    start: list[NDArray[np.floating]], end: list[NDArray[np.floating]]
) -> tuple[Angles, Mask]:
    """The angles in bins, 0..11, 11 excluded, and where float32 would leave them in doubt.

    With unit normals the angles need little: d is the unit vector to the neighbour, a and b its
    cosines with the two normals, c theirs. The frame stands at the point whose normal is nearer to
    d. The arrays of the ends are overwritten.
    """
    x, y, z, nx, ny, nz = start
    dx, dy, dz, mx, my, mz = end
    dx -= x
    dy -= y
    dz -= z
    length = np.sqrt(dx * dx + dy * dy + dz * dz)
    a = dx * nx + dy * ny + dz * nz
    b = dx * mx + dy * my + dz * mz
    c = mx * nx + my * ny + mz * nz
    side = (dy * nz - dz * ny) * mx + (dz * nx - dx * nz) * my + (dx * ny - dy * nx) * mz
    with np.errstate(divide="ignore", invalid="ignore"):
        a /= length
        b /= length
        swapped = np.abs(a) < np.abs(b)
        # Either order gives the same where the cosines are opposite, or both next to nothing.
        doubtful = (np.abs(a - b) < _CLOSE) & (np.abs(a) > 10 * _CLOSE)
        cosine = np.where(swapped, -b, a)
        squared = 1 - np.minimum(cosine * cosine, 1)
        sine = np.sqrt(squared)
        across = np.where(swapped, b * c - a, b - a * c)
        across /= sine
        length *= sine
        side /= length
        margin = _MARGIN / squared
        doubtful |= (np.abs(side) > _STEEP) | (squared < _ALONG)
        angles = (np.arctan2(across, c), side, cosine)
        _in_bins(angles, margin, doubtful)
    empty = np.flatnonzero(~(length > 0))  # not a number where two points are equal
    for values in angles:
        values.reshape(-1)[empty] = _BINS / 2
    return angles, doubtful


def _in_bins(angles: Angles, margin: NDArray[np.floating], doubtful: Mask) -> None:
    """Turn angles into bins in place, and mark those too near an edge as doubtful."""
    for values, scale in zip(angles, (_BINS / (2 * np.pi), _BINS / 2, _BINS / 2), strict=True):
        values *= scale
        values += _BINS / 2
        doubtful |= np.abs(values - np.rint(values)) < margin
        np.minimum(values, _BINS - 0.5, out=values)


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
        oriented: Turn normals away from the centroid; otherwise they have Open3D's sign.
        normals: (N, 3) unit normals to use instead of estimating them.

    Returns:
        (Q, 33) float32, three blocks of 11 bins that each sum to 200 (0 without a neighbour).

    Raises:
        ConfigurationError: If an array has the wrong shape, an index is out of range, or a radius
            or a number of neighbours is not positive.
    """
    cloud = OrderedCloud(points)
    rows, back = cloud.positions(queries)
    given = None if normals is None else _given_normals(cloud, normals)
    histograms = _Histograms(cloud, rows, (neighbours, radius), (normal_neighbours, normal_radius))
    return histograms.describe(rows, histograms.normals(oriented) if given is None else given)[back]


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

    def normals(self, oriented: bool) -> Array:
        """(N, 3) normals of all points in a set, outward or Open3D's sign; undefined elsewhere."""
        cloud = self.cloud
        normals = np.full(cloud.points.shape, np.nan)
        wanted = np.zeros(len(normals), bool)
        wanted[self.sets] = True
        wanted[self.rows] = False
        normals[self.rows] = set_normals(cloud, self.normal_sets)
        others = np.flatnonzero(wanted)
        normals[others] = set_normals(cloud, cloud.nearest_sets(others, self.normal_search)[0])
        return turned_outward(normals, cloud.points, cloud.center) if oriented else normals

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

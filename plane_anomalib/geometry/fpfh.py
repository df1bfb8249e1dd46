"""Fast point feature histograms, as Open3D computes them, at all points or at few.

After R. B. Rusu, N. Blodow, M. Beetz, "Fast Point Feature Histograms (FPFH) for 3D registration",
ICRA 2009.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from plane_anomalib.errors import ConfigurationError
from plane_anomalib.geometry.least_variance import least_variance
from plane_anomalib.geometry.neighbour_sets import OrderedCloud, SetArray, in_chunks
from plane_anomalib.geometry.validation import FloatArray, IntArray

Array = NDArray[np.float64]

_BINS = 11
_EMPTY = (5, 16, 27)
"""Bins that a pair without features (two equal points) counts in, one in each block."""
_PAIRS_AT_ONCE = 10_000
"""Below torch's threshold for threads of its own (32,768): the chunks already have theirs."""


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
    rows, back = _rows(cloud, queries)
    given = None if normals is None else _given_normals(cloud, normals)
    histograms = _Histograms(cloud, rows, radius, neighbours)
    if given is None:
        given = histograms.normals(normal_radius, normal_neighbours, oriented)
    return histograms.describe(rows, given)[back]


def surface_normals(
    points: ArrayLike,
    *,
    radius: float,
    neighbours: int = 30,
    oriented: bool = True,
    queries: IntArray | None = None,
) -> FloatArray:
    """Normals from the plane through the neighbours within a radius, at most ``neighbours``.

    Args:
        points: (N, 3).
        radius: Neighbours are nearer than this, in units of the points.
        neighbours: At most so many, the point itself included. With fewer than 3 in reach the
            normal is (0, 0, 1), as in Open3D.
        oriented: Turn normals away from the centroid; otherwise Open3D's sign.
        queries: (Q,) indices of points; by default all.

    Returns:
        (Q, 3) float32 unit vectors.

    Raises:
        ConfigurationError: As `fpfh`.
    """
    cloud = OrderedCloud(points)
    rows, back = _rows(cloud, queries)
    sets, sizes = cloud.nearest_sets(rows, neighbours, radius=radius)
    normals = _normals(cloud, rows, sets, sizes, radius, oriented)
    return normals[back].astype(np.float32)


def _rows(cloud: OrderedCloud, queries: IntArray | None) -> tuple[IntArray, IntArray]:
    """Ascending positions to compute, and where each query finds its own among them."""
    num = len(cloud.points)
    if queries is None:
        return np.arange(num), cloud.rank
    indices = np.asarray(queries)
    if indices.ndim != 1 or not (np.issubdtype(indices.dtype, np.integer) or not indices.size):
        raise ConfigurationError(f"queries must be (Q,) indices of points, not {indices.shape}.")
    if indices.size and not 0 <= indices.min() <= indices.max() < num:
        msg = f"queries must lie in 0..{num - 1}, not {indices.min()}..{indices.max()}."
        raise ConfigurationError(msg)
    rows, back = np.unique(cloud.rank[indices.astype(np.int64)], return_inverse=True)
    return rows, back.reshape(-1)


def _given_normals(cloud: OrderedCloud, normals: ArrayLike) -> Array:
    given = np.asarray(normals, np.float64)
    if given.shape != cloud.points.shape:
        msg = f"normals must have the shape {cloud.points.shape}, one each, not {given.shape}."
        raise ConfigurationError(msg)
    return given[cloud.order]


def _normals(
    cloud: OrderedCloud,
    rows: IntArray,
    sets: SetArray,
    sizes: SetArray,
    radius: float,
    oriented: bool,
) -> Array:
    """(M, 3) normals of rows from their sets, of which the part within the radius counts."""
    normals = np.empty((len(rows), 3))
    center = cloud.points.mean(0, dtype=np.float64)
    numbers = np.arange(sets.shape[1])

    def work(part: slice) -> None:
        places = cloud.points[rows[part]].astype(np.float64)
        offsets = cloud.points[sets[part]] - places[:, None]
        inside = np.einsum("qki,qki->qk", offsets, offsets) < radius**2
        inside &= numbers < sizes[part, None]
        # Points with the same neighbours must have the same normal to the last bit, or rounding
        # would choose the frame of their pair in `_pair_bins`: sum in an order of the set's own.
        members = np.sort(np.where(inside, sets[part], -1), axis=1)
        inside = (members >= 0)[:, :, None]
        count = np.maximum(inside.sum(1), 1)
        offsets = cloud.points[members].astype(np.float64) * inside
        offsets -= offsets.sum(1, keepdims=True) / count[:, None]
        offsets *= inside
        found = least_variance(offsets.transpose(0, 2, 1) @ offsets)
        found[count[:, 0] < 3] = (0.0, 0.0, 1.0)
        if oriented:
            found[np.einsum("qi,qi->q", found, places - center) < 0] *= -1
        normals[part] = found

    in_chunks(work, len(rows), 1_024)
    return normals


class _Histograms:
    """Neighbour sets of the queries and of their neighbours, and what is computed on them."""

    def __init__(
        self, cloud: OrderedCloud, queries: IntArray, radius: float, neighbours: int
    ) -> None:
        self.cloud = cloud
        wanted = np.zeros(len(cloud.points), bool)
        wanted[queries] = True
        if len(queries) < len(wanted):
            wanted[cloud.nearest_sets(queries, neighbours, radius=radius)[0]] = True
        self.rows = np.flatnonzero(wanted)
        self.radius = radius
        self.sets, self.sizes = cloud.nearest_sets(self.rows, neighbours, radius=radius)

    def normals(self, radius: float, neighbours: int, oriented: bool) -> Array:
        """(N, 3) normals of all rows in a set; undefined elsewhere."""
        cloud = self.cloud
        normals = np.full(cloud.points.shape, np.nan)
        wanted = np.zeros(len(normals), bool)
        wanted[self.sets] = True
        neighbours = min(neighbours, len(normals))
        if radius <= self.radius and neighbours <= self.sets.shape[1]:
            wanted[self.rows] = False
            sizes = np.minimum(self.sizes, neighbours)
            near = self.sets[:, :neighbours]
            normals[self.rows] = _normals(cloud, self.rows, near, sizes, radius, oriented)
        others = np.flatnonzero(wanted)
        sets, sizes = cloud.nearest_sets(others, neighbours, radius=radius)
        normals[others] = _normals(cloud, others, sets, sizes, radius, oriented)
        return normals

    def describe(self, queries: IntArray, normals: Array) -> FloatArray:
        """(Q, 33) descriptors of rows."""
        counts = self._simplified(normals)
        where = np.empty(len(self.cloud.points), np.int64)
        where[self.rows] = np.arange(len(self.rows))
        others = np.maximum(self.sizes - 1, 0).astype(np.float32)
        scale = np.divide(100, others, out=np.zeros_like(others), where=others > 0)
        result = np.empty((len(queries), 3 * _BINS), np.float32)

        def work(part: slice) -> None:
            own = where[queries[part]]
            sets = self.sets[own]
            offsets = self.cloud.points[sets] - self.cloud.points[queries[part], None]
            squared = np.einsum("qki,qki->qk", offsets, offsets)
            near = where[sets]
            present = (squared > 0) & (scale[near] > 0)
            # Relative to the smallest, or the weights of tiny clouds would overflow.
            least = np.where(present, squared, np.inf).min(1, keepdims=True)
            weights = np.divide(least, squared, out=np.zeros_like(squared), where=present)
            total = np.maximum(weights.sum(1, keepdims=True), np.finfo(np.float32).tiny)
            weights *= scale[near] / total
            blended = weights[:, None, :] @ counts[near].astype(np.float32)
            result[part] = blended[:, 0] + counts[own] * scale[own, None]

        in_chunks(work, len(queries), 256)
        return result

    def _simplified(self, normals: Array) -> NDArray[np.unsignedinteger]:
        """Count the pairs of each row in its 33 bins."""
        num, k = self.sets.shape
        counts = np.empty((num, 3 * _BINS), np.uint8 if k <= 255 else np.uint16)
        points, directions = self.cloud.points, torch.from_numpy(normals)
        positions = torch.from_numpy(points).double()

        def work(part: slice) -> None:
            rows = torch.from_numpy(self.rows[part])
            sets = torch.from_numpy(self.sets[part]).long()
            bins = _pair_bins(rows, sets, positions, directions)
            size = 3 * _BINS
            bins += (torch.arange(len(rows)) * size)[:, None, None]
            found = torch.bincount(bins.view(-1), minlength=len(rows) * size).view(-1, size)
            # The point itself and the padding were counted as pairs of equal points.
            surplus = torch.from_numpy(k + 1 - self.sizes[part]).long()
            found[:, _EMPTY] -= surplus[:, None]
            counts[part] = found.numpy()

        in_chunks(work, num, max(1, _PAIRS_AT_ONCE // k))
        return counts


def _pair_bins(rows: Tensor, sets: Tensor, positions: Tensor, normals: Tensor) -> Tensor:
    """(M,) rows with (M, k) neighbours to (M, 3, k) bins of the three angles, in 0..32.

    With unit normals the three angles of a Darboux frame need no cross product but one: d is the
    unit vector to the neighbour, a and b its cosines with the two normals, c theirs. The frame
    stands at the point whose normal is nearer to d.
    """
    flat = sets.view(-1)
    dx, dy, dz = (
        (axis[flat].view(sets.shape) - axis[rows][:, None]) for axis in positions.unbind(1)
    )
    nx, ny, nz = (axis[rows][:, None] for axis in normals.unbind(1))
    mx, my, mz = (axis[flat].view(sets.shape) for axis in normals.unbind(1))
    length = (dx * dx + dy * dy + dz * dz).sqrt_()
    inverse = length.reciprocal()
    a = (dx * nx + dy * ny + dz * nz).mul_(inverse)
    b = (dx * mx + dy * my + dz * mz).mul_(inverse)
    c = mx * nx + my * ny + mz * nz
    triple = dx * (ny * mz - nz * my) + dy * (nz * mx - nx * mz) + dz * (nx * my - ny * mx)
    triple.mul_(inverse)
    swapped = a.abs() < b.abs()
    cosine = torch.where(swapped, -b, a)
    sine = (1 - cosine * cosine).clamp_(min=0).sqrt_()
    side = triple / sine
    across = torch.where(swapped, b * c - a, b - a * c).div_(sine)
    angle = torch.atan2(across, c)
    empty = (length == 0) | (sine == 0)
    bins = torch.stack(
        [
            (angle + torch.pi) * (_BINS / (2 * torch.pi)),
            (side + 1) * (_BINS / 2),
            (cosine + 1) * (_BINS / 2),
        ],
        dim=1,
    )
    bins = bins.masked_fill_(empty[:, None], _BINS / 2).long().clamp_(0, _BINS - 1)
    bins += torch.tensor([0, _BINS, 2 * _BINS])[:, None]
    return bins

"""Normals as Open3D estimates them: from at most so many neighbours within a radius."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plane_anomalib.geometry.least_variance import least_variance
from plane_anomalib.geometry.neighbour_sets import OrderedCloud, SetArray, in_chunks
from plane_anomalib.geometry.validation import FloatArray, IntArray

Array = NDArray[np.float64]


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
        ConfigurationError: If the cloud has the wrong shape, an index is out of range, or the
            radius or the number of neighbours is not positive.
    """
    cloud = OrderedCloud(points)
    rows, back = cloud.positions(queries)
    sets, sizes = cloud.nearest_sets(rows, neighbours, [radius])
    normals = set_normals(cloud, sets, sizes[:, 0])
    if oriented:
        normals = turned_outward(normals, cloud.points[rows], cloud.center)
    return normals[back].astype(np.float32)


def set_normals(cloud: OrderedCloud, sets: SetArray, sizes: SetArray) -> Array:
    """Normals of neighbour sets, with the sign that Open3D gives them.

    Args:
        cloud: What the sets are of.
        sets: (M, k) positions.
        sizes: (M,) how many of each set count.

    Returns:
        (M, 3) float64 unit vectors.
    """
    normals = np.empty((len(sets), 3))
    points = cloud.points.astype(np.float64)
    numbers = np.arange(sets.shape[1])

    def work(part: slice) -> None:
        inside = numbers < sizes[part, None]
        # Points with the same neighbours must have the same normal to the last bit, or rounding
        # would choose the frame of their pair in an FPFH: sum in an order of the set's own.
        members = np.sort(np.where(inside, sets[part], -1), axis=1)
        inside = (members >= 0)[:, :, None]
        count = np.maximum(sizes[part, None], 1)
        offsets = points.take(members, axis=0, mode="clip")
        offsets *= inside
        offsets -= offsets.sum(1, keepdims=True) / count[:, None]
        offsets *= inside
        found = least_variance(offsets.transpose(0, 2, 1) @ offsets)
        found[count[:, 0] < 3] = (0.0, 0.0, 1.0)
        normals[part] = found

    in_chunks(work, len(sets), 1_024)
    return normals


def turned_outward(normals: Array, places: FloatArray, center: Array) -> Array:
    """Flip the normals (M, 3) that look from their places (M, 3) towards the center (3,)."""
    inward = np.einsum("qi,qi->q", normals, places - center) < 0
    return np.where(inward[:, None], -normals, normals)

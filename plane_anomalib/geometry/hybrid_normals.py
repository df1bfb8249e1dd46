"""Normals as Open3D estimates them: from at most so many neighbours within a radius."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from plane_anomalib.geometry.chunks import in_chunks
from plane_anomalib.geometry.least_variance import least_variance
from plane_anomalib.geometry.neighbour_sets import NeighbourSets, OrderedCloud
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
    """Normals from the plane through the neighbours within a radius, at most `neighbours`.

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
    normals = set_normals(cloud, cloud.nearest_sets(rows, (neighbours, radius))[0])
    if oriented:
        normals = turned_outward(normals, cloud.points[rows], cloud.center)
    return normals[back].astype(np.float32)


def set_normals(cloud: OrderedCloud, sets: NeighbourSets) -> Array:
    """Normals of neighbour sets, with the sign that Open3D gives them.

    Args:
        cloud: What the sets are of.
        sets: M sets.

    Returns:
        (M, 3) float64 unit vectors.
    """
    num = len(sets.members)
    normals = np.empty((num, 3))
    # About the centroid of the cloud, where sums of products lose fewest digits.
    x, y, z = (cloud.points - cloud.center).T
    moments = np.stack([x, y, z, x * x, x * y, x * z, y * y, y * z, z * z], axis=1)
    numbers = np.arange(sets.members.shape[1])

    def work(part: slice) -> None:
        count = np.maximum(sets.sizes[part], 1)
        # Points with the same neighbours must have the same normal to the last bit, or rounding
        # would choose the frame of their pair in an FPFH: sets are in an order of their own.
        members = sets.members[part]
        if (count < members.shape[1]).any():
            members = members[numbers < count[:, None]]
        ends = np.concatenate([[0], np.cumsum(count)])
        total = members.size
        sums = csr_array((np.ones(total), members.reshape(-1), ends), shape=(len(count), len(x)))
        mean, products = np.split((sums @ moments / count[:, None]).T, [3])
        found = least_variance(products - mean[[0, 0, 0, 1, 1, 2]] * mean[[0, 1, 2, 1, 2, 2]])
        found[count < 3] = (0.0, 0.0, 1.0)
        normals[part] = found

    in_chunks(work, num, 2_048)
    return normals


def turned_outward(normals: Array, places: FloatArray, center: Array) -> Array:
    """Flip the normals (M, 3) that look from their places (M, 3) towards the center (3,)."""
    inward = np.einsum("qi,qi->q", normals, places - center) < 0
    return np.where(inward[:, None], -normals, normals)

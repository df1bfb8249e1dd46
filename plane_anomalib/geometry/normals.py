"""Surface normals: outward, on the side of the material, or as Open3D estimates them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_matrix, csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

from plane_anomalib.core.cores import in_chunks
from plane_anomalib.geometry.neighbour_sets import NeighbourSets, OrderedCloud
from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.points import FloatArray, IntArray, as_points

_CHUNK = 2_048
_QUERIES = 65_536
"""Whose neighbours are held at once."""

Array = NDArray[np.float64]
Vector = tuple[Array, Array, Array]


def patch_normal(points: ArrayLike) -> FloatArray:
    """Direction of least variance of one patch; the sign is arbitrary.

    Args:
        points: (K, 3), K >= 1. Fewer than 3 distinct points leave the direction undetermined: some
            unit vector across them is returned.

    Returns:
        (3,) float32 unit vector.
    """
    patch = as_points(points).astype(np.float64)
    centered = patch - patch.mean(0)
    return np.linalg.eigh(centered.T @ centered)[1][:, 0].astype(np.float32)


def orient_outward(normals: FloatArray, points: FloatArray, center: ArrayLike) -> FloatArray:
    """Flip normals that look towards `center`.

    Args:
        normals: (..., 3).
        points: (..., 3), where the normals stand.
        center: (3,), usually the centroid of the whole cloud.

    Returns:
        (..., 3) float32.
    """
    radial = points - np.asarray(center, dtype=np.float64)
    inward = np.sum(normals * radial, axis=-1, keepdims=True) < 0
    return np.where(inward, -normals, normals).astype(np.float32)


def point_normals(points: ArrayLike, k: int = 16, queries: ArrayLike | None = None) -> FloatArray:
    """Estimate unit normals, oriented outward from the centroid of the cloud.

    Outward from the centroid is right for roughly star-shaped objects; inside a bowl it is the
    other way round, yet the same for every specimen.

    Args:
        points: (N, 3).
        k: Neighbours (the point itself included) whose plane is taken; fewer where N < k.
        queries: (M, 3) places to estimate at; by default the points themselves.

    Returns:
        (M, 3) float32 unit vectors.

    Raises:
        ConfigurationError: If the cloud is empty or not (N, 3).
    """
    index = NeighbourIndex(points)
    cloud = index.reference
    places = cloud if queries is None else as_points(queries, name="queries", minimum=0)
    normals = np.empty_like(places)
    for start in range(0, len(places), _QUERIES):
        part = slice(start, start + _QUERIES)
        around = index.query(places[part], min(k, len(cloud)))[1]
        normals[part] = neighbourhood_normals(cloud, around)
    return orient_outward(normals, places, cloud.mean(0, dtype=np.float64))


def surface_side_normals(points: ArrayLike, k: int = 16) -> FloatArray:
    """Estimate unit normals that all look out of the material, inside a bowl as well.

    The side is handed on from neighbour to neighbour along a minimum spanning tree (Hoppe et al.,
    SIGGRAPH 1992). Two neighbours look to the same side if one normal, mirrored in the direction
    to the other point, is the other's (König and Gumhold, VMV 2009), which holds at sharp edges
    and across thin walls, too. Each connected piece is turned so that the volume under its normals
    is positive, as that of any closed surface is.

    Args:
        points: (N, 3) of a whole surface, or of one side of it.
        k: Neighbours (the point itself included) whose plane is taken; fewer where N < k.

    Returns:
        (N, 3) float32 unit vectors.

    Raises:
        ConfigurationError: If the cloud is empty or not (N, 3).
    """
    index = NeighbourIndex(points)
    cloud = index.reference
    around = index.query(cloud, min(k, len(cloud)))[1]
    normals = neighbourhood_normals(cloud, around).astype(np.float32)
    normals = orient_outward(normals, cloud, cloud.mean(0, dtype=np.float64))
    first, second = np.repeat(np.arange(len(cloud)), around.shape[1]), around.ravel()
    agreement, slope = _same_side(cloud, normals, first, second)
    # The flattest way first; never 0, which a sparse matrix takes for no edge.
    costs = 1.001 - np.minimum(np.abs(agreement), 1.0) + slope
    tree = minimum_spanning_tree(coo_matrix((costs, (first, second)), (len(cloud),) * 2).tocsr())
    piece = connected_components(tree, directed=False)[1]
    for start in np.unique(piece, return_index=True)[1]:
        _turn_piece(cloud, normals, *breadth_first_order(tree, int(start), directed=False))
    return normals


def _turn_piece(
    cloud: FloatArray, normals: FloatArray, order: NDArray[Any], parents: NDArray[Any]
) -> None:
    """Hand the side on from parent to child in one connected piece, then turn it outward."""
    agreement, _ = _same_side(cloud, normals, parents[order[1:]], order[1:])
    signs = np.ones(len(cloud), np.float32)
    for child, agrees in zip(order[1:], agreement, strict=True):
        signs[child] = signs[parents[child]] if agrees >= 0 else -signs[parents[child]]
    normals[order] *= signs[order, None]
    center = cloud.mean(0, dtype=np.float64)
    if np.einsum("ni,ni->", cloud[order] - center, normals[order]) < 0:
        normals[order] *= -1


def _same_side(
    cloud: FloatArray, normals: FloatArray, first: NDArray[Any], second: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How well two mirrored normals agree, and the square of how steep the way between them is."""
    ways = (cloud[second] - cloud[first]).astype(np.float64)
    ways /= np.maximum(np.linalg.norm(ways, axis=1, keepdims=True), 1e-30)
    steep = np.einsum("ni,ni->n", ways, normals[first])
    mirrored = normals[first] - 2 * steep[:, None] * ways
    return np.einsum("ni,ni->n", mirrored, normals[second]), np.square(steep)


def neighbourhood_normals(cloud: NDArray[Any], neighbours: IntArray) -> NDArray[np.float64]:
    """Directions of least variance of neighbourhoods, signs arbitrary.

    Args:
        cloud: (N, 3) floating point.
        neighbours: (M, K) indices into the cloud.

    Returns:
        (M, 3) float64 unit vectors.
    """
    normals = np.empty((len(neighbours), 3))

    def measure(part: slice) -> None:
        patches = cloud[neighbours[part]]
        # Centring before the cast keeps float32 clouds far from the origin exact.
        x, y, z = np.moveaxis(patches - patches[:, :1], 2, 0).astype(np.float64)
        x, y, z = (axis - axis.mean(1, keepdims=True) for axis in (x, y, z))
        pairs = ((x, x), (x, y), (x, z), (y, y), (y, z), (z, z))
        covariances = [np.einsum("mk,mk->m", first, second) for first, second in pairs]
        normals[part] = least_variance(np.stack(covariances))

    in_chunks(measure, len(neighbours), _CHUNK)
    return normals


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


def least_variance(covariances: Array) -> Array:
    """Eigenvectors of the smallest eigenvalues, with the sign that Open3D's normals have.

    After D. Eberly, "A robust eigensolver for 3 x 3 symmetric matrices" (Geometric Tools): several
    times as fast as LAPACK on batches. First the eigenvector of the extreme eigenvalue that lies
    farther from the middle one, then those in the plane across it.

    Args:
        covariances: (6, M) float64, the entries xx, xy, xz, yy, yz and zz.

    Returns:
        (M, 3) float64 unit vectors; (0, 0, 1) where all variances are zero or equal.
    """
    largest = covariances.max(0)
    matrix = covariances / np.where(largest > 0, largest, 1.0)
    off_diagonal = matrix[1] ** 2 + matrix[2] ** 2 + matrix[4] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        low, middle, high, half = _eigenvalues(matrix, off_diagonal)
        upper = half >= 0
        first = _outermost(matrix, np.where(upper, high, low))
        second = _across(matrix, first, middle)
    third = _cross(second, first)
    normals = np.stack([np.where(upper, *pair) for pair in zip(third, first, strict=True)], axis=1)
    diagonal = off_diagonal == 0
    if diagonal.any():
        normals[diagonal] = np.eye(3)[_strictly_least(matrix[[0, 3, 5]][:, diagonal])]
    normals[largest <= 0] = (0.0, 0.0, 1.0)
    undetermined = ~np.isfinite(normals.sum(1))
    if undetermined.any():
        full = matrix[[0, 1, 2, 1, 3, 4, 2, 4, 5]][:, undetermined].T.reshape(-1, 3, 3)
        normals[undetermined] = np.linalg.eigh(full)[1][:, :, 0]
    return normals


def _cross(a: Vector, b: Vector) -> Vector:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _dot(a: Vector, b: Vector) -> Array:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _strictly_least(axes: Array) -> NDArray[np.intp]:
    """Which axis (3, M) has the least variance; the last one where that is not the only one."""
    least = axes == axes.min(0)
    return np.where(least.sum(0) == 1, least.argmax(0), 2)


def _eigenvalues(matrix: Array, off_diagonal: Array) -> tuple[Array, Array, Array, Array]:
    """Lowest, middle, highest; and half the determinant that tells which stands apart."""
    xx, xy, xz, yy, yz, zz = matrix
    mean = (xx + yy + zz) / 3
    bx, by, bz = xx - mean, yy - mean, zz - mean
    spread = np.sqrt((bx * bx + by * by + bz * bz + 2 * off_diagonal) / 6)
    minors = (by * bz - yz * yz, xy * bz - yz * xz, xy * yz - by * xz)
    determinant = (bx * minors[0] - xy * minors[1] + xz * minors[2]) / (spread * spread * spread)
    half = np.clip(determinant * 0.5, -1.0, 1.0)
    angle = np.arccos(half) / 3
    high = 2 * np.cos(angle)
    low = 2 * np.cos(angle + 2 * np.pi / 3)
    return mean + spread * low, mean - spread * (low + high), mean + spread * high, half


def _outermost(matrix: Array, value: Array) -> Vector:
    """The longest cross product of two rows of (A - value) is across both."""
    xx, xy, xz, yy, yz, zz = matrix
    rows: tuple[Vector, Vector, Vector] = (
        (xx - value, xy, xz),
        (xy, yy - value, yz),
        (xz, yz, zz - value),
    )
    best = _cross(rows[0], rows[1])
    longest = _dot(best, best)
    for pair in ((0, 2), (1, 2)):
        other = _cross(rows[pair[0]], rows[pair[1]])
        length = _dot(other, other)
        longer = length > longest
        best = (
            np.where(longer, other[0], best[0]),
            np.where(longer, other[1], best[1]),
            np.where(longer, other[2], best[2]),
        )
        longest = np.where(longer, length, longest)
    length = np.sqrt(longest)
    return best[0] / length, best[1] / length, best[2] / length


def _across(matrix: Array, first: Vector, value: Array) -> Vector:
    """The eigenvector of `value` within the plane across the `first`."""
    xx, xy, xz, yy, yz, zz = matrix
    x, y, z = first
    wide = np.abs(x) > np.abs(y)
    length = np.sqrt(np.where(wide, x * x, y * y) + z * z)
    u = (np.where(wide, -z, 0.0) / length, np.where(wide, 0.0, z) / length)
    u3: Vector = (u[0], u[1], np.where(wide, x, -y) / length)
    v3 = _cross(first, u3)

    def image(of: Vector) -> Vector:
        p, q, r = of
        return xx * p + xy * q + xz * r, xy * p + yy * q + yz * r, xz * p + yz * q + zz * r

    image_v = image(v3)
    uu, uv, vv = _dot(u3, image(u3)) - value, _dot(u3, image_v), _dot(v3, image_v) - value
    # The longer row of the 2 x 2 system. The source divides by its larger entry, which makes that
    # one's weight positive.
    upper = np.abs(uu) >= np.abs(vv)
    own, along, beside = np.where(upper, uu, vv), np.where(upper, uv, vv), np.where(upper, uu, uv)
    pivot = np.where(np.abs(own) >= np.abs(uv), own, uv)
    length = np.copysign(np.sqrt(own * own + uv * uv), pivot)
    flat = length == 0
    along = np.where(flat, 1.0, along / length)
    beside = np.where(flat, 0.0, beside / length)
    return (
        along * u3[0] - beside * v3[0],
        along * u3[1] - beside * v3[1],
        along * u3[2] - beside * v3[2],
    )

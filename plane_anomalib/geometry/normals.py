"""Surface normals by principal component analysis of neighbourhoods."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

from plane_anomalib.geometry.chunks import in_chunks
from plane_anomalib.geometry.least_variance import least_variance
from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.validation import FloatArray, IntArray, as_points

_CHUNK = 2_048
_QUERIES = 65_536
"""Whose neighbours are held at once."""


def patch_normal(points: ArrayLike) -> FloatArray:
    """Direction of least variance of one patch; the sign is arbitrary.

    Args:
        points: (K, 3), K >= 1. Fewer than 3 distinct points leave the direction undetermined: some
            unit vector across them is returned.

    Returns:
        (3,) float32 unit vector.
    """
    patch = as_points(points).astype(np.float64)
    centerd = patch - patch.mean(0)
    return np.linalg.eigh(centerd.T @ centerd)[1][:, 0].astype(np.float32)


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
    center = cloud.mean(0, dtype=np.float64)
    for start in np.unique(piece, return_index=True)[1]:
        order, parents = breadth_first_order(tree, int(start), directed=False)
        agreement, _ = _same_side(cloud, normals, parents[order[1:]], order[1:])
        signs = np.ones(len(cloud), np.float32)
        for child, agrees in zip(order[1:], agreement, strict=True):
            signs[child] = signs[parents[child]] if agrees >= 0 else -signs[parents[child]]
        normals[order] *= signs[order, None]
        if np.einsum("ni,ni->", cloud[order] - center, normals[order]) < 0:
            normals[order] *= -1
    return normals


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

"""Surface normals by principal component analysis of neighbourhoods."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.validation import FloatArray, as_points

_CHUNK = 8_192


def patch_normal(points: ArrayLike) -> FloatArray:
    """Direction of least variance of one patch; the sign is arbitrary.

    Args:
        points: (K, 3), K >= 1. Fewer than 3 distinct points leave the direction undetermined: some
            unit vector across them is returned.

    Returns:
        (3,) float32 unit vector.
    """
    patch = as_points(points).astype(np.float64)
    centred = patch - patch.mean(0)
    return np.linalg.eigh(centred.T @ centred)[1][:, 0].astype(np.float32)


def orient_outward(normals: FloatArray, points: FloatArray, center: ArrayLike) -> FloatArray:
    """Flip normals that look towards ``center``.

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
    neighbours = min(k, len(cloud))
    for start in range(0, len(places), _CHUNK):
        part = slice(start, start + _CHUNK)
        patches = cloud[index.query(places[part], neighbours)[1]]
        normals[part] = _least_variance(patches)
    return orient_outward(normals, places, cloud.mean(0, dtype=np.float64))


def _least_variance(patches: FloatArray) -> NDArray[np.float64]:
    """(M, K, 3) patches to (M, 3) directions of least variance."""
    # Centring before the cast keeps float32 clouds far from the origin exact.
    centred = (patches - patches[:, :1]).astype(np.float64)
    centred -= centred.mean(1, keepdims=True)
    return np.linalg.eigh(centred.transpose(0, 2, 1) @ centred)[1][:, :, 0]

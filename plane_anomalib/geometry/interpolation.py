"""Carrying values from few centres to every point of a cloud."""

import numpy as np
from numpy.typing import ArrayLike

from plane_anomalib.geometry.chunks import in_chunks
from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.validation import FloatArray, as_points

_CHUNK = 8_192
"""Points handled at once: temporaries stay in the cache, memory far below 1 GB."""


def interpolate_to_points(
    centers: ArrayLike, values: ArrayLike, points: ArrayLike, k: int = 3, eps: float = 1e-12
) -> FloatArray:
    """Interpolate by inverse squared distance over the nearest centres (PLANE, eq. 6, "phi").

    Exact at a centre: a point that lies on one takes that centre's value.

    Args:
        centers: (G, 3).
        values: (G,) or (G, C) float, one row per centre.
        points: (N, 3), in the same frame as the centres.
        k: Number of centres that share in a value; fewer where G < k.
        eps: Least squared distance, relative to the squared distance of the farthest of the k
            centres (hence independent of the units).

    Returns:
        (N,) or (N, C) float32, a convex combination of the values.

    Raises:
        ConfigurationError: If there is no centre or an array is not (*, 3).
    """
    index = NeighbourIndex(as_points(centers, name="centers"))
    cloud = as_points(points, minimum=0)
    known = np.asarray(values, dtype=np.float32)
    result = np.empty((len(cloud), *known.shape[1:]), dtype=np.float32)
    neighbours = min(k, len(index.reference))

    def interpolate(part: slice) -> None:
        distances, indices = index.query(cloud[part], neighbours, workers=1)
        weights = _inverse_squared(distances, eps)
        # A sum over neighbours: never holds the gathered (chunk, k, C) array.
        total = np.zeros_like(result[part])
        for column in range(neighbours):
            weight = weights[:, column].reshape(-1, *[1] * (known.ndim - 1))
            total += weight * known[indices[:, column]]
        result[part] = total

    in_chunks(interpolate, len(cloud), _CHUNK)
    return result


def _inverse_squared(distances: FloatArray, eps: float) -> FloatArray:
    """Turn sorted (N, k) distances into weights that sum to 1; exactly 1 at a centre."""
    farthest = np.maximum(distances[:, -1:], np.finfo(np.float32).tiny)
    relative = np.square(distances / farthest)
    weights = 1.0 / np.maximum(relative, np.float32(eps))
    on_centre = relative[:, 0] <= eps
    weights[on_centre] = 0.0
    weights[on_centre, 0] = 1.0
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)

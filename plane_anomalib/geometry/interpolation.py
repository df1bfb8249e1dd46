"""Carrying values from few centers to every point of a cloud."""

import numpy as np
from numpy.typing import ArrayLike

from plane_anomalib.geometry.chunks import in_chunks
from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.validation import FloatArray, IntArray, as_points

_CHUNK = 8_192
"""Points handled at once: temporaries stay in the cache, memory far below 1 GB."""

_CELL_BITS = 5
"""Cells along an edge of the cube that orders the points, as a power of 2."""


def interpolate_to_points(
    centers: ArrayLike, values: ArrayLike, points: ArrayLike, k: int = 3, eps: float = 1e-12
) -> FloatArray:
    """Interpolate by inverse squared distance over the nearest centers (PLANE, eq. 6, "phi").

    Exact at a center: a point that lies on one takes that center's value.

    Args:
        centers: (G, 3).
        values: (G,) or (G, C) float, one row per center.
        points: (N, 3), in the same frame as the centers.
        k: Number of centers that share in a value; fewer where G < k.
        eps: Least squared distance, relative to the squared distance of the farthest of the k
            centers (hence independent of the units).

    Returns:
        (N,) or (N, C) float32, a convex combination of the values.

    Raises:
        ConfigurationError: If there is no center or an array is not (*, 3).
    """
    index = NeighbourIndex(as_points(centers, name="centers"))
    cloud = as_points(points, minimum=0)
    known = np.asarray(values, dtype=np.float32)
    result = np.empty((len(cloud), *known.shape[1:]), dtype=np.float32)
    neighbours = min(k, len(index.reference))
    order = _cell_order(cloud, index.reference)

    def interpolate(part: slice) -> None:
        chosen = order[part]
        distances, indices = index.query(cloud[chosen], neighbours, workers=1)
        weights = _inverse_squared(distances, eps)
        # A sum over neighbours: never holds the gathered (chunk, k, C) array.
        total = np.zeros((len(chosen), *known.shape[1:]), np.float32)
        for column in range(neighbours):
            weight = weights[:, column].reshape(-1, *[1] * (known.ndim - 1))
            total += weight * known[indices[:, column]]
        result[chosen] = total

    in_chunks(interpolate, len(cloud), _CHUNK)
    return result


def _cell_order(cloud: FloatArray, reference: FloatArray) -> IntArray:
    """Order of (N, 3) points in which near ones follow each other (Morton's).

    A tree is searched faster so, because its nodes stay in the cache: measured 77 ms instead of 105
    for 200,000 points in random order, of which the order takes 2. Points outside the cube around
    the reference share the outermost cells.
    """
    cells = 1 << _CELL_BITS
    low = reference.min(0)
    edge = max(float((reference.max(0) - low).max()), 1e-30)  # all may coincide
    inside = np.clip((cloud - low) * np.float32(cells / edge), 0, cells - 1).astype(np.uint16)
    spread = np.zeros(cells, np.uint16)
    for bit in range(_CELL_BITS):
        spread |= ((np.arange(cells) >> bit & 1) << (3 * bit)).astype(np.uint16)
    x, y, z = inside.T
    # Keys of 16 bits are sorted by counting, in linear time.
    return np.argsort(spread[x] | spread[y] << 1 | spread[z] << 2, kind="stable")


def _inverse_squared(distances: FloatArray, eps: float) -> FloatArray:
    """Turn sorted (N, k) distances into weights that sum to 1; exactly 1 at a center."""
    farthest = np.maximum(distances[:, -1:], np.finfo(np.float32).tiny)
    relative = np.square(distances / farthest)
    weights = 1.0 / np.maximum(relative, np.float32(eps))
    on_center = relative[:, 0] <= eps
    weights[on_center] = 0.0
    weights[on_center, 0] = 1.0
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)

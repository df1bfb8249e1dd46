"""Which nodes of a grid lie inside a closed mesh: the winding number along upright columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import DatasetError
from plane_anomalib.generation.procedural.fields import Array

_CHUNK = 2**18
_TOLERATED = 0.01
"""Share of the inside that may lie in more than one part, as where scanned faces fold over."""


def inside_nodes(
    triangles: Array, low: Array, step: float, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Which nodes of a grid a closed mesh encloses.

    Args:
        triangles: Corners of the faces, `(F, 3, 3)`, counter-clockwise as seen from outside.
        low: Position of the first node, `(3,)`.
        step: Distance of neighbouring nodes.
        shape: Of the grid, which must reach beyond the mesh.

    Returns:
        Mask of the grid's shape.

    Raises:
        DatasetError: Parts overlap, or faces contradict each other.
    """
    # A column that meets an edge exactly would count it twice: move all columns a hair aside.
    for hair in (1e-4, 2.3e-4, 3.7e-4):
        aside = low + step * hair * np.array([1.0, 0.618, 0.0])
        turns = _entries((triangles - aside) / step, shape)
        np.cumsum(turns, axis=2, out=turns)
        if not turns[:, :, -1].any():
            break
    else:
        msg = "its faces contradict each other: rays that enter it do not leave it."
        raise DatasetError(msg)
    inside = turns > 0
    odd = np.count_nonzero(turns < 0) + np.count_nonzero(turns > 1)
    if odd > _TOLERATED * np.count_nonzero(inside):
        msg = "its parts overlap, or one lies within another: unite them into one solid first."
        raise DatasetError(msg)
    return inside


def _entries(triangles: Array, shape: tuple[int, ...]) -> NDArray[np.int16]:
    """At each node, how often the mesh is entered less left since the node below, in steps."""
    turns = np.zeros(shape, dtype=np.int16)
    first = np.ceil(triangles[:, :, :2].min(axis=1)).astype(int)
    count = np.floor(triangles[:, :, :2].max(axis=1)).astype(int) - first + 1
    columns = count.clip(0).prod(axis=1)
    met = np.flatnonzero(columns)
    bounds = np.cumsum(columns[met])
    for start in range(0, int(bounds[-1]) if len(bounds) else 0, _CHUNK):
        pair = np.arange(start, min(start + _CHUNK, int(bounds[-1])))
        which = np.searchsorted(bounds, pair, side="right")
        face = met[which]
        rest = pair - (bounds[which] - columns[face])
        x = first[face, 0] + rest // count[face, 1]
        y = first[face, 1] + rest % count[face, 1]
        z, way = _crossing(triangles[face], x, y)
        hit = way != 0
        above = np.ceil(z[hit]).astype(int)
        np.add.at(turns, (x[hit], y[hit], above), way[hit].astype(np.int16))
    return turns


def _crossing(
    triangles: Array, x: NDArray[np.int64], y: NDArray[np.int64]
) -> tuple[Array, NDArray[np.int64]]:
    """Height at which upright lines cross triangles; 1 where they enter, -1 leave, 0 miss."""
    a, b, c = (triangles[:, i] for i in range(3))

    def twice_area(p: Array, q: Array) -> Array:
        return (p[:, 0] - x) * (q[:, 1] - y) - (p[:, 1] - y) * (q[:, 0] - x)

    u, v, w = twice_area(b, c), twice_area(c, a), twice_area(a, b)
    total = u + v + w
    hit = (((u >= 0) & (v >= 0) & (w >= 0)) | ((u <= 0) & (v <= 0) & (w <= 0))) & (total != 0)
    safe = np.where(total == 0, 1.0, total)
    z = (u * a[:, 2] + v * b[:, 2] + w * c[:, 2]) / safe
    return z, np.where(hit, -np.sign(total), 0).astype(np.int64)

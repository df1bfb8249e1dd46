"""What of a cloud is seen from one direction, and whether a cloud is all that a scanner saw."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plane_anomalib.geometry.rigid import even_directions
from plane_anomalib.geometry.sampling import random_subsample, typical_spacing
from plane_anomalib.geometry.validation import as_points

_CELL_IN_SPACINGS = 4.0
"""Edge of a depth-buffer cell over the median gap: about four points per cell, few are open."""
_DEPTH_IN_CELLS = 2.5
"""Seen depth below the front of a cell: walls up to 60 degrees stay, what is behind them goes."""
_STRICT_DEPTH = 1.5
"""The same where it is told whether anything is hidden, and thin walls must count."""
_DIRECTIONS = 256
_PROBED = 8_000


def seen_from(
    points: NDArray[np.floating[Any]],
    direction: ArrayLike,
    *,
    spacing: float | None = None,
    depth: float = _DEPTH_IN_CELLS,
) -> NDArray[np.bool_]:
    """Which points are seen from far away, by a depth buffer.

    Args:
        points: `(N, 3)`.
        direction: `(3,)` unit vector towards the viewer.
        spacing: Typical distance between neighbouring points; measured if it is left out.
        depth: How far behind the nearest point of its cell a point is still seen, in cells of four
            spacings.

    Returns:
        `(N,)`; all of them where all points coincide.
    """
    toward = np.asarray(direction, np.float64)
    spacing = typical_spacing(points, num=512) if spacing is None else spacing
    if spacing <= 0:
        return np.ones(len(points), np.bool_)
    across = np.linalg.svd(toward[None])[2][1:]
    edge = _CELL_IN_SPACINGS * spacing
    flat = points @ across.T
    cells = np.floor((flat - flat.min(0)) / edge).astype(np.int64)
    keys = cells[:, 0] * (cells[:, 1].max() + 1) + cells[:, 1]
    _, owners = np.unique(keys, return_inverse=True)
    behind = -(points @ toward)
    front = np.full(owners.max() + 1, np.inf)
    np.minimum.at(front, owners, behind)
    return np.asarray(behind <= front[owners] + depth * edge)


def most_seen(points: ArrayLike, *, seed: int = 0) -> float:
    """The largest share of a cloud's points that one direction shows.

    Most of a scan that was taken from one side; about half of a whole object, whose far side is
    hidden whichever way one looks. Free of units, and of density from 8,000 points on, of which so
    many are looked at.

    Args:
        points: `(N, 3)`.
        seed: Of the points that are looked at.

    Returns:
        A share.

    Raises:
        ConfigurationError: The cloud is empty or not `(N, 3)`.
    """
    cloud = as_points(points)
    generator = np.random.default_rng(seed)
    probed = cloud[random_subsample(len(cloud), min(_PROBED, len(cloud)), generator)]
    # Centerd in double precision: clouds may lie far from the origin.
    centerd = probed.astype(np.float64)
    centerd -= centerd.mean(0)
    spacing = typical_spacing(centerd.astype(np.float32), num=512)
    return max(
        float(seen_from(centerd, direction, spacing=spacing, depth=_STRICT_DEPTH).mean())
        for direction in even_directions(_DIRECTIONS)
    )

"""A polygon with holes, cut into trapezoids: uniform samples and a fast inside test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from plane_anomalib.generation.shapes.solid import Array, Mask, choose, linear


class Polygon:
    """A flat region.

    Args:
        outline: Corners `(K, 2)` in either sense, not repeated at the end, no self-crossing.
        holes: Corners of holes inside the outline, none touching another.
    """

    def __init__(self, outline: ArrayLike, holes: Sequence[ArrayLike] = ()) -> None:
        loops = [_turned(outline, 1.0), *(_turned(hole, -1.0) for hole in holes)]
        self.starts: Array = np.concatenate(loops)
        self.ends: Array = np.concatenate([np.roll(loop, -1, axis=0) for loop in loops])
        edges = self.ends - self.starts
        self.lengths: Array = np.hypot(edges[:, 0], edges[:, 1])
        outward = np.stack([edges[:, 1], -edges[:, 0]], axis=1)
        self.outward: Array = outward / np.maximum(self.lengths, 1e-300)[:, None]
        self._cut()

    def _cut(self) -> None:
        """Horizontal slabs between neighbouring corner heights, and the edges through each."""
        low = np.minimum(self.starts[:, 1], self.ends[:, 1])
        high = np.maximum(self.starts[:, 1], self.ends[:, 1])
        self._levels = np.unique(self.starts[:, 1])
        slab, edge = np.nonzero((low <= self._levels[:-1, None]) & (high >= self._levels[1:, None]))
        bottom, top = self._levels[slab], self._levels[slab + 1]
        first, last = self.starts[edge], self.ends[edge]
        slope = (last[:, 0] - first[:, 0]) / (last[:, 1] - first[:, 1])
        lower = first[:, 0] + slope * (bottom - first[:, 1])
        upper = first[:, 0] + slope * (top - first[:, 1])
        order = np.lexsort((lower + upper, slab))
        slab, lower, upper, slope = slab[order], lower[order], upper[order], slope[order]
        self._left = np.stack([lower[0::2], upper[0::2]])
        self._right = np.stack([lower[1::2], upper[1::2]])
        self._slab = slab[0::2]
        self._width = np.maximum(self._right - self._left, 0.0)
        height = np.diff(self._levels)[self._slab]
        self._areas = self._width.sum(axis=0) / 2 * height
        self.area = float(self._areas.sum())
        counts = np.bincount(slab, minlength=len(self._levels) - 1)
        column = np.arange(len(slab)) - (np.cumsum(counts) - counts)[slab]
        shape = (len(counts), int(counts.max()))
        self._crossing = np.full(shape, np.inf)
        self._crossing[slab, column] = lower
        self._slope = np.zeros(shape)
        self._slope[slab, column] = slope

    @property
    def perimeter(self) -> float:
        """Length of all outlines together."""
        return float(self.lengths.sum())

    def draw(self, generator: np.random.Generator, count: int) -> Array:
        """Points `(count, 2)`, uniform in the region."""
        piece = choose(generator, self._areas, count)
        share = linear(self._width[0, piece], self._width[1, piece], generator.random(count))
        slab = self._slab[piece]
        bottom, top = self._levels[slab], self._levels[slab + 1]
        left = self._left[0, piece] * (1 - share) + self._left[1, piece] * share
        width = self._width[0, piece] * (1 - share) + self._width[1, piece] * share
        return np.stack(
            [left + width * generator.random(count), bottom + (top - bottom) * share], axis=1
        )

    def border(self, generator: np.random.Generator, count: int) -> tuple[Array, Array]:
        """Points `(count, 2)` uniform on the outlines, and outward unit normals."""
        edge = choose(generator, self.lengths, count)
        share = generator.random((count, 1))
        return self.starts[edge] * (1 - share) + self.ends[edge] * share, self.outward[edge]

    def inside(self, points: Array) -> Mask:
        """Which of `(N, 2)` points are in the region, `(N,)` bool."""
        slab = np.searchsorted(self._levels, points[:, 1], side="right") - 1
        valid = (slab >= 0) & (slab < len(self._levels) - 1)
        slab = np.where(valid, slab, 0)
        rise = points[:, 1] - self._levels[slab]
        crossing = self._crossing[slab] + self._slope[slab] * rise[:, None]
        return valid & ((crossing < points[:, :1]).sum(axis=1) % 2 == 1)


def _turned(loop: ArrayLike, sense: float) -> Array:
    """The loop counter-clockwise (sense 1) or clockwise (-1)."""
    corners = np.asarray(loop, dtype=np.float64)
    following = np.roll(corners, -1, axis=0)
    signed = float(np.sum(corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]))
    return corners if signed * sense > 0 else corners[::-1]

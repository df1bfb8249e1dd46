"""Tubes: rounded sections of changing size along a curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from plane_anomalib.generation.shapes.solid import (
    Array,
    Mask,
    Solid,
    choose,
    linear,
    number,
    unit,
)

_AROUND = 40
_ROUND_STEPS = np.sin(np.linspace(0, np.pi / 2, 8))[1:]


class Tube(Solid):
    """Superelliptic sections along a spine.

    Args:
        spine: Points `(M, 3)` along the middle; not repeated at the end of a closed tube.
        across: Half width of the section along `up`, one number or `(M,)`.
        along: Half width in the other direction; as `across` by default.
        power: Exponent of the section: 2 an ellipse, larger ones boxier.
        closed: Whether the end joins the start.
        rounded: Whether open ends are rounded off; they are flat otherwise.
        up: Direction `(3,)` the sections are aligned to; by default across the plane of the
            spine. Never along the spine.
    """

    def __init__(
        self,
        spine: ArrayLike,
        across: ArrayLike,
        along: ArrayLike | None = None,
        *,
        power: float = 2.0,
        closed: bool = False,
        rounded: bool = False,
        up: ArrayLike | None = None,
    ) -> None:
        middle = np.asarray(spine, dtype=np.float64)
        first = np.broadcast_to(np.asarray(across, dtype=np.float64), len(middle))
        second = first if along is None else np.broadcast_to(along, len(middle))
        sizes = np.stack([first, second], axis=1).astype(np.float64)
        self._power = power
        tangents = _tangents(middle, closed)
        if closed:
            middle, sizes, tangents = (
                np.concatenate([a, a[:1]]) for a in (middle, sizes, tangents)
            )
        elif rounded:
            middle, sizes, tangents = _round_ends(middle, sizes, tangents)
        self._closed = closed
        self._lay(middle, sizes, tangents, up)

    def _lay(self, middle: Array, sizes: Array, tangents: Array, up: ArrayLike | None) -> None:
        direction = (
            np.linalg.eigh(tangents.T @ tangents)[1][:, 0] if up is None else unit(np.asarray(up))
        )
        side = unit(direction - (tangents @ direction)[:, None] * tangents)
        self._middle, self._sizes, self._tangents = middle, sizes, tangents
        self._tree = cKDTree(middle)
        if not self._closed:  # flat ends: one more section each, shrunk to the middle
            middle, side, tangents = (
                np.concatenate([a[:1], a, a[-1:]]) for a in (middle, side, tangents)
            )
            sizes = np.concatenate([np.zeros((1, 2)), sizes, np.zeros((1, 2))])
        self._side, self._other = side, np.cross(tangents, side)
        self._rings, self._ring_sizes = middle, sizes
        angle = np.linspace(0, 2 * np.pi, _AROUND + 1)
        x, y = self._section(angle)
        grid = self._ring(np.arange(len(middle))[:, None], x[None], y[None])
        self.low, self.high = grid.min(axis=(0, 1)) - 1e-3, grid.max(axis=(0, 1)) + 1e-3
        diagonals = grid[1:, 1:] - grid[:-1, :-1], grid[1:, :-1] - grid[:-1, 1:]
        self._cells = np.linalg.norm(np.cross(*diagonals), axis=2).ravel() / 2
        self._widths = np.linalg.norm(np.diff(grid, axis=1), axis=2)
        self.area = float(self._cells.sum())

    def _section(self, angle: Array) -> tuple[Array, Array]:
        """The unit section at polar angles."""
        x, y = np.cos(angle), np.sin(angle)
        if self._power == 2.0:
            return x, y
        size = (np.abs(x) ** self._power + np.abs(y) ** self._power) ** (-1 / self._power)
        return x * size, y * size

    def _ring(self, ring: NDArray[np.intp], x: Array, y: Array) -> Array:
        first = (self._ring_sizes[ring, 0] * x)[..., None] * self._side[ring]
        second = (self._ring_sizes[ring, 1] * y)[..., None] * self._other[ring]
        return self._rings[ring] + first + second

    def scatter(self, generator: np.random.Generator, density: float) -> tuple[Array, Array]:
        """As `Solid.scatter`."""
        count = number(generator, self.area * density)
        ring, column = np.divmod(choose(generator, self._cells, count), _AROUND)
        x, y = self._section((column + generator.random(count)) * (2 * np.pi / _AROUND))
        share = linear(
            self._widths[ring, column], self._widths[ring + 1, column], generator.random(count)
        )
        start, end = self._ring(ring, x, y), self._ring(ring + 1, x, y)
        share = share[:, None]
        sizes = self._ring_sizes[ring] * (1 - share) + self._ring_sizes[ring + 1] * share
        # In its plane the section runs across its own gradient.
        turn_x = -np.sign(y) * np.abs(y) ** (self._power - 1) * sizes[:, 0]
        turn_y = np.sign(x) * np.abs(x) ** (self._power - 1) * sizes[:, 1]
        side = self._side[ring] * (1 - share) + self._side[ring + 1] * share
        other = self._other[ring] * (1 - share) + self._other[ring + 1] * share
        round_ = turn_x[:, None] * side + turn_y[:, None] * other
        return start * (1 - share) + end * share, unit(_cross(round_, end - start))

    def within(self, points: Array) -> Mask:
        """As `Solid.within`."""
        nearest = self._tree.query(points)[1]
        last = len(self._middle) - 1
        best = np.full(len(points), np.inf)
        place = np.zeros(len(points))
        for first in (np.maximum(nearest - 1, 0), np.minimum(nearest, last - 1)):
            start = self._middle[first]
            step = self._middle[first + 1] - start
            share = np.einsum("ni,ni->n", points - start, step)
            share = np.clip(share / np.maximum(np.einsum("ni,ni->n", step, step), 1e-300), 0, 1)
            gap = points - start - share[:, None] * step
            distance = np.einsum("ni,ni->n", gap, gap)
            closer = distance < best
            best[closer], place[closer] = distance[closer], (first + share)[closer]
        return self._in_section(points, place, last)

    def _in_section(self, points: Array, place: Array, last: int) -> Mask:
        """Whether points are within the section at (fractional) places of the spine."""
        ring = np.minimum(place.astype(np.intp), last - 1)
        share = (place - ring)[:, None]
        offset = 0 if self._closed else 1

        def mix(values: Array, shift: int = offset) -> Array:
            return values[ring + shift] * (1 - share) + values[ring + 1 + shift] * share

        gap = points - mix(self._middle, 0)
        sizes = np.maximum(mix(self._sizes, 0), 1e-12)
        # Between two turned sections the surface is a mean of both, hence a little thinner.
        x, y = (
            np.abs(np.einsum("ni,ni->n", gap, axis)) / np.einsum("ni,ni->n", axis, axis)
            for axis in (mix(self._side), mix(self._other))
        )
        x, y = x / sizes[:, 0], y / sizes[:, 1]
        found = x**self._power + y**self._power < 1
        if self._closed:
            return found
        axial = np.einsum("ni,ni->n", gap, mix(self._tangents, 0))
        return found & ((place > 0) | (axial > -1e-9)) & ((place < last) | (axial < 1e-9))


def _cross(a: Array, b: Array) -> Array:
    """Cross product of `(N, 3)` rows; several times as fast as numpy's."""
    return np.stack(
        [
            a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1],
            a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
            a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
        ],
        axis=1,
    )


def _tangents(middle: Array, closed: bool) -> Array:
    if closed:
        return unit(np.roll(middle, -1, axis=0) - np.roll(middle, 1, axis=0))
    steps = unit(np.diff(middle, axis=0))
    return unit(np.concatenate([steps[:1], steps[:-1] + steps[1:], steps[-1:]]))


def _round_ends(middle: Array, sizes: Array, tangents: Array) -> tuple[Array, Array, Array]:
    """Continue both ends by half an ellipse."""
    shrink = np.sqrt(np.maximum(1 - _ROUND_STEPS**2, 0.0))[:, None]
    head = middle[0] - tangents[0] * sizes[0].min() * _ROUND_STEPS[::-1, None]
    tail = middle[-1] + tangents[-1] * sizes[-1].min() * _ROUND_STEPS[:, None]
    count = len(_ROUND_STEPS)
    return (
        np.concatenate([head, middle, tail]),
        np.concatenate([sizes[0] * shrink[::-1], sizes, sizes[-1] * shrink]),
        np.concatenate(
            [np.tile(tangents[0], (count, 1)), tangents, np.tile(tangents[-1], (count, 1))]
        ),
    )

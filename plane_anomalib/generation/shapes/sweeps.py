"""Solids swept by a flat outline: turned around an axis, pulled along it, led along a curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from plane_anomalib.generation.shapes.solids import Array, Mask, Solid, choose, linear, number, unit


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


class Revolution(Solid):
    """A profile turned around the z axis.

    Args:
        profile: Corners `(K, 2)` of a closed loop of (radius, height), radius >= 0. A solid body
            starts and ends on the axis.
    """

    def __init__(self, profile: ArrayLike) -> None:
        corners = np.asarray(profile, dtype=np.float64)
        self._region = Polygon(np.stack([np.maximum(corners[:, 0], 0.0), corners[:, 1]], axis=1))
        self._from, self._to = self._region.starts[:, 0], self._region.ends[:, 0]
        self._areas = np.pi * (self._from + self._to) * self._region.lengths
        self.area = float(self._areas.sum())
        reach = float(corners[:, 0].max())
        self.low = np.array([-reach, -reach, corners[:, 1].min()])
        self.high = np.array([reach, reach, corners[:, 1].max()])

    def scatter(self, generator: np.random.Generator, density: float) -> tuple[Array, Array]:
        """As `Solid.scatter`."""
        count = number(generator, self.area * density)
        edge = choose(generator, self._areas, count)
        share = linear(self._from[edge], self._to[edge], generator.random(count))[:, None]
        flat = self._region.starts[edge] * (1 - share) + self._region.ends[edge] * share
        around = generator.uniform(0, 2 * np.pi, count)
        cosine, sine = np.cos(around), np.sin(around)
        outward = self._region.outward[edge]
        points = np.stack([flat[:, 0] * cosine, flat[:, 0] * sine, flat[:, 1]], axis=1)
        normals = np.stack([outward[:, 0] * cosine, outward[:, 0] * sine, outward[:, 1]], axis=1)
        return points, normals

    def reach(self, height: float) -> float:
        """Outermost radius at a height."""
        low, high = self._region.starts[:, 1], self._region.ends[:, 1]
        spans = (np.minimum(low, high) <= height) & (height <= np.maximum(low, high))
        rise = np.where(high == low, 1.0, high - low)
        share = np.clip((height - low) / rise, 0, 1)
        return float((self._from + share * (self._to - self._from))[spans].max())

    def within(self, points: Array) -> Mask:
        """As `Solid.within`."""
        radius = np.hypot(points[:, 0], points[:, 1])
        return self._region.inside(np.stack([radius, points[:, 2]], axis=1))


class Extrusion(Solid):
    """A flat outline with holes, pulled along z.

    Args:
        outline: Corners `(K, 2)` in x and y.
        height: Thickness; the solid spans `-height / 2` to `height / 2`.
        holes: Outlines of holes that go through.
    """

    def __init__(self, outline: ArrayLike, height: float, holes: Sequence[ArrayLike] = ()) -> None:
        self._region = Polygon(outline, holes)
        self._half = height / 2
        self._wall = self._region.perimeter * height
        self.area = 2 * self._region.area + self._wall
        corners = self._region.starts
        self.low = np.array([*corners.min(axis=0), -self._half])
        self.high = np.array([*corners.max(axis=0), self._half])

    def scatter(self, generator: np.random.Generator, density: float) -> tuple[Array, Array]:
        """As `Solid.scatter`."""
        ends = number(generator, 2 * self._region.area * density)
        walls = number(generator, self._wall * density)
        points, normals = np.zeros((ends + walls, 3)), np.zeros((ends + walls, 3))
        points[:ends, :2] = self._region.draw(generator, ends)
        normals[:ends, 2] = np.where(generator.random(ends) < 0.5, -1.0, 1.0)
        points[:ends, 2] = normals[:ends, 2] * self._half
        points[ends:, :2], normals[ends:, :2] = self._region.border(generator, walls)
        points[ends:, 2] = generator.uniform(-self._half, self._half, walls)
        return points, normals

    def within(self, points: Array) -> Mask:
        """As `Solid.within`."""
        return self._region.inside(points[:, :2])


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

"""Solids: what each of them can do, and those with closed formulas.

A solid scatters points over its surface and tells inside from outside.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull

from plane_anomalib.core.errors import ConfigurationError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
_LEAST_SEEN = 1e-3
_TRIES = 5_000


class Solid(ABC):
    """A closed solid.

    Solids scatter at a *density*, not a number, so that a combination of solids is uniform by
    construction: its parts scatter at one density, and what is hidden is dropped.

    Attributes:
        area: Surface area; of a combination an upper bound (the hidden parts count).
        low: Lower corner of a box that holds the solid, `(3,)`.
        high: Upper corner, `(3,)`.
    """

    area: float
    low: Array
    high: Array

    @abstractmethod
    def scatter(self, generator: np.random.Generator, density: float) -> tuple[Array, Array]:
        """Draw surface points uniformly by area.

        Args:
            generator: Generator.
            density: Expected points per unit of area.

        Returns:
            Points and outward unit normals, both `(N, 3)` float64, part by part.
        """

    @abstractmethod
    def within(self, points: Array) -> Mask:
        """As `inside`, for points already known to be in the box."""

    def inside(self, points: Array) -> Mask:
        """Which of the points `(N, 3)` lie in the material, `(N,)` bool."""
        near: Mask = np.all((points > self.low) & (points < self.high), axis=1)
        where = np.flatnonzero(near)
        if len(where):
            near[where] = self.within(points[where])
        return near

    def sample(self, generator: np.random.Generator, count: int) -> tuple[Array, Array]:
        """Draw exactly `count` surface points, uniformly by area and in random order.

        Args:
            generator: Generator.
            count: How many.

        Returns:
            Points and outward unit normals, both `(count, 3)` float64.

        Raises:
            ConfigurationError: Of the surface of its parts less than a thousandth shows.
        """
        drawn: list[tuple[Array, Array]] = []
        found, spent = 0, 0.0
        density = (1.03 * count + 24) / self.area
        while True:
            drawn.append(self.scatter(generator, density))
            found += len(drawn[-1][0])
            spent += density
            if found >= count:
                break
            tried = spent * self.area
            if tried > _TRIES and found < _LEAST_SEEN * tried:
                raise ConfigurationError(
                    "A solid whose surface is nearly all hidden cannot be sampled."
                )
            # Points found per density spent is the visible area: the next pass fills the gap.
            density = (1.05 * (count - found) + 32) * spent / max(found, 1)
        order = generator.permutation(found)[:count]
        return tuple(np.concatenate(part)[order] for part in zip(*drawn, strict=True))  # type: ignore[return-value]


def number(generator: np.random.Generator, expected: float) -> int:
    """An integer whose mean is `expected`."""
    return int(expected + generator.random())


def choose(generator: np.random.Generator, weights: Array, count: int) -> NDArray[np.intp]:
    """Draw `count` indices with probability proportional to `weights (K,)`."""
    ladder = np.cumsum(weights)
    # Sorted draws (stratified) walk through memory in order, and are less noisy than free ones.
    steps = (np.arange(count) + generator.random(count)) * (ladder[-1] / max(count, 1))
    return np.minimum(np.searchsorted(ladder, steps, side="right"), len(ladder) - 1)


def linear(start: Array, end: Array, uniform: Array) -> Array:
    """Map uniform numbers to [0, 1] with a density that runs linearly from start to end."""
    root = np.sqrt(start * start + uniform * (end * end - start * start))
    return uniform * (start + end) / np.maximum(start + root, 1e-300)


def unit(vectors: ArrayLike) -> Array:
    """Scale `(..., 3)` vectors to length one; a zero vector stays zero."""
    array = np.asarray(vectors, dtype=np.float64)
    length = np.sqrt(np.einsum("...i,...i->...", array, array))
    return array / np.maximum(length, 1e-300)[..., None]


class Box(Solid):
    """A box centered on the origin, its edges and corners rounded if wanted.

    Args:
        size: Outer sides `(3,)`.
        rounding: Radius of edges and corners, at most half the smallest side.
    """

    def __init__(self, size: ArrayLike, rounding: float = 0.0) -> None:
        half = np.asarray(size, dtype=np.float64) / 2
        self._radius = min(rounding, float(half.min()))
        self._core = half - self._radius
        self.low, self.high = -half, half
        core, r = self._core, self._radius
        faces = 8 * np.array([core[1] * core[2], core[0] * core[2], core[0] * core[1]])
        self._areas = np.concatenate([faces, 4 * np.pi * r * core, [4 * np.pi * r * r]])
        self.area = float(self._areas.sum())

    def scatter(self, generator: np.random.Generator, density: float) -> tuple[Array, Array]:
        """As `Solid.scatter`."""
        count = number(generator, self.area * density)
        kind = choose(generator, self._areas, count)
        normals = np.zeros((count, 3))
        ends = np.searchsorted(kind, np.arange(8))
        for axis in range(3):
            normals[ends[axis] : ends[axis + 1], axis] = 1.0
            edge = slice(ends[axis + 3], ends[axis + 4])
            angle = generator.uniform(0, np.pi / 2, edge.stop - edge.start)
            normals[edge, axis - 1], normals[edge, axis - 2] = np.cos(angle), np.sin(angle)
        corner = slice(ends[6], ends[7])
        normals[corner] = unit(np.abs(generator.normal(size=(corner.stop - corner.start, 3))))
        normals *= np.where(generator.random((count, 3)) < 0.5, -1.0, 1.0)
        place = np.where(normals == 0, generator.uniform(-1, 1, (count, 3)), np.sign(normals))
        return place * self._core + self._radius * normals, normals

    def within(self, points: Array) -> Mask:
        """As `Solid.within`."""
        if self._radius == 0:
            return np.all(np.abs(points) < self.high, axis=1)
        over = np.maximum(np.abs(points) - self._core, 0.0)
        flat = np.all(over == 0, axis=1)
        return flat | (np.einsum("ni,ni->n", over, over) < self._radius**2)


class Ellipsoid(Solid):
    """An ellipsoid centered on the origin.

    Args:
        axes: Half axes `(3,)`.
    """

    def __init__(self, axes: ArrayLike) -> None:
        self.high = np.asarray(axes, dtype=np.float64)
        self.low = -self.high
        self._stretch = np.prod(self.high) / self.high
        self._most = float(self._stretch.max())
        # The mean stretch over a fixed spiral of directions is the area to a per mille.
        step = np.arange(400) + 0.5
        z = 1 - step / 200
        around = np.pi * (1 + 5**0.5) * step
        ring = np.sqrt(1 - z * z)
        spiral = np.stack([ring * np.cos(around), ring * np.sin(around), z], axis=1)
        self.area = float(4 * np.pi * np.linalg.norm(spiral * self._stretch, axis=1).mean())

    def scatter(self, generator: np.random.Generator, density: float) -> tuple[Array, Array]:
        """As `Solid.scatter`."""
        count = number(generator, 4 * np.pi * self._most * density)
        directions = unit(generator.normal(size=(count, 3)))
        scaled = directions * self._stretch
        factor = np.sqrt(np.einsum("ni,ni->n", scaled, scaled))
        keep = generator.random(count) * self._most < factor
        return directions[keep] * self.high, scaled[keep] / factor[keep, None]

    def within(self, points: Array) -> Mask:
        """As `Solid.within`."""
        scaled = points / self.high
        return np.einsum("ni,ni->n", scaled, scaled) < 1


class Star(Solid):
    """A body seen whole from its middle: one radius per direction, then stretched.

    Args:
        radius: Unit directions `(N, 3)` to radii `(N,)`.
        stretch: Factors along the axes `(3,)`.
    """

    def __init__(self, radius: Callable[[Array], Array], stretch: ArrayLike = (1, 1, 1)) -> None:
        self._radius = radius
        self._stretch = np.asarray(stretch, dtype=np.float64)
        self._rows, self._columns = 48, 64
        level, around = np.meshgrid(
            np.linspace(-1, 1, self._rows + 1),
            np.linspace(0, 2 * np.pi, self._columns + 1),
            indexing="ij",
        )
        grid = self._surface(_direction(level.ravel(), around.ravel()))
        self.low, self.high = grid.min(axis=0) - 0.02, grid.max(axis=0) + 0.02
        grid = grid.reshape(*level.shape, 3)
        diagonals = grid[1:, 1:] - grid[:-1, :-1], grid[1:, :-1] - grid[:-1, 1:]
        self._cells = np.linalg.norm(np.cross(*diagonals), axis=2).ravel() / 2
        self.area = float(self._cells.sum())

    def _surface(self, directions: Array) -> Array:
        return directions * self._radius(directions)[:, None] * self._stretch

    def scatter(self, generator: np.random.Generator, density: float) -> tuple[Array, Array]:
        """As `Solid.scatter`."""
        count = number(generator, self.area * density)
        row, column = np.divmod(choose(generator, self._cells, count), self._columns)
        level = (row + generator.random(count)) * (2 / self._rows) - 1
        around = (column + generator.random(count)) * (2 * np.pi / self._columns)
        directions = _direction(level, around)
        radius = self._radius(directions)
        slope = np.empty_like(directions)
        for axis in range(3):
            moved = directions.copy()
            moved[:, axis] += 1e-5
            slope[:, axis] = (self._radius(unit(moved)) - radius) / 1e-5
        # Gradient of |p| - radius(p / |p|), in the stretched space.
        gradient = directions - slope / radius[:, None]
        return directions * radius[:, None] * self._stretch, unit(gradient / self._stretch)

    def within(self, points: Array) -> Mask:
        """As `Solid.within`."""
        plain = points / self._stretch
        far = np.maximum(np.linalg.norm(plain, axis=1), 1e-12)
        return far < self._radius(plain / far[:, None])


def _direction(level: Array, around: Array) -> Array:
    ring = np.sqrt(np.maximum(1 - level * level, 0.0))
    return np.stack([ring * np.cos(around), ring * np.sin(around), level], axis=1)


def superquadric(axes: ArrayLike, flat: float = 2.0, upright: float = 2.0) -> Star:
    """A superquadric with half axes `(3,)`; exponents 2 round, 1 diamond, large boxy."""

    def radius(directions: Array) -> Array:
        size = np.abs(directions)
        ring = size[:, 0] ** flat + size[:, 1] ** flat
        return (ring ** (upright / flat) + size[:, 2] ** upright) ** (-1 / upright)

    return Star(radius, axes)


class Convex(Solid):
    """The convex hull of points `(K, 3)`."""

    def __init__(self, corners: ArrayLike) -> None:
        cloud = np.asarray(corners, dtype=np.float64)
        hull = ConvexHull(cloud)
        self._triangles = cloud[hull.simplices]
        self._planes = np.asarray(hull.equations)
        self.low, self.high = cloud.min(axis=0), cloud.max(axis=0)
        a, b, c = self._triangles.transpose(1, 0, 2)
        self._areas = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
        self.area = float(self._areas.sum())

    def scatter(self, generator: np.random.Generator, density: float) -> tuple[Array, Array]:
        """As `Solid.scatter`."""
        count = number(generator, self.area * density)
        face = choose(generator, self._areas, count)
        root, share = np.sqrt(generator.random((count, 1))), generator.random((count, 1))
        a, b, c = self._triangles[face].transpose(1, 0, 2)
        return (1 - root) * a + root * ((1 - share) * b + share * c), self._planes[face, :3]

    def within(self, points: Array) -> Mask:
        """As `Solid.within`."""
        return np.all(points @ self._planes[:, :3].T + self._planes[:, 3] < 0, axis=1)

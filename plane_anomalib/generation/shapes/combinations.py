"""Solids made from other solids: moved, joined, cut, repeated, bent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from plane_anomalib.generation.shapes.solids import Array, Mask, Solid, unit

Move = Callable[[Array], Array]
_PILOT = 600


class Placed(Solid):
    """A solid turned, scaled and moved, in this order.

    Args:
        solid: The solid.
        rotation: Rotation matrix `(3, 3)`, or none.
        at: Where its origin goes, `(3,)`.
        scale: One factor for all directions.
    """

    def __init__(
        self,
        solid: Solid,
        rotation: Array | None = None,
        at: ArrayLike = (0.0, 0.0, 0.0),
        scale: float = 1.0,
    ) -> None:
        self._solid = solid
        self._matrix = np.eye(3) if rotation is None else rotation
        self._scale = scale
        self._at = np.asarray(at, dtype=np.float64)
        self.area = solid.area * scale**2
        middle = (solid.low + solid.high) / 2
        half = np.abs(self._matrix) @ (solid.high - solid.low) / 2 * scale
        center = self._matrix @ middle * scale + self._at
        self.low, self.high = center - half, center + half

    def scatter(self, generator: np.random.Generator, density: float) -> tuple[Array, Array]:
        """As `Solid.scatter`."""
        points, normals = self._solid.scatter(generator, density * self._scale**2)
        turned = self._matrix.T
        return points @ turned * self._scale + self._at, normals @ turned

    def within(self, points: Array) -> Mask:
        """As `Solid.within`."""
        return self._solid.inside((points - self._at) @ self._matrix / self._scale)


class Union(Solid):
    """Solids joined; surface of one that lies in another is dropped."""

    def __init__(self, parts: Sequence[Solid]) -> None:
        self.parts = list(parts)
        self.area = sum(part.area for part in self.parts)
        self.low = np.min([part.low for part in self.parts], axis=0)
        self.high = np.max([part.high for part in self.parts], axis=0)
        low, high = np.array([p.low for p in parts]), np.array([p.high for p in parts])
        apart = np.any(low[:, None] > high[None], axis=2)
        self._meets = ~(apart | apart.T)

    def scatter(self, generator: np.random.Generator, density: float) -> tuple[Array, Array]:
        """As `Solid.scatter`."""
        clouds = []
        for i, part in enumerate(self.parts):
            points, normals = part.scatter(generator, density)
            for j in np.flatnonzero(self._meets[i]):
                if j != i and len(points):
                    seen = ~self.parts[j].inside(points)
                    if not seen.all():
                        points, normals = points[seen], normals[seen]
            clouds.append((points, normals))
        return _joined(clouds)

    def within(self, points: Array) -> Mask:
        """As `Solid.within`."""
        found = np.zeros(len(points), dtype=bool)
        for part in self.parts:
            found |= part.inside(points)
        return found


class Difference(Solid):
    """A body with tools cut out of it.

    Args:
        body: What is cut.
        tools: What is taken away; a tool should reach a little out of the body where it opens.
    """

    def __init__(self, body: Solid, tools: Sequence[Solid]) -> None:
        self._body, self._tools = body, list(tools)
        self.low, self.high = body.low, body.high
        self.area = body.area + sum(tool.area for tool in tools)

    def scatter(self, generator: np.random.Generator, density: float) -> tuple[Array, Array]:
        """As `Solid.scatter`."""
        points, normals = self._body.scatter(generator, density)
        kept = np.ones(len(points), dtype=bool)
        for tool in self._tools:
            kept &= ~tool.inside(points)
        clouds = [(points[kept], normals[kept])]
        for i, tool in enumerate(self._tools):
            points, normals = tool.scatter(generator, density)
            kept = self._body.inside(points)
            for j, other in enumerate(self._tools):
                if j != i:
                    kept &= ~other.inside(points)
            clouds.append((points[kept], -normals[kept]))
        return _joined(clouds)

    def within(self, points: Array) -> Mask:
        """As `Solid.within`."""
        found = self._body.inside(points)
        for tool in self._tools:
            found &= ~tool.inside(points)
        return found


class Repeat(Solid):
    """Copies of a solid that do not touch each other.

    Args:
        solid: What is repeated.
        shifts: Where the origin of each copy goes, `(K, 3)`.
        turns: One rotation matrix per copy, `(K, 3, 3)`, or none.
    """

    def __init__(self, solid: Solid, shifts: ArrayLike, turns: Array | None = None) -> None:
        self._solid = solid
        self._shifts = np.asarray(shifts, dtype=np.float64).reshape(-1, 3)
        count = len(self._shifts)
        self._turns = np.tile(np.eye(3), (count, 1, 1)) if turns is None else np.asarray(turns)
        self._plain = turns is None
        self.area = solid.area * count
        middle, half = (solid.low + solid.high) / 2, (solid.high - solid.low) / 2
        centers = self._turns @ middle + self._shifts
        reach = np.abs(self._turns) @ half
        self._lows, self._highs = centers - reach, centers + reach
        self.low, self.high = self._lows.min(axis=0), self._highs.max(axis=0)

    def scatter(self, generator: np.random.Generator, density: float) -> tuple[Array, Array]:
        """As `Solid.scatter`."""
        points, normals = self._solid.scatter(generator, density * len(self._shifts))
        copy = generator.integers(len(self._shifts), size=len(points))
        if not self._plain:
            turns = self._turns[copy]
            points = np.einsum("nij,nj->ni", turns, points)
            normals = np.einsum("nij,nj->ni", turns, normals)
        return points + self._shifts[copy], normals

    def within(self, points: Array) -> Mask:
        """As `Solid.within`."""
        found = np.zeros(len(points), dtype=bool)
        low, high = points.min(axis=0), points.max(axis=0)
        for shift, turn, bottom, top in zip(
            self._shifts, self._turns, self._lows, self._highs, strict=True
        ):
            if (bottom < high).all() and (top > low).all():
                moved = points - shift
                found |= self._solid.inside(moved if self._plain else moved @ turn)
        return found


class Warped(Solid):
    """A solid under a smooth map that keeps left and right apart.

    Args:
        solid: What is bent.
        forward: Points `(N, 3)` to their new places.
        inverse: The way back.
        generator: Generator of the pilot points that measure the map.
    """

    def __init__(
        self, solid: Solid, forward: Move, inverse: Move, generator: np.random.Generator
    ) -> None:
        self._solid, self._forward, self._inverse = solid, forward, inverse
        points, normals = solid.scatter(generator, _PILOT / solid.area)
        places, _, factors = self._map(points, normals)
        self._most = float(factors.max()) * 1.02
        self.area = solid.area * float(factors.mean()) * len(points) / _PILOT
        margin = 0.05 * float((places.max(axis=0) - places.min(axis=0)).max())
        self.low, self.high = places.min(axis=0) - margin, places.max(axis=0) + margin

    def _map(self, points: Array, normals: Array) -> tuple[Array, Array, Array]:
        """New places, new (unscaled) normals, and the factor of area at each point."""
        count, step = len(points), 1e-5
        shifted = points + step * np.eye(3)[:, None]
        moved = self._forward(np.concatenate([points, *shifted]))
        places = moved[:count]
        a, b, c = (moved[count:].reshape(3, count, 3) - places) / step
        turned = (
            np.cross(b, c) * normals[:, :1]
            + np.cross(c, a) * normals[:, 1:2]
            + np.cross(a, b) * normals[:, 2:]
        )
        return places, turned, np.linalg.norm(turned, axis=1)

    def scatter(self, generator: np.random.Generator, density: float) -> tuple[Array, Array]:
        """As `Solid.scatter`."""
        points, normals = self._solid.scatter(generator, density * self._most)
        places, turned, factors = self._map(points, normals)
        keep = generator.random(len(points)) * self._most < factors
        return places[keep], unit(turned[keep])

    def within(self, points: Array) -> Mask:
        """As `Solid.within`."""
        return self._solid.inside(self._inverse(points))


def _joined(clouds: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    points, normals = zip(*clouds, strict=True)
    return np.concatenate(points), np.concatenate(normals)

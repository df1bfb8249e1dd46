"""Solids made from a flat outline: turned around an axis, or pulled along it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from plane_anomalib.generation.shapes.polygon import Polygon
from plane_anomalib.generation.shapes.solid import Array, Mask, Solid, choose, linear, number


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

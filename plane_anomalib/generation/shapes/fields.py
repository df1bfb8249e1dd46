"""Implicit solids: functions that are negative inside, zero on the surface, positive outside.

A field never changes faster than the distance (its gradient is at most one), which is what lets
`surface.Surface` skip space that cannot hold the surface. Polygons, boxes and revolutions are exact
distances; unions, cuts and twists are lower bounds of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from plane_anomalib.generation.shapes.solids import Array

Field = Callable[[Array], Array]
"""Maps points `(N, 3)` float64 to signed values `(N,)` float64."""
Field2D = Callable[[Array], Array]
"""Maps plane points `(N, 2)` float64 to signed values `(N,)` float64."""


# --- combinations -------------------------------------------------------------------------------


def union(*fields: Field) -> Field:
    """The material of any of the fields."""
    return lambda p: np.minimum.reduce([f(p) for f in fields])


def intersection(*fields: Field) -> Field:
    """The material common to all fields."""
    return lambda p: np.maximum.reduce([f(p) for f in fields])


def cut(body: Field, *tools: Field) -> Field:
    """The body with the material of the tools taken away."""
    return lambda p: np.maximum.reduce([body(p), *(-t(p) for t in tools)])


def blend(first: Field, second: Field, radius: float) -> Field:
    """Union with a fillet of about `radius` where the two meet."""

    def field(p: Array) -> Array:
        a, b = first(p), second(p)
        h = np.clip(radius - np.abs(a - b), 0.0, None) / radius
        return np.minimum(a, b) - h * h * radius / 4

    return field


def moved(field: Field, offset: ArrayLike) -> Field:
    """The field shifted by `offset`."""
    shift = np.asarray(offset, dtype=np.float64)
    return lambda p: field(p - shift)


def turned(field: Field, axis: int, degrees: float) -> Field:
    """The field rotated about a coordinate axis, right-handed."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    u, v = (axis + 1) % 3, (axis + 2) % 3

    def rotated(p: Array) -> Array:
        q = p.copy()
        q[:, u] = c * p[:, u] + s * p[:, v]
        q[:, v] = -s * p[:, u] + c * p[:, v]
        return field(q)

    return rotated


def repeated_around(field: Field, copies: int) -> Field:
    """`copies` of a solid that sits near the +x half-plane, spread evenly around z."""
    sector = 2 * np.pi / copies

    def field_around(p: Array) -> Array:
        angle = np.arctan2(p[:, 1], p[:, 0])
        angle -= sector * np.round(angle / sector)
        radius = np.hypot(p[:, 0], p[:, 1])
        return field(np.column_stack([radius * np.cos(angle), radius * np.sin(angle), p[:, 2]]))

    return field_around


def mirrored(field: Field, axis: int) -> Field:
    """A solid on the positive side of a coordinate plane, and its mirror image."""

    def field_mirrored(p: Array) -> Array:
        q = p.copy()
        q[:, axis] = np.abs(q[:, axis])
        return field(q)

    return field_mirrored


# --- solids -------------------------------------------------------------------------------------


def ball(radius: float) -> Field:
    """Ball around the origin."""
    return lambda p: np.linalg.norm(p, axis=1) - radius


def box(half: ArrayLike, rounding: float = 0.0) -> Field:
    """Axis-aligned box with half sides `half` and rounded edges."""
    inner = np.asarray(half, dtype=np.float64) - rounding

    def field(p: Array) -> Array:
        d = np.abs(p) - inner
        outside = np.linalg.norm(np.maximum(d, 0.0), axis=1)
        return outside + np.minimum(d.max(axis=1), 0.0) - rounding

    return field


def cylinder(radius: float, half_height: float, axis: int = 2) -> Field:
    """Upright cylinder around a coordinate axis."""
    others = [i for i in range(3) if i != axis]

    def field(p: Array) -> Array:
        side = np.hypot(p[:, others[0]], p[:, others[1]]) - radius
        return _corner(side, np.abs(p[:, axis]) - half_height)

    return field


def torus(ring: float, tube: float) -> Field:
    """Torus around z."""
    return lambda p: np.hypot(np.hypot(p[:, 0], p[:, 1]) - ring, p[:, 2]) - tube


def tube_along(curve: Array, radius: float | Array) -> Field:
    """Round tube around a densely sampled curve.

    Args:
        curve: Points of the curve, `(K, 3)`; their spacing should be a hundredth of the radius.
        radius: One radius, or one for every point of the curve `(K,)`.
    """
    tree = cKDTree(curve)
    radii = np.broadcast_to(np.asarray(radius, dtype=np.float64), (len(curve),))

    def field(p: Array) -> Array:
        distance, index = tree.query(p)
        return np.asarray(distance - radii[index], dtype=np.float64)

    return field


def extruded(profile: Field2D, half_height: float) -> Field:
    """A plane profile in x and y, pulled along z."""
    return lambda p: _corner(profile(p[:, :2]), np.abs(p[:, 2]) - half_height)


def revolved(profile: Field2D) -> Field:
    """A profile over (radius, z), turned around z."""
    return lambda p: profile(np.column_stack([np.hypot(p[:, 0], p[:, 1]), p[:, 2]]))


def twisted(field: Field, turns_per_unit: float) -> Field:
    """The field twisted around x; scale the result down where the twist stretches it."""

    def field_twisted(p: Array) -> Array:
        angle = 2 * np.pi * turns_per_unit * p[:, 0]
        c, s = np.cos(angle), np.sin(angle)
        return field(
            np.column_stack([p[:, 0], c * p[:, 1] + s * p[:, 2], c * p[:, 2] - s * p[:, 1]])
        )

    return field_twisted


# --- plane profiles -----------------------------------------------------------------------------


def polygon(vertices: ArrayLike) -> Field2D:
    """Exact signed distance to a simple polygon `(K, 2)`."""
    start = np.asarray(vertices, dtype=np.float64)
    edge = np.roll(start, -1, axis=0) - start
    length2 = np.maximum((edge**2).sum(axis=1), 1e-18)

    def field(p: Array) -> Array:
        best = np.full(len(p), np.inf)
        inside = np.zeros(len(p), dtype=bool)
        x, y = np.ascontiguousarray(p[:, 0]), np.ascontiguousarray(p[:, 1])
        for (ax, ay), (ex, ey), l2 in zip(start, edge, length2, strict=True):
            dx, dy = x - ax, y - ay
            t = np.clip((dx * ex + dy * ey) / l2, 0.0, 1.0)
            best = np.minimum(best, (dx - ex * t) ** 2 + (dy - ey * t) ** 2)
            if ey != 0.0:
                crosses = (dy >= 0.0) != (dy >= ey)
                inside ^= crosses & (dx < ex * dy / ey)
        return np.where(inside, -1.0, 1.0) * np.sqrt(best)

    return field


def _corner(first: Array, second: Array) -> Array:
    """Exact distance to the intersection of two perpendicular slabs."""
    outside = np.hypot(np.maximum(first, 0.0), np.maximum(second, 0.0))
    return outside + np.minimum(np.maximum(first, second), 0.0)

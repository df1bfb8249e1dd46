"""Flat outlines and curves the families are drawn with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline, PchipInterpolator

from plane_anomalib.generation.shapes.solids import Array


def arc(
    radius: float, start: float, end: float, at: Sequence[float] = (0.0, 0.0), count: int = 24
) -> Array:
    """Points `(count, 2)` on a circle from one angle to another, radians, both included."""
    angle = np.linspace(start, end, count)
    return np.asarray(at) + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def circle(radius: float, at: Sequence[float] = (0.0, 0.0), count: int = 48) -> Array:
    """A full circle `(count, 2)`, its start not repeated."""
    return arc(radius, 0.0, 2 * np.pi * (1 - 1 / count), at, count)


def oval(half_x: float, half_y: float, power: float = 2.0, count: int = 64) -> Array:
    """A superellipse `(count, 2)`: power 2 an ellipse, larger ones boxier."""
    ring = circle(1.0, count=count)
    size = (np.abs(ring) ** power).sum(axis=1) ** (-1 / power)
    return ring * size[:, None] * (half_x, half_y)


def regular(sides: int, radius: float, turn: float = 0.0) -> Array:
    """A regular polygon `(sides, 2)` with its corners on a circle."""
    return arc(radius, turn, turn + 2 * np.pi * (1 - 1 / sides), count=sides)


def rectangle(width: float, depth: float, at: Sequence[float] = (0.0, 0.0)) -> Array:
    """A rectangle `(4, 2)` around a center."""
    return np.asarray(at) + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, depth / 2)


def rounded(width: float, depth: float, radius: float, at: Sequence[float] = (0.0, 0.0)) -> Array:
    """A rectangle with round corners `(32, 2)`."""
    radius = min(radius, width / 2 - 1e-6, depth / 2 - 1e-6)
    x, y = width / 2 - radius, depth / 2 - radius
    quarter = np.pi / 2
    corners = [(x, y), (-x, y), (-x, -y), (x, -y)]
    parts = [
        arc(radius, i * quarter, (i + 1) * quarter, corner, 8) for i, corner in enumerate(corners)
    ]
    return np.concatenate(parts) + np.asarray(at)


def star(tips: int, outer: float, inner: float, turn: float = 0.0) -> Array:
    """A star `(2 tips, 2)` with straight flanks."""
    ring = regular(2 * tips, 1.0, turn)
    return ring * np.where(np.arange(2 * tips) % 2 == 0, outer, inner)[:, None]


def gear(teeth: int, outer: float, root: float, flank: float = 0.5) -> Array:
    """A gear's outline `(4 teeth, 2)`; flank 0 gives square teeth, 1 pointed ones."""
    pitch = 2 * np.pi / teeth
    wide, narrow = 0.26 * pitch, 0.25 * pitch * (1 - 0.8 * flank)
    offsets = np.array([-wide, -narrow, narrow, wide])
    angle = (np.arange(teeth)[:, None] * pitch + offsets).ravel()
    radius = np.tile([root, outer, outer, root], teeth)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def petals(count: int, base: float, depth: float, steps: int = 120) -> Array:
    """A wavy circle `(steps, 2)`."""
    ring = circle(1.0, count=steps)
    angle = np.arctan2(ring[:, 1], ring[:, 0])
    return ring * (base + depth * np.cos(count * angle))[:, None]


def spline(points: ArrayLike, count: int = 60, closed: bool = False) -> Array:
    """A smooth curve `(count, D)` through points `(K, D)`; a closed one ends before its start.

    The parameter is the distance between the points, which keeps the curve from looping.
    """
    knots = np.asarray(points, dtype=np.float64)
    if closed:
        knots = np.concatenate([knots, knots[:1]])
    place = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    curve = CubicSpline(place, knots, bc_type="periodic" if closed else "natural")
    return curve(np.linspace(0, place[-1], count, endpoint=not closed))


def steady(places: ArrayLike, values: ArrayLike, count: int = 40) -> tuple[Array, Array]:
    """A curve through (place, value) without overshoot: `(count,)` places and values."""
    knots = np.asarray(places, dtype=np.float64)
    fine = np.linspace(knots[0], knots[-1], count)
    return fine, PchipInterpolator(knots, np.asarray(values, dtype=np.float64))(fine)


def flat_curve(outline: Array, plane: str = "xz") -> Array:
    """A flat curve `(K, 2)` put into a plane of space, `(K, 3)`."""
    space = np.zeros((len(outline), 3))
    space[:, ["xyz".index(axis) for axis in plane]] = outline
    return space


def helix(radius: float, pitch: float, turns: float, count: int = 200) -> Array:
    """A helix `(count, 3)` around z that starts at height 0."""
    angle = np.linspace(0, 2 * np.pi * turns, count)
    return np.stack(
        [radius * np.cos(angle), radius * np.sin(angle), pitch * angle / (2 * np.pi)], axis=1
    )


def smooth_curve(knots: Sequence[tuple[float, float]], per_span: int = 6) -> Array:
    """Catmull-Rom curve through plane knots, `((len - 1) * per_span + 1, 2)`."""
    k = np.asarray(knots, dtype=np.float64)
    k = np.vstack([2 * k[0] - k[1], k, 2 * k[-1] - k[-2]])
    t = np.arange(per_span)[:, None] / per_span
    spans = [
        0.5
        * (
            2 * b
            + (c - a) * t
            + (2 * a - 5 * b + 4 * c - d) * t**2
            + (3 * b - a - 3 * c + d) * t**3
        )
        for a, b, c, d in zip(k[:-3], k[1:-2], k[2:-1], k[3:], strict=True)
    ]
    return np.vstack([*spans, k[-2:-1]])


def turned_shell(outline: Array, wall: float) -> Array:
    """Closed profile of a vessel: an outer outline from the base up, and the wall inside it.

    Args:
        outline: Outer (radius, z) points from the base's rim to the mouth, `(K, 2)`.
        wall: Thickness of the wall and of the floor.

    Returns:
        Polygon `(2 K + 2, 2)` from the axis along the outside and back along the inside.
    """
    tangent = np.gradient(outline, axis=0)
    normal = np.column_stack([-tangent[:, 1], tangent[:, 0]])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    inner = outline + wall * normal
    floor = outline[0, 1] + wall
    inner = inner[(inner[:, 1] > floor) & (inner[:, 0] > 0)]
    low = inner[0, 0]
    return np.vstack([[0.0, outline[0, 1]], outline, inner[::-1], [low, floor], [0.0, floor]])


def resampled(curve: Array, spacing: float) -> Array:
    """The polyline `(K, D)` with points every `spacing` along it."""
    step = np.linalg.norm(np.diff(curve, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(step)])
    at = np.linspace(0.0, along[-1], max(2, int(np.ceil(along[-1] / spacing)) + 1))
    return np.column_stack([np.interp(at, along, c) for c in curve.T])

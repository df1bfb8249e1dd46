"""Parts that several kinds of families share."""

from __future__ import annotations

import numpy as np

from plane_anomalib.generation.shapes.outlines import circle, flat_curve, regular, spline, steady
from plane_anomalib.generation.shapes.profiles import Revolution
from plane_anomalib.generation.shapes.solid import Array, Solid
from plane_anomalib.generation.shapes.tube import Tube
from plane_anomalib.generation.shapes.wording import grade


def loop_handle(body: Revolution, low: float, high: float, reach: float, thick: float) -> Solid:
    """A loop in the x-z plane whose ends are sunk into the wall of the body."""
    middle, half = (low + high) / 2, (high - low) / 2
    first, last = body.reach(low), body.reach(high)
    out = max(first, last)
    path = [
        (first - 0.3 * thick, low),
        (out + 0.7 * reach, middle - 0.85 * half),
        (out + reach, middle),
        (out + 0.7 * reach, middle + 0.85 * half),
        (last - 0.3 * thick, high),
    ]
    return Tube(flat_curve(spline(path, 40)), thick * 1.3, thick)


def wall_words(wall: float) -> str:
    """What to say of the thickness of a wall, if anything."""
    return grade(wall, 0.03, "thin walls", 0.06, "thick walls")


def bore_ring(count: int, ring: float, radius: float, start: float = 0.0) -> list[Array]:
    """Outlines of holes evenly on a circle."""
    return [circle(radius, center, 24) for center in regular(count, ring, start)]


def smooth_body(x: list[float], tall: list[float], wide: list[float]) -> Tube:
    """A body along x with smooth half heights and half widths."""
    place, high = steady(x, tall)
    spine = np.stack([place, 0 * place, 0 * place], axis=1)
    return Tube(spine, high, steady(x, wide)[1], up=(0, 0, 1))

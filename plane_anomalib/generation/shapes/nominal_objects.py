"""The nineteen nominal objects of ProceduralShapes, each one implicit solid."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from plane_anomalib.generation.shapes.fields import (
    Field,
    blend,
    box,
    cut,
    cylinder,
    extruded,
    intersection,
    mirrored,
    moved,
    polygon,
    repeated_around,
    revolved,
    torus,
    tube_along,
    turned,
    twisted,
    union,
)
from plane_anomalib.generation.shapes.outlines import regular, resampled, smooth_curve, turned_shell
from plane_anomalib.generation.shapes.solids import Array


def vase() -> Field:
    """Belly, narrow neck and flared lip; the wall is 0.05 thick."""
    outline = smooth_curve(
        [
            (0.34, -1.0),
            (0.52, -0.72),
            (0.6, -0.35),
            (0.5, 0.1),
            (0.3, 0.45),
            (0.26, 0.65),
            (0.46, 1),
        ]
    )
    return revolved(polygon(turned_shell(outline, 0.07)))


def bowl() -> Field:
    """Wide open bowl on a foot ring."""
    outline = smooth_curve([(0.3, -0.42), (0.55, -0.38), (0.8, -0.15), (0.94, 0.15), (1.0, 0.42)])
    foot = polygon([(0.24, -0.55), (0.36, -0.55), (0.36, -0.36), (0.24, -0.36)])
    return union(revolved(polygon(turned_shell(outline, 0.08))), revolved(foot))


def cup() -> Field:
    """Mug with a handle."""
    outline = smooth_curve([(0.5, -0.75), (0.58, -0.68), (0.6, -0.5), (0.6, 0.2), (0.62, 0.75)])
    mug = revolved(polygon(turned_shell(outline, 0.08)))
    handle = moved(turned(torus(0.455, 0.085), 0, 90.0), [0.58, 0, 0])
    inside = cylinder(0.535, 0.67)
    return blend(mug, cut(handle, moved(inside, [0, 0, 0.05])), 0.06)


def bottle() -> Field:
    """Bottle with a shoulder, a neck and a lip."""
    outline = [(0.3, -1.0), (0.34, -0.97), (0.34, 0.15), (0.33, 0.22), (0.29, 0.3), (0.22, 0.38)]
    outline += [(0.15, 0.46), (0.13, 0.54), (0.13, 0.84), (0.17, 0.85), (0.17, 0.95), (0.13, 0.96)]
    outline += [(0.13, 1.0)]
    inside = [(0.08, 1.0), (0.08, 0.54), (0.1, 0.47), (0.17, 0.36), (0.24, 0.28), (0.28, 0.18)]
    profile = np.vstack([[0.0, -1.0], outline, inside, [(0.28, -0.93), (0.0, -0.93)]])
    return revolved(polygon(profile))


def pawn() -> Field:
    """Chess pawn."""
    body = smooth_curve([(0.36, -0.62), (0.22, -0.42), (0.15, -0.05), (0.14, 0.24)])
    head_angle = np.linspace(-0.86, 0.5 * np.pi, 18)
    head = np.column_stack([0.28 * np.cos(head_angle), 0.68 + 0.28 * np.sin(head_angle)])
    head[-1, 0] = 0.0
    base = [(0.0, -1.0), (0.52, -1.0), (0.54, -0.96), (0.54, -0.84), (0.46, -0.76), (0.46, -0.68)]
    collar = [(0.16, 0.27), (0.34, 0.33), (0.34, 0.38), (0.2, 0.44)]
    return revolved(polygon(np.vstack([base, body, collar, head])))


def stool() -> Field:
    """Round seat on four splayed legs with a ring between them."""
    seat = revolved(
        polygon([(0, 0.72), (0.5, 0.72), (0.56, 0.76), (0.56, 0.83), (0.5, 0.88), (0, 0.88)])
    )
    leg = moved(turned(box([0.062, 0.062, 0.86], 0.015), 1, -13.0), [0.52, 0, -0.08])
    bar = moved(box([0.04, 0.4, 0.045], 0.01), [0.56, 0, -0.42])
    legs = repeated_around(leg, 4)
    bars = repeated_around(moved(bar, [-0.13, 0, 0]), 4)
    floor = moved(box([2.0, 2.0, 0.5]), [0, 0, -1.4])
    return cut(union(seat, legs, turned(bars, 2, 45.0)), floor)


def hat() -> Field:
    """Brimmed hat: a crown with a dip, a band and a wide brim."""
    outer = smooth_curve([(0.96, -0.3), (0.78, -0.34), (0.56, -0.3)], 5)
    crown = smooth_curve([(0.56, -0.3), (0.52, 0.05), (0.47, 0.34), (0.38, 0.42), (0.18, 0.36)], 6)
    top = np.vstack([outer, crown[1:], [[0.0, 0.34]]])
    band = polygon([(0.5, -0.26), (0.575, -0.26), (0.555, -0.1), (0.48, -0.1)])
    tangent = np.gradient(top, axis=0)
    normal = np.column_stack([tangent[:, 1], -tangent[:, 0]])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    under = top - 0.07 * normal
    under[-1, 0] = 0.0
    return union(revolved(polygon(np.vstack([top, under[::-1]]))), revolved(band))


def gear() -> Field:
    """Spur gear with twelve teeth, a hub, a keyed bore and lightening holes."""
    tooth = extruded(polygon([(0.7, -0.22), (1.0, -0.08), (1.0, 0.08), (0.7, 0.22)]), 0.17)
    wheel = union(cylinder(0.78, 0.17), repeated_around(tooth, 12))
    hub = cylinder(0.32, 0.27)
    bore = cylinder(0.17, 0.5)
    key = moved(box([0.08, 0.05, 0.5]), [0.17, 0, 0])
    hole = moved(cylinder(0.11, 0.5), [0.52, 0, 0])
    return cut(union(wheel, hub), bore, key, repeated_around(hole, 6))


def bracket() -> Field:
    """Angle bracket: two plates, four screw holes and two triangular ribs."""
    foot = moved(box([0.8, 0.55, 0.07], 0.02), [0.0, 0, -0.73])
    wall = moved(box([0.07, 0.55, 0.8], 0.02), [-0.73, 0, 0.0])
    rib = extruded(polygon([(-0.7, -0.7), (0.35, -0.7), (-0.7, 0.35)]), 0.05)
    ribs = mirrored(moved(turned(rib, 0, 90.0), [0, 0.4, 0]), 1)
    low = mirrored(moved(cylinder(0.12, 0.3), [0.5, 0.27, -0.73]), 1)
    high = mirrored(moved(cylinder(0.12, 0.3, axis=0), [-0.73, 0.27, 0.5]), 1)
    return cut(union(foot, wall, ribs), low, high)


def elbow() -> Field:
    """Hollow pipe elbow with a flange at both ends."""

    def around_path(p: Array) -> Array:
        """Distance to a quarter circle and the straight lines it ends in."""
        x, y, z = (p + np.array([0.3, 0.3, 0.0])).T
        bend = np.hypot(np.hypot(x, y) - 0.8, z)
        first = np.where(y < 0, np.hypot(x - 0.8, z), np.inf)
        second = np.where(x < 0, np.hypot(y - 0.8, z), np.inf)
        return np.where((x >= 0) & (y >= 0), bend, np.minimum(first, second))

    square = moved(box([2, 2, 2]), [1.28, 1.28, 0])
    first = moved(cylinder(0.46, 0.07, axis=1), [0.5, -0.65, 0])
    second = moved(cylinder(0.46, 0.07, axis=0), [-0.65, 0.5, 0])
    pipe = intersection(lambda p: around_path(p) - 0.3, square)
    return cut(union(pipe, first, second), lambda p: around_path(p) - 0.2)


def flange() -> Field:
    """Weld-neck flange with eight bolt holes."""
    disc = cylinder(1.0, 0.13)
    neck = cylinder(0.52, 0.3)
    raised = cylinder(0.68, 0.19)
    body = union(disc, moved(neck, [0, 0, 0.3]), moved(raised, [0, 0, -0.01]))
    bolt = moved(cylinder(0.095, 0.5), [0.83, 0, 0])
    return cut(body, cylinder(0.38, 1.5), repeated_around(bolt, 8))


def wrench() -> Field:
    """Combination wrench: open jaw, handle with a groove, ring end."""
    handle = box([0.72, 0.1, 0.065], 0.02)
    jaw = moved(cylinder(0.27, 0.085), [-0.78, 0, 0])
    mouth = moved(turned(extruded(polygon(_mouth()), 0.5), 2, 15.0), [-0.8, 0, 0])
    ring = moved(cylinder(0.22, 0.095), [0.78, 0, 0])
    hexagon = moved(extruded(polygon(regular(6, 0.14)), 0.5), [0.78, 0, 0])
    groove = mirrored(moved(box([0.42, 0.045, 0.03], 0.01), [0, 0, 0.07]), 2)
    return cut(union(handle, jaw, ring), mouth, hexagon, groove)


def spring() -> Field:
    """Coil spring of four turns with flattened ends."""
    t = np.linspace(0, 1, 6000)
    angle = 2 * np.pi * 4.5 * t
    height = np.interp(t, [0, 0.09, 0.91, 1], [-0.86, -0.8, 0.8, 0.86])
    curve = np.column_stack([0.55 * np.cos(angle), 0.55 * np.sin(angle), height])
    return intersection(tube_along(resampled(curve, 0.004), 0.105), box([2, 2, 0.92]))


def knot() -> Field:
    """Trefoil knot of round bar."""
    t = np.linspace(0, 2 * np.pi, 4000)
    radius = 0.62 + 0.26 * np.cos(3 * t)
    curve = np.column_stack([radius * np.cos(2 * t), radius * np.sin(2 * t), 0.36 * np.sin(3 * t)])
    return tube_along(resampled(curve, 0.004), 0.14)


def screw() -> Field:
    """Hexagon-head screw with a real thread."""
    pitch, core, crest = 0.16, 0.19, 0.085

    def thread(p: Array) -> Array:
        turns = p[:, 2] / pitch - np.arctan2(p[:, 1], p[:, 0]) / (2 * np.pi)
        ridge = np.clip(1.6 * (1 - 2 * np.abs(turns - np.floor(turns) - 0.5)) - 0.3, 0, 1)
        fade = np.clip((0.35 - p[:, 2]) / 0.12, 0, 1) * np.clip((p[:, 2] + 1.0) / 0.08, 0, 1)
        return (np.hypot(p[:, 0], p[:, 1]) - core - crest * ridge * fade) / 2.3

    shaft = intersection(thread, moved(box([1, 1, 0.85]), [0, 0, -0.15]))
    plain = moved(cylinder(core + 0.05, 0.16), [0, 0, 0.52])
    head = moved(extruded(polygon(regular(6, 0.5)), 0.15), [0, 0, 0.8])
    washer = moved(cylinder(0.53, 0.03), [0, 0, 0.64])
    return union(shaft, plain, head, washer)


def propeller() -> Field:
    """Three twisted blades on a rounded hub with a bore."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    outline = np.column_stack([0.5 + 0.46 * np.cos(angle), 0.2 * np.sin(angle)])
    outline[:, 1] *= 0.75 + 0.5 * outline[:, 0]
    blade = twisted(extruded(polygon(outline), 0.03), -0.14)
    pitched = turned(blade, 0, 62.0)
    blades = repeated_around(lambda p: pitched(p) / 1.25, 3)
    hub = union(cylinder(0.19, 0.17), moved(_dome(0.19), [0, 0, 0.17]))
    return cut(union(blades, hub), moved(cylinder(0.07, 0.3), [0, 0, -0.2]))


def beam() -> Field:
    """Piece of an I-beam with holes in its web."""
    half = [(0, -0.5), (0.42, -0.5), (0.42, -0.38), (0.07, -0.3), (0.07, 0.3), (0.42, 0.38)]
    half += [(0.42, 0.5), (0, 0.5)]
    outline = np.array(half[1:-1] + [(-x, y) for x, y in half[-2:0:-1]])
    bar = turned(turned(extruded(polygon(outline), 1.0), 0, 90.0), 2, 90.0)
    holes = [moved(cylinder(0.17, 1.0, axis=1), [x, 0, 0]) for x in (-0.6, 0.0, 0.6)]
    return cut(bar, *holes)


def pulley() -> Field:
    """Five-spoked wheel with a grooved rim."""
    rim = cut(cut(cylinder(0.98, 0.17), cylinder(0.76, 1.0)), torus(1.06, 0.17))
    hub = cut(cylinder(0.27, 0.22), cylinder(0.13, 1.0))
    spoke = moved(box([0.29, 0.075, 0.07], 0.02), [0.52, 0, 0])
    return union(rim, hub, repeated_around(spoke, 5))


def hammer() -> Field:
    """Claw-less hammer: long handle, square face, wedge-shaped pein."""
    handle = moved(turned(box([0.095, 0.065, 0.8], 0.05), 2, 90.0), [0, 0, -0.2])
    head = moved(box([0.26, 0.13, 0.13], 0.02), [0.0, 0, 0.72])
    face = moved(cylinder(0.15, 0.1, axis=0), [0.34, 0, 0.72])
    pein = extruded(polygon([(-0.62, 0.015), (-0.24, 0.13), (-0.24, -0.13), (-0.62, -0.015)]), 0.13)
    return union(handle, head, face, moved(turned(pein, 0, 90.0), [0, 0, 0.72]))


def _mouth() -> Array:
    """Outline of an open jaw's opening: parallel sides, a two-faced end."""
    return np.array([(-0.6, -0.13), (0.06, -0.13), (0.13, 0.0), (0.06, 0.13), (-0.6, 0.13)])


def _dome(radius: float) -> Field:
    """Upper half of a ball and a little more, so that it reaches into what it stands on."""
    return lambda p: np.maximum(np.linalg.norm(p, axis=1) - radius, -p[:, 2] - 0.3 * radius)


REACH = 1.3
"""Half side of the cube around the origin that holds every family as built."""

_BUILDERS = (
    *(beam, bottle, bowl, bracket, cup, elbow, flange, gear, hammer, hat, knot, pawn, propeller),
    *(pulley, screw, spring, stool, vase, wrench),
)

NOMINAL_OBJECTS: Mapping[str, Callable[[], Field]] = {
    f"{build.__name__}0": build for build in _BUILDERS
}
"""Category name, as the Anomaly-ShapeNet layout spells it, to the builder of its solid."""

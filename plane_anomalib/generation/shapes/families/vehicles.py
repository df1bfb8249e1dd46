"""Vehicles."""

from __future__ import annotations

import numpy as np

from plane_anomalib.generation.shapes.combinations import Difference
from plane_anomalib.generation.shapes.construction import (
    Made,
    Maker,
    ball,
    box,
    caption,
    copies,
    cylinder,
    ellipsoid,
    grade,
    join,
    lathe,
    mirror_pair,
    put,
    quantity,
    ring_of,
    rod,
    slab,
    standing,
    torus,
    turn,
    turned_body,
)
from plane_anomalib.generation.shapes.outlines import spline, steady
from plane_anomalib.generation.shapes.solids import Convex, Solid
from plane_anomalib.generation.shapes.sweeps import Tube


def _airplane(generator: np.random.Generator) -> Made:
    u = generator.uniform
    span, chord, sweep, fat = u(0.7, 1.4), u(0.2, 0.5), u(0.0, 0.7), u(0.09, 0.16)
    engines = int(generator.choice([0, 1, 2, 4]))
    x, size = steady([-1, -0.8, -0.2, 0.6, 0.92, 1.0], [0.02, 0.06, fat, fat, 0.55 * fat, 0.01])
    fuselage = Tube(np.stack([x, 0 * x, 0.03 * (x < 0) * x], axis=1), size, up=(0, 0, 1))
    tip = chord * u(0.3, 0.9)
    half = np.array(
        [(chord / 2, 0), (tip / 2 - sweep, span), (-tip / 2 - sweep, span), (-chord / 2, 0)]
    )
    whole = np.concatenate([half, half[1:3][::-1] * (1, -1)])
    high = generator.random() < 0.4
    z = (0.6 if high else -0.4) * fat
    parts = [
        fuselage,
        slab(whole, 0.035, (0.1, 0, z)),
        slab(whole * (0.45, 0.38), 0.03, (-0.85, 0, 0.02)),
    ]
    parts.append(standing([(-0.7, 0), (-0.9, 0.35), (-1.05, 0.35), (-0.98, 0)], 0.03))
    if engines == 1:
        parts += [box((0.03, 0.5, 0.05), (1.0, 0, 0)), ball(0.05, (1.02, 0, 0))]
    for i in range(engines // 2):
        y = span * (0.35 + 0.3 * i)
        at = 0.1 + chord * 0.4 - sweep * y / span
        parts += [cylinder(0.06, 0.28, (at, s * y, z - 0.06), "x") for s in (-1, 1)]
    looks = [grade(fat, 0.11, "slim", 0.14, "stout")]
    has = [
        grade(sweep, 0.15, "straight wings", 0.35, "swept wings"),
        {0: "", 1: "a propeller", 2: "two engines", 4: "four engines"}[engines],
        grade(span, 0.9, "short wings", 1.2, "long wings"),
    ]
    return join(*parts), caption(
        generator, ["airplane", "aeroplane", "plane", "toy plane"], looks, has
    )


def _car(generator: np.random.Generator) -> Made:
    u = generator.uniform
    kind = ["sedan", "van", "sports car", "hatchback"][int(generator.integers(4))]
    width, wheel, ride = u(0.75, 0.9), u(0.15, 0.22), u(0.16, 0.24)
    hood, roof = u(0.4, 0.5), u(0.72, 0.85)
    if kind == "sports car":
        roof, hood, ride = roof * 0.8, hood * 0.8, 0.14
    front = {"sedan": 0.45, "van": 0.85, "sports car": 0.35, "hatchback": 0.5}[kind]
    rear = {"sedan": -0.45, "van": -0.97, "sports car": -0.6, "hatchback": -0.9}[kind]
    lower = [(-1, ride), (1, ride), (1, hood * 0.85), (0.9, hood), (-0.98, hood + 0.04)]
    cabin = [(front, hood - 0.03), (front - 0.28, roof), (rear + 0.15, roof), (rear, hood - 0.03)]
    parts = [standing(lower, width), standing(cabin, width * 0.9)]
    for x in (0.62, -0.62):
        parts += [cylinder(wheel, 0.14, (x, s * width / 2, wheel), "y") for s in (-1, 1)]
    if generator.random() < 0.3:
        parts.append(box((0.2, width * 0.9, 0.03), (-0.9, 0, hood + 0.2)))
        parts.append(mirror_pair(lambda s: box((0.08, 0.04, 0.2), (-0.9, s * 0.25, hood + 0.1))))
    looks = [grade(roof, 0.68, "low", 0.8, "tall"), grade(width, 0.78, "narrow", 0.86, "wide")]
    has = ["four wheels", grade(wheel, 0.17, "small wheels", 0.2, "large wheels")]
    return join(*parts), caption(generator, ["car", f"{kind}", "toy car"], looks, has)


def _truck(generator: np.random.Generator) -> Made:
    u = generator.uniform
    bed, high, axles, tank = (
        u(0.9, 1.9),
        u(0.45, 0.9),
        int(generator.integers(2, 5)),
        generator.random() < 0.35,
    )
    load: Solid = box((bed, 0.7, high), (-bed / 2 - 0.05, 0, 0.32 + high / 2), 0.02)
    if tank:
        load = put(cylinder(0.35, bed, axis="x"), (-bed / 2 - 0.05, 0, 0.64))
    parts = [
        load,
        box((0.5, 0.68, 0.65), (0.28, 0, 0.55), 0.05),
        box((bed + 0.5, 0.5, 0.1), (-bed / 2 + 0.2, 0, 0.28)),
    ]
    x = np.linspace(0.3, -bed + 0.15, axles)
    wheels = copies(
        cylinder(0.17, 0.14, axis="y"), [(a, s * 0.3, 0.17) for a in x for s in (-1, 1)]
    )
    looks = [
        grade(bed, 1.2, "short", 1.6, "long"),
        "" if tank else grade(high, 0.55, "low", 0.75, "tall"),
    ]
    has = ["a tank" if tank else "a box body", quantity(generator, 2 * axles, "wheel", "wheels")]
    return join(*parts, wheels), caption(generator, ["truck", "lorry", "toy truck"], looks, has)


def _hull(wide: float, deep: float) -> Solid:
    x = np.linspace(-1, 1, 12)
    beam = wide * np.interp(x, [-1, -0.4, 0.3, 1], [0.75, 1, 0.9, 0.03])
    keel = -deep * np.interp(x, [-1, 0.5, 1], [0.8, 1, 0.1])
    rail = 0 * x + 0.1 * x**2 * (x > 0)
    sides = [
        np.stack([x, beam, rail], axis=1),
        np.stack([x, -beam, rail], axis=1),
        np.stack([x * 0.9, 0.35 * beam, keel], axis=1),
        np.stack([x * 0.9, -0.35 * beam, keel], axis=1),
    ]
    return Convex(np.concatenate(sides))


def _boat(generator: np.random.Generator) -> Made:
    u = generator.uniform
    wide, deep = u(0.2, 0.4), u(0.2, 0.4)
    sail, cabin = generator.random() < 0.45, generator.random() < 0.5
    hull = _hull(wide, deep)
    if not cabin and not sail:
        benches = (box((0.1, 1.6 * wide, 0.03), (a, 0, -0.05)) for a in (-0.4, 0.2))
        hull = join(Difference(hull, [put(hull, (0, 0, 0.09), scale=0.86)]), *benches)
    parts = [hull]
    if cabin and not sail:
        parts += [
            box((0.6, wide * 1.2, 0.3), (-0.2, 0, 0.15), 0.03),
            cylinder(0.07, 0.35, (-0.3, 0, 0.4)),
        ]
    if sail:
        mast = u(1.0, 1.6)
        parts += [
            rod((0.1, 0, 0), (0.1, 0, mast), 0.03),
            standing([(0.08, 0.15), (-0.8, 0.18), (0.08, mast * 0.97)], 0.025),
        ]
        parts.append(standing([(0.16, 0.2), (0.85, 0.15), (0.13, mast * 0.8)], 0.02))
    nouns = (
        ["sailing boat", "boat"] if sail else ["boat", "ship"] if cabin else ["boat", "rowing boat"]
    )
    looks = [grade(wide, 0.26, "slender", 0.34, "wide"), grade(deep, 0.26, "flat", 0.34, "deep")]
    has = ["two sails" if sail else "a cabin and a funnel" if cabin else "two benches"]
    return join(*parts), caption(generator, nouns, looks, has)


def _rocket(generator: np.random.Generator) -> Made:
    u = generator.uniform
    fins, height, fin, boosters = (
        int(generator.integers(3, 6)),
        u(1.4, 3.0),
        u(0.25, 0.5),
        generator.random() < 0.25,
    )
    body = turned_body(
        np.array([0, 0.5, 0.75, 0.92, 1]) * height, [u(0.18, 0.28), 0.28, 0.25, 0.12, 0.01]
    )
    blade = standing([(0.15, 0.5), (0.25 + fin, 0.1), (0.25 + fin, -0.25), (0.15, 0.05)], 0.04)
    nozzle = lathe([(0.2, -0.2), (0.12, 0.05)])
    parts = [body, nozzle, ring_of(blade, fins)]
    if boosters:
        parts.append(
            ring_of(
                put(turned_body([0, 0.6, 0.75], [0.1, 0.1, 0.01]), (0.36, 0, -0.05)),
                fins,
                180 / fins,
            )
        )
    looks = [grade(height, 1.8, "stubby", 2.5, "tall"), grade(height, 0, "", 2.4, "slender")]
    has = [quantity(generator, fins, "fin", "fins"), "boosters" if boosters else "a pointed nose"]
    return join(*parts), caption(generator, ["rocket", "space rocket", "toy rocket"], looks, has)


def _helicopter(generator: np.random.Generator) -> Made:
    u = generator.uniform
    blades, span, tail, skids = (
        int(generator.integers(2, 6)),
        u(0.8, 1.3),
        u(0.8, 1.3),
        generator.random() < 0.6,
    )
    cabin = ellipsoid((0.5, 0.32, 0.34))
    blade = box((span, 0.1, 0.025), (span / 2, 0, 0.5))
    parts = [
        cabin,
        rod((-0.3, 0, 0.1), (-0.35 - tail, 0, 0.15), 0.14, 0.05),
        standing(
            [(-0.2 - tail, 0.1), (-0.45 - tail, 0.45), (-0.55 - tail, 0.45), (-0.4 - tail, 0.1)],
            0.03,
        ),
        put(box((0.05, 0.02, 0.4)), (-0.38 - tail, 0.06, 0.15)),
        rod((0, 0, 0.3), (0, 0, 0.54), 0.05),
        *(put(blade, rotation=turn("z", 20 + 360 * i / blades)) for i in range(blades)),
    ]
    if skids:
        parts += [rod((-0.45, s * 0.25, -0.45), (0.45, s * 0.25, -0.45), 0.03) for s in (-1, 1)]
        parts += [
            rod((a, s * 0.25, -0.45), (a, s * 0.18, -0.2), 0.025)
            for s in (-1, 1)
            for a in (-0.2, 0.2)
        ]
    has = [
        quantity(generator, blades, "rotor blade", "rotor blades"),
        "skids" if skids else "",
        grade(tail, 0.95, "a short tail", 1.15, "a long tail"),
    ]
    return join(*parts), caption(generator, ["helicopter", "toy helicopter"], [], has)


def _bicycle_like(generator: np.random.Generator) -> Made:
    u = generator.uniform
    wheel, tyre, base = u(0.38, 0.5), u(0.025, 0.06), u(1.0, 1.25)
    ring = torus(wheel, tyre, rotation=turn("x", 90))
    spokes = put(
        ring_of(rod((0, 0, 0), (wheel, 0, 0), 0.01), int(generator.integers(6, 11))),
        rotation=turn("x", 90),
    )
    back, front = (-base / 2, 0.0, 0.0), (base / 2, 0.0, 0.0)
    seat, head, crank_ = (-0.25, 0.0, 0.55), (0.35, 0.0, 0.6), (-0.08, 0.0, -0.03)
    pairs = [
        (back, seat),
        (seat, head),
        (head, crank_),
        (crank_, seat),
        (crank_, back),
        (head, front),
    ]
    parts = [put(ring, back), put(ring, front), put(spokes, back), put(spokes, front)]
    parts += [rod(a, b, 0.035) for a, b in pairs]
    parts += [rod(seat, (-0.3, 0, 0.7), 0.03), ellipsoid((0.16, 0.08, 0.04), (-0.3, 0, 0.72))]
    parts.append(rod(head, (0.33, 0, 0.78), 0.03))
    parts.append(Tube(spline([(0.2, -0.3, 0.78), (0.33, 0, 0.78), (0.2, 0.3, 0.78)], 16), 0.025))
    looks = [grade(base, 1.08, "short", 1.18, "long")]
    has = ["two spoked wheels", grade(tyre, 0.035, "thin tyres", 0.05, "thick tyres"), "a saddle"]
    return join(*parts), caption(generator, ["bicycle", "bike"], looks, has)


VEHICLES: dict[str, Maker] = {
    "airplane": _airplane,
    "car": _car,
    "truck": _truck,
    "boat": _boat,
    "rocket": _rocket,
    "helicopter": _helicopter,
    "bicycle": _bicycle_like,
}
"""Family name to maker."""

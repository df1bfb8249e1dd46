"""Parts that turn: gears, pulleys, wheels, propellers."""

from __future__ import annotations

import numpy as np

from plane_anomalib.generation.shapes.combinations import Difference
from plane_anomalib.generation.shapes.construction import (
    Made,
    Maker,
    ball,
    bore_ring,
    caption,
    cylinder,
    grade,
    join,
    lathe,
    pipe,
    put,
    quantity,
    ring_of,
    rod,
    torus,
    turn,
    twisted,
)
from plane_anomalib.generation.shapes.outlines import circle, gear, petals
from plane_anomalib.generation.shapes.solids import Array, Solid
from plane_anomalib.generation.shapes.sweeps import Extrusion, Revolution, Tube


def _oval_pairs(half_x: float, half_y: float) -> Array:
    return circle(1.0, count=32) * (half_x, half_y)


def _spur_gear(generator: np.random.Generator) -> Made:
    u = generator.uniform
    teeth, thick, depth = int(generator.integers(8, 40)), u(0.12, 0.8), u(0.08, 0.2)
    bore = u(0.1, 0.4)
    root = 1 - min(depth, 4.0 / teeth)
    holes = [circle(bore)]
    spokes = int(generator.integers(3, 7)) if generator.random() < 0.4 and bore < 0.25 else 0
    if spokes:
        holes += bore_ring(spokes, (bore + root) / 2, 0.3 * (root - bore))
    wheel: Solid = Extrusion(gear(teeth, 1.0, root, u(0.2, 0.8)), thick, holes)
    helical = generator.random() < 0.2
    if helical:
        wheel = twisted(wheel, u(0.3, 0.8), generator)
    if generator.random() < 0.35:
        wheel = join(wheel, pipe(bore + 0.15, bore, -thick / 2 - u(0.05, 0.3), thick / 2 + 0.1))
    looks = [grade(thick, 0.25, "thin", 0.5, "thick"), "helical" if helical else ""]
    has = [
        quantity(generator, teeth, "tooth", "teeth"),
        quantity(generator, spokes, "hole", "holes around the bore") if spokes else "",
        grade(bore, 0.18, "a small bore", 0.3, "a large bore"),
    ]
    return wheel, caption(generator, ["spur gear", "gear", "gear wheel", "cogwheel"], looks, has)


def _rack_gear(generator: np.random.Generator) -> Made:
    u = generator.uniform
    teeth, depth, base, width = (
        int(generator.integers(5, 20)),
        u(0.5, 0.9),
        u(0.3, 1.5),
        u(0.5, 3.0),
    )
    corners: list[tuple[float, float]] = [(0, -base), (teeth, -base)]
    for i in range(teeth - 1, -1, -1):
        corners += [(i + 1.0, 0), (i + 0.7, depth), (i + 0.4, depth), (i + 0.1, 0)]
    solid = put(Extrusion([*corners, (0, 0)], width), rotation=turn("x", 90))
    looks = [grade(teeth, 8, "short", 14, "long"), grade(width, 1.2, "narrow", 2.2, "wide")]
    has = [quantity(generator, teeth, "tooth", "teeth")]
    return solid, caption(generator, ["gear rack", "toothed bar"], looks, has)


def _pulley(generator: np.random.Generator) -> Made:
    u = generator.uniform
    width, groove, bore = u(0.25, 0.8), u(0.1, 0.3), u(0.1, 0.3)
    half, flat = width / 2, width * u(0.05, 0.2)
    profile = [(bore, -half), (1, -half), (1, -half + flat), (1 - groove, -half * u(0, 0.4))]
    profile += [(r, -z) for r, z in profile[::-1]]
    solid: Solid = Revolution(profile)
    spokes = int(generator.integers(3, 7)) if generator.random() < 0.5 else 0
    if spokes:
        middle, room = (bore + 1 - groove) / 2, (1 - groove - bore) * 0.28
        solid = Difference(solid, [ring_of(cylinder(room, 2 * width, (middle, 0, 0)), spokes)])
    looks = [grade(width, 0.4, "narrow", 0.6, "wide")]
    has = [
        grade(groove, 0.16, "a shallow groove", 0.22, "a deep groove") or "a groove",
        quantity(generator, spokes, "hole in the web", "holes in the web") if spokes else "",
    ]
    return solid, caption(generator, ["pulley", "belt pulley", "pulley wheel"], looks, has)


def _bearing(generator: np.random.Generator) -> Made:
    u = generator.uniform
    bore, width = u(0.3, 0.6), u(0.2, 0.6)
    wall = 0.22 * (1 - bore)
    middle = (1 + bore) / 2
    size = min((1 - bore) / 2 - 0.55 * wall, width / 2.1)
    balls = int(generator.integers(6, max(7, int(0.85 * np.pi * middle / size)) + 1))
    solid = join(
        pipe(1.0, 1 - wall, -width / 2, width / 2),
        pipe(bore + wall, bore, -width / 2, width / 2),
        ring_of(ball(size, (middle, 0, 0)), balls),
    )
    looks = [grade(width, 0.3, "narrow", 0.45, "wide")]
    has = [quantity(generator, balls, "ball", "balls"), grade(bore, 0.4, "", 0.5, "a large bore")]
    return solid, caption(generator, ["ball bearing", "bearing"], looks, has)


def _turbine_wheel(generator: np.random.Generator) -> Made:
    u = generator.uniform
    blades, hub, width = int(generator.integers(5, 18)), u(0.25, 0.5), u(0.2, 0.6)
    sweep = u(-0.9, 0.9)
    path = [(hub * 0.8 + s * (1 - hub * 0.8), sweep * 0.5 * s**2, 0) for s in np.linspace(0, 1, 8)]
    blade = Tube(path, width / 2, u(0.015, 0.03), power=6, up=(0, np.sin(0.5), np.cos(0.5)))
    core = pipe(hub, hub * u(0.2, 0.5), -width * 0.6, width * 0.6)
    parts: list[Solid] = [core, ring_of(blade, blades)]
    shroud = generator.random() < 0.4
    if shroud:
        parts.append(pipe(1.1, 0.97, -width * 0.6, width * 0.6))
    looks = [grade(width, 0.3, "flat", 0.48, "wide"), grade(abs(sweep), 0.3, "", 0.6, "swept")]
    has = [quantity(generator, blades, "blade", "blades"), "an outer ring" if shroud else ""]
    return join(*parts), caption(generator, ["turbine wheel", "impeller", "fan wheel"], looks, has)


def _propeller(generator: np.random.Generator) -> Made:
    u = generator.uniform
    blades, broad, pitch = int(generator.integers(2, 7)), u(0.12, 0.35), u(0.3, 1.0)
    s = np.linspace(0, 1, 16)
    width = broad * np.sqrt(np.sin(np.pi * np.clip(0.12 + 0.86 * s, 0, 1)))
    blade = Tube(
        np.stack([0.08 + 0.92 * s, 0 * s, 0 * s], axis=1),
        width,
        0.03 * (1 - 0.6 * s),
        up=(0, np.cos(pitch), np.sin(pitch)),
    )
    hub = lathe([(0.16, -0.15), (0.16, 0.1), (0.1, 0.22), (0.02, u(0.26, 0.4))])
    looks = [grade(broad, 0.18, "slender", 0.28, "broad"), grade(pitch, 0.5, "", 0.8, "steep")]
    has = [quantity(generator, blades, "blade", "blades")]
    nouns = ["propeller", "ship propeller", "fan rotor"]
    return join(hub, ring_of(blade, blades)), caption(generator, nouns, looks, has)


def _knob(generator: np.random.Generator) -> Made:
    u = generator.uniform
    lobes, height = int(generator.integers(3, 13)), u(0.4, 1.2)
    top = Extrusion(petals(lobes, 0.9, u(0.04, 0.12)), height)
    stem = cylinder(u(0.3, 0.5), 0.6, (0, 0, -height / 2 - 0.25))
    looks = [grade(height, 0.6, "flat", 0.95, "tall")]
    has = [quantity(generator, lobes, "lobe", "lobes"), "a stem"]
    return join(top, stem), caption(generator, ["knob", "star knob", "turning knob"], looks, has)


def _wheel(generator: np.random.Generator) -> Made:
    u = generator.uniform
    spokes, width, tyre = int(generator.integers(3, 13)), u(0.15, 0.5), u(0.12, 0.25)
    rim = Revolution(np.array([(1 - tyre, 0)]) + _oval_pairs(tyre, width / 2))
    hub = cylinder(u(0.12, 0.25), width * 1.1)
    bar = rod((0.1, 0, 0), (1 - 1.6 * tyre, 0, 0), u(0.03, 0.07))
    solid = put(join(rim, hub, ring_of(bar, spokes)), rotation=turn("x", 90))
    looks = [grade(width, 0.25, "thin", 0.38, "wide")]
    has = [
        quantity(generator, spokes, "spoke", "spokes"),
        grade(tyre, 0.16, "", 0.2, "a thick tyre"),
    ]
    return solid, caption(generator, ["wheel", "spoked wheel", "cart wheel"], looks, has)


def _valve_wheel(generator: np.random.Generator) -> Made:
    u = generator.uniform
    spokes, grip, stem = int(generator.integers(3, 7)), u(0.06, 0.14), u(0.3, 1.2)
    dish = u(0.0, 0.3)
    bar = rod((0.05, 0, -dish), (1.0, 0, 0), grip * 0.8)
    solid = join(
        torus(1.0, grip),
        ring_of(bar, spokes),
        cylinder(0.2, 0.3, (0, 0, -dish)),
        rod((0, 0, -dish), (0, 0, -dish - stem), 0.09),
    )
    looks = [grade(grip, 0.08, "thin", 0.11, "thick"), grade(dish, 0.1, "flat", 0.2, "dished")]
    has = [
        quantity(generator, spokes, "spoke", "spokes"),
        grade(stem, 0.5, "a short stem", 0.9, "a long stem"),
    ]
    return solid, caption(generator, ["handwheel", "valve wheel", "steering wheel"], looks, has)


WHEELS: dict[str, Maker] = {
    "spur gear": _spur_gear,
    "gear rack": _rack_gear,
    "pulley": _pulley,
    "ball bearing": _bearing,
    "turbine wheel": _turbine_wheel,
    "propeller": _propeller,
    "knob": _knob,
    "wheel": _wheel,
    "handwheel": _valve_wheel,
}
"""Family name to maker."""

"""Fasteners, shafts and links."""

from __future__ import annotations

import numpy as np

from plane_anomalib.generation.shapes.combinations import Difference, Repeat
from plane_anomalib.generation.shapes.construction import (
    Made,
    Maker,
    bore_ring,
    box,
    caption,
    cylinder,
    grade,
    join,
    lathe,
    pipe,
    put,
    quantity,
    rod,
    slab,
    torus,
    turn,
)
from plane_anomalib.generation.shapes.outlines import (
    arc,
    circle,
    flat_curve,
    helix,
    rectangle,
    regular,
    rounded,
    spline,
)
from plane_anomalib.generation.shapes.solids import Solid
from plane_anomalib.generation.shapes.sweeps import Extrusion, Tube


def _hex_nut(generator: np.random.Generator) -> Made:
    u = generator.uniform
    thick, bore, flanged = u(0.4, 1.2), u(0.4, 0.62), generator.random() < 0.3
    solid: Solid = Extrusion(regular(6, 1.0), thick, [circle(bore)])
    if flanged:
        solid = join(solid, pipe(u(1.1, 1.3), bore + 1e-4, -thick / 2 - 0.12, -thick / 2 + 0.05))
    looks = [grade(thick, 0.6, "flat", 0.95, "tall")]
    has = [
        grade(bore, 0.46, "a small bore", 0.55, "a wide bore"),
        "a flange" if flanged else "six flat sides",
    ]
    return solid, caption(generator, ["hex nut", "nut", "hexagonal nut"], looks, has)


def _bolt(generator: np.random.Generator) -> Made:
    u = generator.uniform
    length, shank, head = u(1.2, 4.5), u(0.25, 0.55), u(0.3, 0.7)
    kind = ["hexagonal", "round", "square"][int(generator.integers(3))]
    threaded = generator.random() < 0.6
    top: Solid = cylinder(0.9, head, top=u(0.6, 0.9))
    if kind != "round":
        top = Extrusion(regular(6 if kind == "hexagonal" else 4, 0.95), head)
    profile = [(shank, 0.0), (shank, -length), (0.7 * shank, -length - 0.12)]
    if threaded:
        start, count = u(0.3, 0.6), int(generator.integers(8, 22))
        z = -np.linspace(start * length, length, 2 * count)
        r = np.where(np.arange(2 * count) % 2 == 0, shank, 0.85 * shank)
        profile = [(shank, 0.0), *zip(r, z, strict=True), (0.6 * shank, -length - 0.12)]
    solid = join(put(top, (0, 0, head / 2 - 0.01)), lathe(profile))
    looks = [grade(length, 2.0, "short", 3.3, "long"), grade(shank, 0.33, "thin", 0.45, "thick")]
    has = [f"a {kind} head", "a thread" if threaded else "a plain shank"]
    return solid, caption(generator, ["bolt", "screw", "bolt"], looks, has)


def _washer(generator: np.random.Generator) -> Made:
    u = generator.uniform
    bore, thick = u(0.35, 0.75), u(0.05, 0.25)
    split = generator.random() < 0.25
    solid: Solid = pipe(1.0, bore, -thick / 2, thick / 2)
    if split:
        solid = Difference(solid, [box((1.2, u(0.04, 0.15), 1), (1, 0, 0))])
    looks = [grade(thick, 0.1, "thin", 0.17, "thick"), "split" if split else "flat"]
    has = [grade(bore, 0.48, "a small hole", 0.6, "a large hole")]
    return solid, caption(generator, ["washer", "ring washer"], looks, has)


def _flange(generator: np.random.Generator) -> Made:
    u = generator.uniform
    holes, thick, bore, neck = (
        int(generator.integers(3, 11)),
        u(0.12, 0.35),
        u(0.25, 0.5),
        u(0.2, 1.0),
    )
    hub = bore + u(0.08, 0.15)
    ring = (hub + 1) / 2 + 0.02
    bolt_hole = min(0.35 * (1 - hub), 0.7 * np.pi * ring / holes / 2)
    plate = Extrusion(
        circle(1.0, count=64), thick, [circle(bore), *bore_ring(holes, ring, bolt_hole)]
    )
    solid = join(plate, pipe(hub, bore, -thick / 2 + 0.01, thick / 2 + neck))
    looks = [grade(thick, 0.18, "thin", 0.28, "thick")]
    has = [
        quantity(generator, holes, "bolt hole", "bolt holes"),
        grade(neck, 0.4, "a short neck", 0.7, "a long neck"),
    ]
    return solid, caption(generator, ["flange", "pipe flange", "flange"], looks, has)


def _spring(generator: np.random.Generator) -> Made:
    u = generator.uniform
    turns, wire = u(3, 11), u(0.05, 0.16)
    pitch = max(u(0.25, 0.8), 2.3 * wire)
    path = helix(0.5, pitch, turns, int(28 * turns))
    conical = generator.random() < 0.25
    if conical:
        path[:, :2] *= np.linspace(1, u(0.4, 0.7), len(path))[:, None]
    solid = Tube(path, wire, up=(0, 0, 1))
    looks = [
        "conical" if conical else "",
        grade(wire, 0.08, "thin", 0.12, "thick"),
        grade(pitch * turns, 2.0, "short", 4.0, "long"),
    ]
    has = [f"about {quantity(generator, round(turns), 'coil', 'coils')}"]
    return solid, caption(generator, ["spring", "coil spring", "compression spring"], looks, has)


def _stepped_shaft(generator: np.random.Generator) -> Made:
    u = generator.uniform
    steps = int(generator.integers(2, 7))
    radii, z, profile = u(0.12, 0.5, steps), 0.0, []
    for radius in radii:
        length = u(0.2, 0.9)
        profile += [(radius, z), (radius, z + length)]
        z += length
    solid: Solid = lathe(profile)
    keyed = generator.random() < 0.4
    if keyed:
        last = radii[-1]
        solid = Difference(solid, [box((last, 0.4 * last, 0.3), (last * 1.1, 0, z - 0.2))])
    solid = put(solid, rotation=turn("y", 90))
    looks = [grade(z, 1.5, "short", 2.7, "long")]
    has = [quantity(generator, steps, "step", "steps"), "a keyway" if keyed else ""]
    return solid, caption(generator, ["stepped shaft", "shaft", "axle"], looks, has)


def _crank(generator: np.random.Generator) -> Made:
    u = generator.uniform
    arm, thick, grip, shaft = u(0.8, 1.6), u(0.1, 0.25), u(0.4, 0.9), u(0.4, 0.9)
    solid = join(
        slab(rounded(arm + 0.3, 0.3, 0.15, (arm / 2, 0)), thick),
        rod((0, 0, 0), (0, 0, -shaft), u(0.08, 0.14)),
        rod((arm, 0, 0), (arm, 0, grip), u(0.07, 0.12)),
    )
    has = [
        grade(arm, 1.0, "a short arm", 1.3, "a long arm") or "an arm",
        grade(grip, 0.55, "a short grip", 0.7, "a long grip") or "a grip",
    ]
    return solid, caption(generator, ["crank", "crank handle"], [], has)


def _connecting_rod(generator: np.random.Generator) -> Made:
    u = generator.uniform
    length, big, small, thick = u(1.2, 2.2), u(0.32, 0.5), u(0.18, 0.3), u(0.15, 0.35)
    bar = slab(
        [(0, -0.6 * big), (length, -0.6 * small), (length, 0.6 * small), (0, 0.6 * big)],
        thick * u(0.4, 0.8),
    )
    bores = [
        cylinder(big * 0.65, 1),
        cylinder(small * u(0.5, 0.65), 1, (length, 0, 0)),
    ]
    ends = join(cylinder(big, thick), cylinder(small, thick, (length, 0, 0)), bar)
    looks = [grade(length, 1.5, "short", 1.9, "long"), grade(thick, 0.2, "flat", 0.3, "thick")]
    has = ["two eyes", grade(small / big, 0.5, "one much larger end", 2, "") or "two bores"]
    return Difference(ends, bores), caption(generator, ["connecting rod", "link rod"], looks, has)


def _hinge(generator: np.random.Generator) -> Made:
    u = generator.uniform
    knuckles, width, thick, angle = int(generator.integers(3, 8)), u(0.4, 0.9), 0.05, u(60, 180)
    barrel = u(0.06, 0.1)
    length = 1.4
    count = int(generator.integers(2, 5))
    holes = [
        circle(0.06, (x, width * 0.6), 20)
        for x in (np.arange(count) / (count - 1) - 0.5) * length * 0.75
    ]
    leaf = Extrusion(rectangle(length, width, (0, width / 2)), thick, holes)
    sleeve = cylinder(barrel, length / knuckles * 0.96, axis="x")
    places = np.zeros((knuckles, 3))
    places[:, 0] = ((np.arange(knuckles) + 0.5) / knuckles - 0.5) * length
    solid = join(
        leaf,
        put(leaf, rotation=turn("x", angle)),
        Repeat(sleeve, places),
        cylinder(0.6 * barrel, length * u(1.0, 1.1), axis="x"),
    )
    looks = [
        grade(angle, 100, "half closed", 150, "open"),
        grade(width, 0.55, "narrow", 0.75, "wide"),
    ]
    has = [quantity(generator, 2 * count, "screw hole", "screw holes"), f"{knuckles} knuckles"]
    return solid, caption(generator, ["hinge", "door hinge"], looks, has)


def _chain_link(generator: np.random.Generator) -> Made:
    u = generator.uniform
    links, length, wire = int(generator.integers(1, 5)), u(0.5, 1.2), u(0.08, 0.16)
    half = np.concatenate([circle(0.35, count=40)])
    half[:, 0] += np.where(half[:, 0] > 0, length / 2, -length / 2)
    path = np.concatenate([half, np.zeros((40, 1))], axis=1)
    link = Tube(spline(path, 72, closed=True), wire, closed=True)
    step = length + 0.7 - 2 * wire
    turns = np.stack([turn("x", 90 * (i % 2)) for i in range(links)])
    shifts = np.zeros((links, 3))
    shifts[:, 0] = np.arange(links) * step
    solid: Solid = link if links == 1 else Repeat(link, shifts, turns)
    nouns = ["chain link", "link of a chain"] if links == 1 else ["chain", "piece of chain"]
    looks = [grade(wire, 0.1, "thin", 0.13, "thick"), grade(length, 0.7, "short", 1.0, "long")]
    has = [quantity(generator, links, "link", "links")] if links > 1 else ["an oval opening"]
    return solid, caption(generator, nouns, looks, has)


def _hook(generator: np.random.Generator) -> Made:
    u = generator.uniform
    radius, wire, sweep, shank = u(0.35, 0.6), u(0.07, 0.15), u(200, 290), u(0.5, 1.2)
    bow = arc(radius, 0, -np.deg2rad(sweep), (-radius, 0), 40)
    line = np.stack([np.zeros(10), np.linspace(shank, 0.05, 10)], axis=1)
    path = np.concatenate([line, bow])
    size = np.concatenate([np.full(30, wire), np.linspace(wire, wire * u(0.2, 1.0), 20)])
    parts: list[Solid] = [Tube(flat_curve(path), size, rounded=True)]
    eye = generator.random() < 0.6
    if eye:
        loop = torus(u(0.18, 0.25), wire * 0.8, rotation=turn("x", 90))
        parts.append(put(loop, (0, 0, shank + 0.2)))
    looks = [grade(wire, 0.09, "thin", 0.12, "thick")]
    has = [
        "an eye at the top" if eye else "a straight shank",
        grade(sweep, 225, "a wide opening", 260, "a nearly closed bow"),
    ]
    return join(*parts), caption(generator, ["hook", "hook", "hanging hook"], looks, has)


MACHINED: dict[str, Maker] = {
    "hex nut": _hex_nut,
    "bolt": _bolt,
    "washer": _washer,
    "flange": _flange,
    "spring": _spring,
    "stepped shaft": _stepped_shaft,
    "crank": _crank,
    "connecting rod": _connecting_rod,
    "hinge": _hinge,
    "chain link": _chain_link,
    "hook": _hook,
}
"""Family name to maker."""

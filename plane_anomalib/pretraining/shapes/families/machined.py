"""Machine parts: wheels, fasteners, plates with holes."""

from __future__ import annotations

import numpy as np

from plane_anomalib.pretraining.shapes.build import (
    ball,
    box,
    cylinder,
    join,
    lathe,
    pipe,
    put,
    ring_of,
    rod,
    slab,
    standing,
    torus,
    turn,
    twisted,
)
from plane_anomalib.pretraining.shapes.combine import Difference, Repeat
from plane_anomalib.pretraining.shapes.families.kinds import Made, Maker
from plane_anomalib.pretraining.shapes.outlines import (
    arc,
    circle,
    flat_curve,
    gear,
    helix,
    petals,
    rectangle,
    regular,
    rounded,
    spline,
)
from plane_anomalib.pretraining.shapes.primitives import Box
from plane_anomalib.pretraining.shapes.profiles import Extrusion, Revolution
from plane_anomalib.pretraining.shapes.solid import Array, Solid
from plane_anomalib.pretraining.shapes.tube import Tube
from plane_anomalib.pretraining.shapes.wording import caption, grade, quantity


def _bores(count: int, ring: float, radius: float, start: float = 0.0) -> list[Array]:
    """Outlines of holes evenly on a circle."""
    return [circle(radius, centre, 24) for centre in regular(count, ring, start)]


def spur_gear(rng: np.random.Generator) -> Made:
    u = rng.uniform
    teeth, thick, depth = int(rng.integers(8, 40)), u(0.12, 0.8), u(0.08, 0.2)
    bore = u(0.1, 0.4)
    root = 1 - min(depth, 4.0 / teeth)
    holes = [circle(bore)]
    spokes = int(rng.integers(3, 7)) if rng.random() < 0.4 and bore < 0.25 else 0
    if spokes:
        holes += _bores(spokes, (bore + root) / 2, 0.3 * (root - bore))
    wheel: Solid = Extrusion(gear(teeth, 1.0, root, u(0.2, 0.8)), thick, holes)
    helical = rng.random() < 0.2
    if helical:
        wheel = twisted(wheel, u(0.3, 0.8), rng)
    if rng.random() < 0.35:
        wheel = join(wheel, pipe(bore + 0.15, bore, -thick / 2 - u(0.05, 0.3), thick / 2 + 0.1))
    looks = [grade(thick, 0.25, "thin", 0.5, "thick"), "helical" if helical else ""]
    has = [
        quantity(rng, teeth, "tooth", "teeth"),
        quantity(rng, spokes, "hole", "holes around the bore") if spokes else "",
        grade(bore, 0.18, "a small bore", 0.3, "a large bore"),
    ]
    return wheel, caption(rng, ["spur gear", "gear", "gear wheel", "cogwheel"], looks, has)


def hex_nut(rng: np.random.Generator) -> Made:
    u = rng.uniform
    thick, bore, flanged = u(0.4, 1.2), u(0.4, 0.62), rng.random() < 0.3
    solid: Solid = Extrusion(regular(6, 1.0), thick, [circle(bore)])
    if flanged:
        solid = join(solid, pipe(u(1.1, 1.3), bore + 1e-4, -thick / 2 - 0.12, -thick / 2 + 0.05))
    looks = [grade(thick, 0.6, "flat", 0.95, "tall")]
    has = [
        grade(bore, 0.46, "a small bore", 0.55, "a wide bore"),
        "a flange" if flanged else "six flat sides",
    ]
    return solid, caption(rng, ["hex nut", "nut", "hexagonal nut"], looks, has)


def bolt(rng: np.random.Generator) -> Made:
    u = rng.uniform
    length, shank, head = u(1.2, 4.5), u(0.25, 0.55), u(0.3, 0.7)
    kind = ["hexagonal", "round", "square"][int(rng.integers(3))]
    threaded = rng.random() < 0.6
    top: Solid = cylinder(0.9, head, top=u(0.6, 0.9))
    if kind != "round":
        top = Extrusion(regular(6 if kind == "hexagonal" else 4, 0.95), head)
    profile = [(shank, 0.0), (shank, -length), (0.7 * shank, -length - 0.12)]
    if threaded:
        start, count = u(0.3, 0.6), int(rng.integers(8, 22))
        z = -np.linspace(start * length, length, 2 * count)
        r = np.where(np.arange(2 * count) % 2 == 0, shank, 0.85 * shank)
        profile = [(shank, 0.0), *zip(r, z, strict=True), (0.6 * shank, -length - 0.12)]
    solid = join(put(top, (0, 0, head / 2 - 0.01)), lathe(profile))
    looks = [grade(length, 2.0, "short", 3.3, "long"), grade(shank, 0.33, "thin", 0.45, "thick")]
    has = [f"a {kind} head", "a thread" if threaded else "a plain shank"]
    return solid, caption(rng, ["bolt", "screw", "bolt"], looks, has)


def washer(rng: np.random.Generator) -> Made:
    u = rng.uniform
    bore, thick = u(0.35, 0.75), u(0.05, 0.25)
    split = rng.random() < 0.25
    solid: Solid = pipe(1.0, bore, -thick / 2, thick / 2)
    if split:
        solid = Difference(solid, [box((1.2, u(0.04, 0.15), 1), (1, 0, 0))])
    looks = [grade(thick, 0.1, "thin", 0.17, "thick"), "split" if split else "flat"]
    has = [grade(bore, 0.48, "a small hole", 0.6, "a large hole")]
    return solid, caption(rng, ["washer", "ring washer"], looks, has)


def flange(rng: np.random.Generator) -> Made:
    u = rng.uniform
    holes, thick, bore, neck = int(rng.integers(3, 11)), u(0.12, 0.35), u(0.25, 0.5), u(0.2, 1.0)
    hub = bore + u(0.08, 0.15)
    ring = (hub + 1) / 2 + 0.02
    bolt_hole = min(0.35 * (1 - hub), 0.7 * np.pi * ring / holes / 2)
    plate = Extrusion(circle(1.0, count=64), thick, [circle(bore), *_bores(holes, ring, bolt_hole)])
    solid = join(plate, pipe(hub, bore, -thick / 2 + 0.01, thick / 2 + neck))
    looks = [grade(thick, 0.18, "thin", 0.28, "thick")]
    has = [
        quantity(rng, holes, "bolt hole", "bolt holes"),
        grade(neck, 0.4, "a short neck", 0.7, "a long neck"),
    ]
    return solid, caption(rng, ["flange", "pipe flange", "flange"], looks, has)


def bracket(rng: np.random.Generator) -> Made:
    u = rng.uniform
    width, rise, thick = u(0.4, 1.0), u(0.5, 1.2), u(0.08, 0.18)
    holes = int(rng.integers(1, 4))
    ribbed = rng.random() < 0.5
    places = np.linspace(0.3, 0.85, holes) if holes > 1 else [0.6]
    r = min(0.08, width / 5)
    foot = slab(
        rectangle(1, width, (0.5, 0)), thick, (0, 0, thick / 2), [circle(r, (p, 0)) for p in places]
    )
    wall_holes = [circle(r, (0, rise * 0.6))] * int(rng.random() < 0.7)
    wall = put(
        Extrusion(rectangle(width, rise, (0, rise / 2)), thick, wall_holes),
        (thick / 2 + 1e-4, 0, 1e-4),
        turn("z", 90) @ turn("x", 90),
    )
    parts = [foot, wall]
    if ribbed:
        size = u(0.4, 0.7) * min(rise, 1)
        parts.append(standing([(0.01, 0.01), (size, 0.01), (0.01, size)], thick * 0.6, (thick, 0, 0)))
    total = holes + len(wall_holes)
    looks = [grade(rise, 0.7, "low", 1.0, "tall"), grade(width, 0.55, "narrow", 0.8, "wide")]
    has = [quantity(rng, total, "hole", "holes"), "a rib" if ribbed else ""]
    return join(*parts), caption(rng, ["bracket", "angle bracket", "mounting bracket"], looks, has)


def plate_with_holes(rng: np.random.Generator) -> Made:
    u = rng.uniform
    width, thick = u(0.4, 1.0), u(0.04, 0.2)
    columns, rows = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    pitch = min(1 / columns, width / rows)
    radius = pitch * u(0.15, 0.35)
    x = (np.arange(columns) + 0.5) / columns - 0.5
    y = ((np.arange(rows) + 0.5) / rows - 0.5) * width
    square = rng.random() < 0.25
    make = (lambda c: rectangle(1.6 * radius, 1.6 * radius, c)) if square else (
        lambda c: circle(radius, c, 32)
    )
    holes = [make((a, b)) for a in x for b in y]
    solid = Extrusion(rounded(1, width, u(0.005, 0.1)), thick, holes)
    kind = "square" if square else "round"
    looks = [grade(thick, 0.08, "thin", 0.14, "thick"), grade(width, 0.55, "long", 0.85, "square")]
    has = [quantity(rng, len(holes), f"{kind} hole", f"{kind} holes")]
    nouns = ["plate", "perforated plate", "metal plate"]
    return solid, caption(rng, nouns, looks, has)


def ribbed_plate(rng: np.random.Generator) -> Made:
    u = rng.uniform
    width, thick, ribs, rise = u(0.5, 1.0), u(0.06, 0.15), int(rng.integers(1, 7)), u(0.1, 0.4)
    along = rng.random() < 0.5
    length, span = (1.0, width) if along else (width, 1.0)
    rib = Box((length * 0.98, span / ribs * u(0.15, 0.4), rise))
    places = ((np.arange(ribs) + 0.5) / ribs - 0.5) * span
    shifts = np.zeros((ribs, 3))
    shifts[:, 1], shifts[:, 2] = places, thick / 2 + rise / 2 - 0.01
    bars: Solid = Repeat(rib, shifts)
    bars = bars if along else put(bars, rotation=turn("z", 90))
    solid = join(box((1, width, thick)), bars)
    looks = [grade(width, 0.65, "long", 0.85, "square")]
    has = [quantity(rng, ribs, "rib", "ribs"), grade(rise, 0.2, "low ribs", 0.3, "high ribs")]
    return solid, caption(rng, ["ribbed plate", "plate", "stiffened plate"], looks, has)


def heat_sink(rng: np.random.Generator) -> Made:
    u = rng.uniform
    fins, rise, width = int(rng.integers(5, 16)), u(0.25, 1.0), u(0.5, 1.1)
    base, gap = u(0.06, 0.2), u(0.4, 0.7)
    pitch = 1 / (fins - gap)
    x = np.arange(fins) * pitch
    corners = [(0.0, 0.0), (1.0, 0.0)]
    for start in x[::-1]:
        end = start + pitch * (1 - gap)
        corners += [(end, base), (end, base + rise), (start, base + rise), (start, base)]
    corners = corners[:2] + corners[3:-1]
    solid = standing(corners, width)
    looks = [grade(rise, 0.45, "low", 0.75, "tall"), grade(width, 0.65, "narrow", 0.9, "wide")]
    return solid, caption(rng, ["heat sink", "cooler"], looks, [quantity(rng, fins, "fin", "fins")])


def pulley(rng: np.random.Generator) -> Made:
    u = rng.uniform
    width, groove, bore = u(0.25, 0.8), u(0.1, 0.3), u(0.1, 0.3)
    half, flat = width / 2, width * u(0.05, 0.2)
    profile = [(bore, -half), (1, -half), (1, -half + flat), (1 - groove, -half * u(0, 0.4))]
    profile += [(r, -z) for r, z in profile[::-1]]
    solid: Solid = Revolution(profile)
    spokes = int(rng.integers(3, 7)) if rng.random() < 0.5 else 0
    if spokes:
        middle, room = (bore + 1 - groove) / 2, (1 - groove - bore) * 0.28
        solid = Difference(solid, [ring_of(cylinder(room, 2 * width, (middle, 0, 0)), spokes)])
    looks = [grade(width, 0.4, "narrow", 0.6, "wide")]
    has = [
        grade(groove, 0.16, "a shallow groove", 0.22, "a deep groove") or "a groove",
        quantity(rng, spokes, "hole in the web", "holes in the web") if spokes else "",
    ]
    return solid, caption(rng, ["pulley", "belt pulley", "pulley wheel"], looks, has)


def bearing(rng: np.random.Generator) -> Made:
    u = rng.uniform
    bore, width = u(0.3, 0.6), u(0.2, 0.6)
    wall = 0.22 * (1 - bore)
    middle = (1 + bore) / 2
    size = min((1 - bore) / 2 - 0.55 * wall, width / 2.1)
    balls = int(rng.integers(6, max(7, int(0.85 * np.pi * middle / size)) + 1))
    solid = join(
        pipe(1.0, 1 - wall, -width / 2, width / 2),
        pipe(bore + wall, bore, -width / 2, width / 2),
        ring_of(ball(size, (middle, 0, 0)), balls),
    )
    looks = [grade(width, 0.3, "narrow", 0.45, "wide")]
    has = [quantity(rng, balls, "ball", "balls"), grade(bore, 0.4, "", 0.5, "a large bore")]
    return solid, caption(rng, ["ball bearing", "bearing"], looks, has)


def spring(rng: np.random.Generator) -> Made:
    u = rng.uniform
    turns, wire = u(3, 11), u(0.05, 0.16)
    pitch = max(u(0.25, 0.8), 2.3 * wire)
    path = helix(0.5, pitch, turns, int(28 * turns))
    conical = rng.random() < 0.25
    if conical:
        path[:, :2] *= np.linspace(1, u(0.4, 0.7), len(path))[:, None]
    solid = Tube(path, wire, up=(0, 0, 1))
    looks = [
        "conical" if conical else "",
        grade(wire, 0.08, "thin", 0.12, "thick"),
        grade(pitch * turns, 2.0, "short", 4.0, "long"),
    ]
    has = [f"about {quantity(rng, round(turns), 'coil', 'coils')}"]
    return solid, caption(rng, ["spring", "coil spring", "compression spring"], looks, has)


def stepped_shaft(rng: np.random.Generator) -> Made:
    u = rng.uniform
    steps = int(rng.integers(2, 7))
    radii, z, profile = u(0.12, 0.5, steps), 0.0, []
    for radius in radii:
        length = u(0.2, 0.9)
        profile += [(radius, z), (radius, z + length)]
        z += length
    solid: Solid = lathe(profile)
    keyed = rng.random() < 0.4
    if keyed:
        last = radii[-1]
        solid = Difference(solid, [box((last, 0.4 * last, 0.3), (last * 1.1, 0, z - 0.2))])
    solid = put(solid, rotation=turn("y", 90))
    looks = [grade(z, 1.5, "short", 2.7, "long")]
    has = [quantity(rng, steps, "step", "steps"), "a keyway" if keyed else ""]
    return solid, caption(rng, ["stepped shaft", "shaft", "axle"], looks, has)


def turbine_wheel(rng: np.random.Generator) -> Made:
    u = rng.uniform
    blades, hub, width = int(rng.integers(5, 18)), u(0.25, 0.5), u(0.2, 0.6)
    sweep = u(-0.9, 0.9)
    path = [(hub * 0.8 + s * (1 - hub * 0.8), sweep * 0.5 * s**2, 0) for s in np.linspace(0, 1, 8)]
    blade = Tube(path, width / 2, u(0.015, 0.03), power=6, up=(0, np.sin(0.5), np.cos(0.5)))
    core = pipe(hub, hub * u(0.2, 0.5), -width * 0.6, width * 0.6)
    parts: list[Solid] = [core, ring_of(blade, blades)]
    shroud = rng.random() < 0.4
    if shroud:
        parts.append(pipe(1.1, 0.97, -width * 0.6, width * 0.6))
    looks = [grade(width, 0.3, "flat", 0.48, "wide"), grade(abs(sweep), 0.3, "", 0.6, "swept")]
    has = [quantity(rng, blades, "blade", "blades"), "an outer ring" if shroud else ""]
    return join(*parts), caption(rng, ["turbine wheel", "impeller", "fan wheel"], looks, has)


def propeller(rng: np.random.Generator) -> Made:
    u = rng.uniform
    blades, broad, pitch = int(rng.integers(2, 7)), u(0.12, 0.35), u(0.3, 1.0)
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
    has = [quantity(rng, blades, "blade", "blades")]
    nouns = ["propeller", "ship propeller", "fan rotor"]
    return join(hub, ring_of(blade, blades)), caption(rng, nouns, looks, has)


def knob(rng: np.random.Generator) -> Made:
    u = rng.uniform
    lobes, height = int(rng.integers(3, 13)), u(0.4, 1.2)
    top = Extrusion(petals(lobes, 0.9, u(0.04, 0.12)), height)
    stem = cylinder(u(0.3, 0.5), 0.6, (0, 0, -height / 2 - 0.25))
    looks = [grade(height, 0.6, "flat", 0.95, "tall")]
    has = [quantity(rng, lobes, "lobe", "lobes"), "a stem"]
    return join(top, stem), caption(rng, ["knob", "star knob", "turning knob"], looks, has)


def wheel(rng: np.random.Generator) -> Made:
    u = rng.uniform
    spokes, width, tyre = int(rng.integers(3, 13)), u(0.15, 0.5), u(0.12, 0.25)
    rim = Revolution(np.array([(1 - tyre, 0)]) + _oval_pairs(tyre, width / 2))
    hub = cylinder(u(0.12, 0.25), width * 1.1)
    bar = rod((0.1, 0, 0), (1 - 1.6 * tyre, 0, 0), u(0.03, 0.07))
    solid = put(join(rim, hub, ring_of(bar, spokes)), rotation=turn("x", 90))
    looks = [grade(width, 0.25, "thin", 0.38, "wide")]
    has = [quantity(rng, spokes, "spoke", "spokes"), grade(tyre, 0.16, "", 0.2, "a thick tyre")]
    return solid, caption(rng, ["wheel", "spoked wheel", "cart wheel"], looks, has)


def _oval_pairs(half_x: float, half_y: float) -> Array:
    return circle(1.0, count=32) * (half_x, half_y)


def crank(rng: np.random.Generator) -> Made:
    u = rng.uniform
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
    return solid, caption(rng, ["crank", "crank handle"], [], has)


def connecting_rod(rng: np.random.Generator) -> Made:
    u = rng.uniform
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
    return Difference(ends, bores), caption(rng, ["connecting rod", "link rod"], looks, has)


def hinge(rng: np.random.Generator) -> Made:
    u = rng.uniform
    knuckles, width, thick, angle = int(rng.integers(3, 8)), u(0.4, 0.9), 0.05, u(60, 180)
    barrel = u(0.06, 0.1)
    length = 1.4
    count = int(rng.integers(2, 5))
    holes = [
        circle(0.06, (x, width * 0.6), 20) for x in (np.arange(count) / (count - 1) - 0.5) * length * 0.75
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
    looks = [grade(angle, 100, "half closed", 150, "open"), grade(width, 0.55, "narrow", 0.75, "wide")]
    has = [quantity(rng, 2 * count, "screw hole", "screw holes"), f"{knuckles} knuckles"]
    return solid, caption(rng, ["hinge", "door hinge"], looks, has)


def chain_link(rng: np.random.Generator) -> Made:
    u = rng.uniform
    links, length, wire = int(rng.integers(1, 5)), u(0.5, 1.2), u(0.08, 0.16)
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
    has = [quantity(rng, links, "link", "links")] if links > 1 else ["an oval opening"]
    return solid, caption(rng, nouns, looks, has)


def hook(rng: np.random.Generator) -> Made:
    u = rng.uniform
    radius, wire, sweep, shank = u(0.35, 0.6), u(0.07, 0.15), u(200, 290), u(0.5, 1.2)
    bow = arc(radius, 0, -np.deg2rad(sweep), (-radius, 0), 40)
    line = np.stack([np.zeros(10), np.linspace(shank, 0.05, 10)], axis=1)
    path = np.concatenate([line, bow])
    size = np.concatenate([np.full(30, wire), np.linspace(wire, wire * u(0.2, 1.0), 20)])
    parts: list[Solid] = [Tube(flat_curve(path), size, rounded=True)]
    eye = rng.random() < 0.6
    if eye:
        loop = torus(u(0.18, 0.25), wire * 0.8, rotation=turn("x", 90))
        parts.append(put(loop, (0, 0, shank + 0.2)))
    looks = [grade(wire, 0.09, "thin", 0.12, "thick")]
    has = [
        "an eye at the top" if eye else "a straight shank",
        grade(sweep, 225, "a wide opening", 260, "a nearly closed bow"),
    ]
    return join(*parts), caption(rng, ["hook", "hook", "hanging hook"], looks, has)


MACHINED: dict[str, Maker] = {
    "spur gear": spur_gear,
    "hex nut": hex_nut,
    "bolt": bolt,
    "washer": washer,
    "flange": flange,
    "bracket": bracket,
    "plate with holes": plate_with_holes,
    "ribbed plate": ribbed_plate,
    "heat sink": heat_sink,
    "pulley": pulley,
    "ball bearing": bearing,
    "spring": spring,
    "stepped shaft": stepped_shaft,
    "turbine wheel": turbine_wheel,
    "propeller": propeller,
    "knob": knob,
    "wheel": wheel,
    "crank": crank,
    "connecting rod": connecting_rod,
    "hinge": hinge,
    "chain link": chain_link,
    "hook": hook,
}
"""Family name to maker."""

"""Plants, food, stones and abstract bodies."""

from __future__ import annotations

import numpy as np

from plane_anomalib.pretraining.shapes.build import (
    ball,
    box,
    copies,
    cylinder,
    ellipsoid,
    join,
    lathe,
    lifted,
    pipe,
    put,
    ring_of,
    rippled,
    rod,
    slab,
    standing,
    stretched,
    torus,
    towards,
    turn,
    turned_body,
    twisted,
)
from plane_anomalib.pretraining.shapes.combine import Difference
from plane_anomalib.pretraining.shapes.families.kinds import Made, Maker
from plane_anomalib.pretraining.shapes.outlines import (
    arc,
    circle,
    flat_curve,
    gear,
    helix,
    oval,
    petals,
    rectangle,
    regular,
    rounded,
    spline,
    star,
    steady,
)
from plane_anomalib.pretraining.shapes.primitives import Box, Convex, Ellipsoid, Star, superquadric
from plane_anomalib.pretraining.shapes.profiles import Extrusion, Revolution
from plane_anomalib.pretraining.shapes.solid import Array, Solid, unit
from plane_anomalib.pretraining.shapes.tube import Tube
from plane_anomalib.pretraining.shapes.wording import caption, grade, quantity


def gemstone(rng: np.random.Generator) -> Made:
    u = rng.uniform
    sides, tall, table = int(rng.integers(5, 11)), u(0.3, 0.9), u(0.3, 0.8)
    kind = ["emerald cut", "step cut", "drop"][int(rng.integers(3))]
    girdle = oval(1, u(0.5, 1), 2.0, sides) if kind != "emerald cut" else rounded(2, u(0.9, 1.6), 0.5)[::7]
    layers = [(1.0, 0.0), (1.0, 0.12), (table, 0.35 * tall + 0.1), (0.55, -0.5 * tall)]
    if kind == "drop":
        layers = [(1.0, 0.0), (0.7, 0.4 * tall), (0.05, 1.6 * tall), (0.5, -0.4 * tall)]
    corners = [np.column_stack([girdle * s, np.full(len(girdle), z)]) for s, z in layers]
    solid = Convex(np.concatenate([*corners, [(0, 0, -tall)]]))
    looks = ["faceted", grade(tall, 0.45, "flat", 0.7, "deep")]
    has = [f"a girdle of {len(girdle)} sides", grade(table, 0.45, "a small table", 0.65, "a broad table") if kind != "drop" else "a pointed top"]
    return solid, caption(rng, ["gemstone", "cut gem", "jewel"], looks, has)


def diamond(rng: np.random.Generator) -> Made:
    u = rng.uniform
    sides, crown, deep, table = int(rng.choice([6, 8, 12])), u(0.15, 0.45), u(0.6, 1.2), u(0.4, 0.7)
    girdle = np.column_stack([regular(sides, 1), np.zeros(sides)])
    rim = girdle + (0, 0, -u(0.02, 0.08))
    top = np.column_stack([regular(sides, table, np.pi / sides), np.full(sides, crown)])
    solid = Convex(np.concatenate([girdle, rim, top, [(0, 0, -deep)]]))
    looks = ["faceted", grade(deep, 0.75, "shallow", 1.0, "deep")]
    has = [quantity(rng, sides, "side", "sides"), "a pointed bottom", grade(table, 0.5, "a small table", 0.6, "a large table")]
    return solid, caption(rng, ["diamond", "brilliant-cut diamond"], looks, has)


def crystal(rng: np.random.Generator) -> Made:
    u = rng.uniform
    count, sides = int(rng.integers(1, 6)), int(rng.choice([4, 5, 6]))
    parts: list[Solid] = []
    for i in range(count):
        tall, fat = u(0.8, 1.6) * (1 if i == 0 else 0.7), u(0.15, 0.3)
        base = np.column_stack([regular(sides, fat), np.zeros(sides)])
        prism = Convex(np.concatenate([base, base * (0.95, 0.95, 1) + (0, 0, tall), [(0, 0, tall + fat * 1.3), (0, 0, -fat)]]))
        lean = np.array([0, 0, 1.0]) if i == 0 else np.array([*rng.normal(size=2) * 0.6, 1.0])
        parts.append(put(prism, rotation=towards(lean)))
    looks = ["pointed", "" if count > 1 else "single"]
    has = [quantity(rng, count, "point", "points"), f"{sides} sides"]
    return join(*parts), caption(rng, ["crystal", "quartz crystal"] if count == 1 else ["crystal cluster", "crystal"], looks, has)


def rock(rng: np.random.Generator) -> Made:
    u = rng.uniform
    rough = u(0.03, 0.16)
    axes = unit(rng.normal(size=(7, 3)))
    waves, phase, size = u(2, 7, 7), u(0, 6, 7), u(0.3, 1.0, 7)

    def radius(d: Array) -> Array:
        return 1 + rough * np.sin((d @ axes.T) * waves + phase) @ size * 0.7

    stretch = u(0.45, 1.0, 3)
    angular = rng.random() < 0.35
    solid: Solid = Star(radius, stretch)
    if angular:
        solid = Convex(unit(rng.normal(size=(int(rng.integers(12, 30)), 3))) * stretch)
    looks = ["angular" if angular else grade(rough, 0.07, "smooth", 0.12, "lumpy"), grade(float(stretch[2] / stretch.max()), 0.65, "flat", 1, "")]
    return solid, caption(rng, ["rock", "stone", "pebble" if not angular else "rock"], looks, [])


def egg(rng: np.random.Generator) -> Made:
    u = rng.uniform
    tall, point = u(1.1, 1.7), u(0.0, 0.28)
    s = np.linspace(0, np.pi, 60)
    z = -np.cos(s) * tall / 2
    solid: Solid = lathe(np.stack([0.5 * np.sin(s) * (1 - point * z / tall * 2), z], axis=1))
    cup_ = rng.random() < 0.2
    if cup_:
        solid = join(solid, lathe([(0.35, -tall / 2 - 0.35), (0.15, -tall / 2 - 0.1), (0.47, -0.2 * tall)]))
    looks = [grade(tall, 1.25, "round", 1.5, "long"), grade(point, 0.08, "", 0.18, "pointed")]
    return solid, caption(rng, ["egg", "egg", "easter egg"], looks, ["an egg cup" if cup_ else "a smooth shell"])


def toffee(rng: np.random.Generator) -> Made:
    u = rng.uniform
    long, wing, flare, pleats = u(0.5, 1.1), u(0.3, 0.6), u(0.2, 0.45), int(rng.integers(6, 13))
    boxy = rng.random() < 0.4
    core: Solid = Ellipsoid((0.33, 0.33, long / 2)) if not boxy else Box((0.5, 0.5, long), 0.1)
    end = lathe([(0.07, 0), (flare, wing), (flare * 0.8, wing)])
    fan = rippled(end, pleats, u(0.1, 0.22), rng)
    z = long / 2 - 0.05
    solid = join(core, put(fan, (0, 0, z)), put(fan, (0, 0, -z), turn("x", 180)))
    looks = ["rectangular" if boxy else "rounded", grade(long, 0.7, "short", 0.95, "long")]
    has = ["twisted ends", grade(flare, 0.27, "narrow wrapper ends", 0.38, "wide wrapper ends")]
    nouns = ["toffee", "wrapped sweet", "candy"]
    return put(solid, rotation=turn("y", 90)), caption(rng, nouns, looks, has)


def candy_bar(rng: np.random.Generator) -> Made:
    u = rng.uniform
    columns, rows, thick, slope = int(rng.integers(2, 8)), int(rng.integers(1, 5)), u(0.2, 0.5), u(0.5, 0.9)
    block = np.array([(x, y, z) for z, s in ((0, 0.47), (thick, 0.47 * slope)) for x in (-s, s) for y in (-s, s)])
    places = [(c, r, thick * 0.4) for c in range(columns) for r in range(rows)]
    base = box((columns, rows, thick), ((columns - 1) / 2, (rows - 1) / 2, 0))
    looks = [grade(thick, 0.27, "flat", 0.4, "thick"), grade(columns / rows, 1.2, "", 2.5, "long")]
    has = [quantity(rng, columns * rows, "piece", "pieces"), f"{rows} by {columns} blocks"]
    return join(base, copies(Convex(block), places)), caption(rng, ["candy bar", "chocolate bar", "bar of chocolate"], looks, has)


def mushroom(rng: np.random.Generator) -> Made:
    u = rng.uniform
    cap_, rise, stem, thick = u(0.4, 0.8), u(0.2, 0.6), u(0.4, 1.2), u(0.08, 0.25)
    s = np.linspace(0, np.pi / 2, 20)
    dome = np.stack([cap_ * np.cos(s), rise * np.sin(s)], axis=1)
    top = put(lathe(np.concatenate([[(0.0, 0.3 * rise), (0.6 * cap_, 0.12 * rise)], dome])), (0, 0, stem))
    foot = turned_body([0, 0.1 * stem, 0.5 * stem, stem + 0.35 * rise], [thick, 1.3 * thick, thick, 0.8 * thick])
    looks = [grade(stem, 0.6, "short", 0.95, "tall")]
    has = [
        grade(cap_, 0.52, "a small cap", 0.68, "a wide cap"),
        grade(rise, 0.32, "a flat cap", 0.48, "a domed cap"),
        grade(thick, 0.12, "a thin stem", 0.2, "a thick stem"),
    ]
    return join(top, foot), caption(rng, ["mushroom", "toadstool"], looks, has)


def tree(rng: np.random.Generator) -> Made:
    u = rng.uniform
    conifer, trunk, thick = rng.random() < 0.5, u(0.3, 0.9), u(0.05, 0.12)
    parts: list[Solid] = [rod((0, 0, 0), (0, 0, trunk + 0.5), 1.3 * thick, thick)]
    tiers = int(rng.integers(2, 6)) if conifer else int(rng.integers(3, 9))
    for i in range(tiers):
        if conifer:
            size = 0.6 * (1 - 0.7 * i / tiers)
            z = trunk + 0.35 * i
            parts.append(lathe([(size, z), (0.02 + 0.3 * size * (i < tiers - 1), z + 0.55)]))
        else:
            at = (*(rng.normal(size=2) * 0.28), trunk + 0.6 + rng.normal() * 0.2)
            parts.append(ball(u(0.25, 0.42), at))
    if not conifer:
        parts.append(ball(0.4, (0, 0, trunk + 0.6)))
    looks = ["conical" if conifer else "leafy", grade(trunk, 0.45, "low", 0.75, "tall")]
    has = [
        quantity(rng, tiers, "tier", "tiers") if conifer else "a round crown",
        grade(thick, 0.07, "a thin trunk", 0.1, "a thick trunk"),
    ]
    return join(*parts), caption(rng, ["tree", "fir tree" if conifer else "tree", "toy tree"], looks, has)


def leaf(rng: np.random.Generator) -> Made:
    u = rng.uniform
    wide, bend, fold, teeth = u(0.2, 0.55), u(-0.5, 0.5), u(0.0, 0.4), int(rng.integers(0, 13))
    s = np.linspace(0, 1, 60)
    side = wide * np.sin(np.pi * s ** u(0.6, 1.0)) * (1 + 0.12 * (teeth > 4) * np.abs(np.sin(np.pi * teeth * s)))
    side = np.maximum(side, 0.01)
    x = 2 * s - 1
    outline = np.concatenate([np.stack([x, -side], axis=1), np.stack([x, side], axis=1)[::-1]])
    blade = lifted(slab(outline, 0.03), lambda a, b: bend * a**2 + fold * np.abs(b), rng)
    stalk = Tube(spline([(-0.95, 0, 0.9 * bend), (-1.2, 0, 1.1 * bend), (-1.5, 0, 1.1 * bend + 0.1)], 16), 0.03)
    looks = [grade(wide, 0.3, "narrow", 0.45, "broad"), grade(abs(bend), 0.15, "flat", 0.3, "curved")]
    has = ["a stalk", "a toothed edge" if teeth > 4 else "a smooth edge"]
    return join(blade, stalk), caption(rng, ["leaf", "tree leaf"], looks, has)


def flower(rng: np.random.Generator) -> Made:
    u = rng.uniform
    count, long, wide, lift = int(rng.integers(4, 13)), u(0.4, 0.8), u(0.15, 0.4), u(-5, 45)
    petal = put(Ellipsoid((long / 2, min(wide, 1.6 / count), 0.04)), (0.15 + long / 2, 0, 0))
    tilt = put(petal, rotation=turn("y", -lift))
    parts = [ball(u(0.18, 0.28)), *(put(tilt, rotation=turn("z", 360 * i / count)) for i in range(count))]
    stemmed = rng.random() < 0.6
    if stemmed:
        parts.append(Tube(spline([(0, 0, 0), (0.05, 0, -0.6), (u(-0.3, 0.3), 0, -1.4)], 24), 0.05))
        parts.append(ellipsoid((0.3, 0.12, 0.03), (0.3, 0, -0.8), turn("y", -30)))
    looks = ["flat" if lift < 12 else "cup-shaped" if lift > 30 else "open"]
    return join(*parts), caption(rng, ["flower", "blossom", "daisy"], looks, [quantity(rng, count, "petal", "petals"), "a stem" if stemmed else ""])


def pretzel(rng: np.random.Generator) -> Made:
    u = rng.uniform
    thick, wide = u(0.08, 0.17), u(0.8, 1.1)
    half = [(0.0, -0.75), (0.55, -0.6), (0.95, -0.05), (0.75, 0.5), (0.3, 0.45), (0.0, 0.05), (-0.3, -0.25), (-0.55, -0.5)]
    lift = np.array([0, 0, 0, 0, 0.4, 0.9, 0.9, 1.4]) * thick
    right = np.column_stack([np.array(half) * (wide, 1), lift])
    # The other arm passes below in the middle and rests on the ring as well.
    left = right * (-1, 1, 1)
    left[5:7, 2] = -0.9 * thick
    path = spline(np.concatenate([left[::-1], right[1:]]), 110)
    size = thick * np.interp(np.linspace(0, 1, 110), [0, 0.3, 0.5, 0.7, 1], [0.7, 0.85, 1.2, 0.85, 0.7])
    solid = Tube(path, size, rounded=True, up=(0, 0, 1))
    looks = [grade(thick, 0.11, "thin", 0.14, "thick"), grade(wide, 0.88, "narrow", 1.0, "wide")]
    return solid, caption(rng, ["pretzel", "knotted pretzel"], looks, ["crossed arms", "three openings"])


def donut(rng: np.random.Generator) -> Made:
    u = rng.uniform
    thick, flat = u(0.2, 0.48), u(0.7, 1.1)
    solid: Solid = Revolution(oval(thick, thick * flat) + (1 - thick, 0))
    bitten = rng.random() < 0.35
    if bitten:
        solid = Difference(solid, [ball(u(0.25, 0.4), (1, 0, 0))])
    looks = [grade(thick, 0.28, "thin", 0.4, "thick"), "bitten" if bitten else ""]
    has = [grade(1 - 2 * thick, 0.2, "a small hole", 0.4, "a large hole") or "a round hole"]
    return solid, caption(rng, ["donut", "doughnut", "ring cake"], looks, has)


def croissant(rng: np.random.Generator) -> Made:
    u = rng.uniform
    fat, sweep, rings = u(0.22, 0.38), u(130, 230), int(rng.integers(3, 8))
    path = arc(1.0, -np.deg2rad(sweep) / 2, np.deg2rad(sweep) / 2, count=80)
    s = np.linspace(-1, 1, 80)
    size = fat * (1 - 0.85 * s**2) * (1 + 0.1 * np.cos(rings * np.pi * s))
    solid = Tube(flat_curve(path, "xy"), np.maximum(size, 0.02), rounded=True)
    looks = [grade(fat, 0.27, "thin", 0.33, "plump"), grade(sweep, 160, "slightly bent", 200, "strongly bent")]
    return solid, caption(rng, ["croissant", "crescent roll"], looks, ["pointed ends", "ridges"])


def apple(rng: np.random.Generator) -> Made:
    u = rng.uniform
    dent, tall, pear = u(0.1, 0.3), u(0.8, 1.1), rng.random() < 0.35
    s = np.linspace(0, np.pi, 60)
    r = np.sin(s) * (1 + 0.1 * np.sin(s) ** 2)
    z = -np.cos(s) * tall - dent * 1.6 * (np.exp(-((s - np.pi) ** 2) * 6) - 0.5 * np.exp(-(s**2) * 6))
    if pear:
        r = np.sin(s) * np.interp(-np.cos(s), [-1, -0.2, 0.5, 1], [0.85, 0.8, 0.45, 0.35])
        z = -np.cos(s) * 1.1
    stem = rod((0, 0, z[-1] - 0.1), (0.08, 0, float(z[-1]) + u(0.2, 0.45)), 0.05, 0.035)
    leafy = rng.random() < 0.4
    parts = [lathe(np.stack([r, z], axis=1)), stem]
    if leafy:
        parts.append(ellipsoid((0.25, 0.11, 0.025), (0.3, 0, float(z[-1]) + 0.2), turn("y", -20)))
    looks = ["" if pear else grade(tall, 0.88, "flat", 1.02, "tall")]
    return join(*parts), caption(rng, ["pear"] if pear else ["apple", "apple fruit"], looks, ["a stem", "a leaf" if leafy else "no leaf"])


def banana(rng: np.random.Generator) -> Made:
    u = rng.uniform
    fat, sweep = u(0.12, 0.22), u(50, 130)
    half = np.deg2rad(sweep) / 2
    path = arc(1.0 / half, -half - np.pi / 2, half - np.pi / 2, count=50)
    s = np.linspace(0, 1, 50)
    size = fat * np.interp(s, [0, 0.05, 0.2, 0.5, 0.85, 0.95, 1], [0.3, 0.35, 0.9, 1, 0.8, 0.35, 0.3])
    looks = [grade(sweep, 75, "nearly straight", 105, "strongly bent"), grade(fat, 0.15, "slim", 0.19, "thick")]
    return Tube(flat_curve(path), size, power=2.4), caption(rng, "banana", looks, ["a stalk end"])


def carrot(rng: np.random.Generator) -> Made:
    u = rng.uniform
    fat, long, leaves, bend = u(0.14, 0.3), u(1.2, 2.0), int(rng.integers(2, 7)), u(-0.2, 0.2)
    s = np.linspace(0, 1, 40)
    path = np.stack([bend * s**2, 0 * s, -long * s], axis=1)
    size = fat * np.interp(s, [0, 0.06, 0.3, 0.85, 1], [0.6, 1, 0.9, 0.3, 0.05]) * (1 + 0.03 * np.sin(60 * s))
    parts: list[Solid] = [Tube(path, size, up=(0, 1, 0))]
    for i in range(leaves):
        lean = 0.35 * np.array([np.cos(2.4 * i), np.sin(2.4 * i)])
        parts.append(rod((0, 0, -0.05), (*lean, u(0.4, 0.8)), 0.03, 0.06))
    looks = [grade(fat, 0.18, "thin", 0.25, "thick"), grade(long, 1.45, "short", 1.75, "long")]
    return join(*parts), caption(rng, ["carrot", "root vegetable"], looks, [quantity(rng, leaves, "leaf stalk", "leaf stalks"), "a pointed end"])


def pumpkin(rng: np.random.Generator) -> Made:
    u = rng.uniform
    ribs, tall, depth = int(rng.integers(7, 15)), u(0.6, 1.1), u(0.03, 0.09)

    def radius(d: Array) -> Array:
        ring = np.hypot(d[:, 0], d[:, 1])
        lobes = np.abs(np.cos(ribs * np.arctan2(d[:, 1], d[:, 0]) / 2))
        return (1 + depth * (2 * lobes**0.7 - 1) * ring) * (1 - 0.3 * np.exp(-8 * ring**2))

    stem = Tube(spline([(0, 0, 0.5 * tall), (0.05, 0, 0.9 * tall), (0.2, 0, 1.05 * tall)], 20), np.linspace(0.16, 0.08, 20))
    looks = [grade(tall, 0.75, "flat", 0.95, "tall"), "ribbed"]
    return join(Star(radius, (1, 1, tall)), stem), caption(rng, ["pumpkin", "squash"], looks, [quantity(rng, ribs, "rib", "ribs"), "a stem"])


def cactus(rng: np.random.Generator) -> Made:
    u = rng.uniform
    arms, tall, fat, potted = int(rng.integers(0, 4)), u(1.2, 2.0), u(0.16, 0.28), rng.random() < 0.5
    s = np.linspace(0, tall, 20)
    trunk = Tube(np.stack([0 * s, 0 * s, s], axis=1), fat, rounded=True)
    parts: list[Solid] = [trunk]
    for i in range(arms):
        z, out, up = u(0.35, 0.6) * tall, fat + u(0.3, 0.45), u(0.3, 0.6)
        arm = Tube(flat_curve(spline([(0, z), (0.75 * out, z + 0.05), (out, z + 0.25), (out, z + 0.25 + up)], 30)), 0.62 * fat, rounded=True)
        parts.append(put(arm, rotation=turn("z", 360 * i / max(arms, 1) + 20)))
    if potted:
        parts.append(lathe([(0.32, -0.45), (0.42, 0.15)]))
    looks = [grade(tall, 1.45, "small", 1.75, "tall"), grade(fat, 0.19, "slim", 0.24, "thick")]
    return join(*parts), caption(rng, "cactus", looks, [quantity(rng, arms, "arm", "arms") if arms else "no arms", "a pot" if potted else ""])


def ice_cream(rng: np.random.Generator) -> Made:
    u = rng.uniform
    scoops, tall, wide = int(rng.integers(1, 4)), u(0.9, 1.6), u(0.32, 0.45)
    parts: list[Solid] = [lathe([(0.02, 0), (wide, tall)]), pipe(wide + 0.04, wide - 0.08, tall - 0.15, tall)]
    places = [(0.0, 0.0)] if scoops == 1 else [(0.16, 0.0), (-0.16, 0.0), (0.0, 0.0)][:scoops]
    for i, (x, y) in enumerate(places):
        parts.append(ball(wide * (1.0 if scoops == 1 else 0.85), (x, y, tall + 0.22 + 0.42 * (i == 2))))
    looks = [grade(tall, 1.1, "short", 1.4, "long")]
    return join(*parts), caption(rng, ["ice cream cone", "ice cream"], looks, [quantity(rng, scoops, "scoop", "scoops"), "a pointed cone"])


def cake(rng: np.random.Generator) -> Made:
    u = rng.uniform
    tiers, candles, square = int(rng.integers(1, 4)), int(rng.integers(0, 9)), rng.random() < 0.25
    z, parts = 0.0, []
    for i in range(tiers):
        size, tall = 1 - 0.27 * i, u(0.25, 0.45)
        plate_ = rounded(1.8 * size, 1.8 * size, 0.1) if square else circle(size, count=64)
        parts.append(put(Extrusion(plate_, tall + 0.01), (0, 0, z + tall / 2)))
        z += tall
    if candles:
        stick = cylinder(0.03, 0.3, (0.3 if candles > 1 else 0.0, 0, z + 0.14))
        parts.append(ring_of(stick, candles))
    looks = ["square" if square else "round", grade(tiers, 2, "flat", 2, "tall")]
    has = [quantity(rng, tiers, "tier", "tiers"), quantity(rng, candles, "candle", "candles") if candles else "no candles"]
    return join(*parts), caption(rng, ["cake", "birthday cake" if candles else "cake"], looks, has)


def heart(rng: np.random.Generator) -> Made:
    u = rng.uniform
    thick, wide = u(0.15, 0.8), u(0.8, 1.15)
    t = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    outline = np.stack([16 * np.sin(t) ** 3 * wide, 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)], axis=1) / 16
    holed = rng.random() < 0.25
    solid = standing(outline, thick, holes=[circle(0.12, (0, 0.05), 24)] if holed else ())
    looks = [grade(thick, 0.3, "flat", 0.6, "thick"), grade(wide, 0.9, "narrow", 1.05, "wide")]
    return solid, caption(rng, ["heart", "heart shape"], looks, ["a hole" if holed else ""])


def star_shape(rng: np.random.Generator) -> Made:
    u = rng.uniform
    tips, inner, thick = int(rng.integers(4, 13)), u(0.3, 0.75), u(0.1, 0.6)
    pointed = rng.random() < 0.35
    outline = star(tips, 1.0, inner, np.pi / 2)
    solid: Solid = standing(outline, thick)
    if pointed:
        spikes = [Convex(np.array([(*outline[i], 0), (*outline[i - 1], 0), (*outline[(i + 1) % len(outline)], 0), (0, 0, thick), (0, 0, -thick)])) for i in range(0, 2 * tips, 2)]
        solid = put(join(*spikes), rotation=turn("x", 90))
    looks = ["faceted" if pointed else "flat", grade(inner, 0.42, "spiky", 0.6, "blunt")]
    return solid, caption(rng, ["star", "star shape"], looks, [quantity(rng, tips, "point", "points")])


def moon(rng: np.random.Generator) -> Made:
    u = rng.uniform
    bite, thick = u(0.25, 0.7), u(0.15, 0.6)
    inner = (1 + bite**2 - 0.15) ** 0.5
    outer_start = np.arccos(np.clip((1 + bite**2 - inner**2 * 0.64) / (2 * bite + 1e-9), -0.95, 0.95))
    outer = arc(1.0, outer_start, 2 * np.pi - outer_start, count=60)
    start = np.arctan2(outer[0, 1], outer[0, 0] - bite)
    radius = float(np.hypot(outer[0, 0] - bite, outer[0, 1]))
    cut = arc(radius, 2 * np.pi - start, start, (bite, 0), 50)[1:-1]
    solid = standing(np.concatenate([outer, cut]), thick)
    looks = [grade(bite, 0.4, "slim", 0.55, "fat"), grade(thick, 0.25, "flat", 0.45, "thick")]
    return solid, caption(rng, ["crescent", "crescent moon", "half moon"], looks, ["two pointed ends"])


def superquadric_body(rng: np.random.Generator) -> Made:
    u = rng.uniform
    axes = u(0.35, 1.0, 3)
    flat, upright = np.exp(u(np.log(1.0), np.log(8.0), 2))
    shape = "boxy" if min(flat, upright) > 3.5 else "diamond-like" if max(flat, upright) < 1.5 else "rounded"
    looks = [shape, grade(float(axes[2] / axes[:2].min()), 0.6, "flat", 1.5, "tall")]
    return superquadric(axes, flat, upright), caption(rng, ["superquadric", "smooth solid body", "abstract blob"], looks, [])


def blend(rng: np.random.Generator) -> Made:
    u = rng.uniform
    count = int(rng.integers(2, 5))
    words: list[str] = []
    parts: list[Solid] = []
    for _ in range(count):
        kind = ["box", "ball", "cylinder", "cone", "ring", "gear"][int(rng.integers(6))]
        size = u(0.35, 0.8)
        solid = {
            "box": lambda s=size: Box(s * u(0.7, 1.8, 3), 0.03),
            "ball": lambda s=size: Ellipsoid(s * u(0.7, 1.1, 3)),
            "cylinder": lambda s=size: cylinder(0.6 * s, 2.2 * s),
            "cone": lambda s=size: cylinder(0.8 * s, 1.8 * s, top=0.05),
            "ring": lambda s=size: torus(s, 0.3 * s),
            "gear": lambda s=size: Extrusion(gear(9, 1.1 * s, 0.85 * s), 0.5 * s),
        }[kind]()  # type: ignore[no-untyped-call]
        words.append(kind)
        parts.append(put(solid, rng.normal(size=3) * 0.35, towards(rng.normal(size=3))))
    names = sorted(set(words))
    has = ["a " + " and a ".join(names[:3])]
    return join(*parts), caption(rng, ["blend of parts", "abstract sculpture", "blend of simple solids"], [], has)


def wavy_sheet(rng: np.random.Generator) -> Made:
    u = rng.uniform
    waves, height, thick, cross = u(1.0, 4.0), u(0.05, 0.25), u(0.02, 0.07), rng.random() < 0.5
    outline = [rectangle(2, u(1.0, 2.0)), circle(1.0), oval(1, 0.8, 4.0)][int(rng.integers(3))]
    phase = u(0, 6, 2)

    def rise(x: Array, y: Array) -> Array:
        other = np.cos(waves * np.pi * y * 0.7 + phase[1]) if cross else 1.0
        return height * np.sin(waves * np.pi * x + phase[0]) * other

    looks = [grade(height, 0.1, "slightly wavy", 0.18, "strongly wavy"), grade(thick, 0.035, "thin", 0.055, "thick")]
    has = ["waves in two directions" if cross else f"about {quantity(rng, round(waves), 'wave', 'waves')}"]
    return lifted(slab(outline, thick), rise, rng), caption(rng, ["wavy sheet", "corrugated sheet", "curved plate"], looks, has)


def twisted_bar(rng: np.random.Generator) -> Made:
    u = rng.uniform
    sides, tall, turns = int(rng.integers(3, 7)), u(1.2, 3.0), u(0.15, 0.9)
    kind = rng.random() < 0.35
    outline = petals(sides, 0.45, 0.1, 96) if kind else regular(sides, 0.5)
    fine = outline if kind else np.concatenate([np.linspace(a, b, 12, endpoint=False) for a, b in zip(outline, np.roll(outline, -1, axis=0), strict=True)])
    solid = twisted(Extrusion(fine, tall), 2 * np.pi * turns / tall, rng)
    looks = [grade(turns, 0.3, "slightly twisted", 0.6, "strongly twisted"), grade(tall, 1.7, "short", 2.4, "tall")]
    return solid, caption(rng, ["twisted bar", "twisted column"], looks, [quantity(rng, sides, "side", "sides")])


def polyhedron(rng: np.random.Generator) -> Made:
    u = rng.uniform
    kind = ["pyramid", "prism", "octahedron", "tetrahedron", "icosahedron", "wedge"][int(rng.integers(6))]
    sides, tall = int(rng.integers(3, 8)), u(0.6, 1.8)
    base = np.column_stack([regular(sides, 0.7), np.zeros(sides)])
    golden = (1 + 5**0.5) / 2
    corners = {
        "pyramid": np.concatenate([base, [(0, 0, tall)]]),
        "prism": np.concatenate([base, base + (0, 0, tall)]),
        "octahedron": np.concatenate([np.eye(3), -np.eye(3)]) * (1, 1, tall),
        "tetrahedron": np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1.0)]),
        "icosahedron": np.array([np.roll((0, a, b * golden), k) for a in (-1, 1) for b in (-1, 1) for k in range(3)]),
        "wedge": np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0), (0, 0, tall / 2), (0, 1, tall / 2.0)]),
    }[kind]
    looks = [grade(tall, 0.9, "flat", 1.4, "tall") if kind in ("pyramid", "prism", "octahedron") else ""]
    has = [f"a base of {sides} corners" if kind in ("pyramid", "prism") else "flat faces"]
    return Convex(corners), caption(rng, [kind], looks, has)


def knot(rng: np.random.Generator) -> Made:
    u = rng.uniform
    p, q = [(2, 3), (3, 2), (2, 5), (3, 4), (3, 5)][int(rng.integers(5))]
    thick = u(0.08, 0.16) * (1 if p + q < 7 else 0.7)
    t = np.linspace(0, 2 * np.pi, 160, endpoint=False)
    r = 1 + 0.42 * np.cos(q * t)
    path = np.stack([r * np.cos(p * t), r * np.sin(p * t), 0.42 * np.sin(q * t)], axis=1)
    looks = [grade(thick, 0.09, "thin", 0.13, "thick"), "closed"]
    return Tube(path, thick, closed=True, up=(0.03, 0.05, 1)), caption(rng, ["knot", "knotted ring", "rope knot"], looks, [f"{q} loops around {p} turns"])


def screw_helix(rng: np.random.Generator) -> Made:
    u = rng.uniform
    turns, pitch, core = u(2, 6), u(0.4, 0.8), u(0.1, 0.25)
    path = helix(0.5 * (core + 0.85), pitch, turns, int(32 * turns))
    blade = Tube(path, 0.035, (0.9 - core) / 2, power=6, up=(0, 0, 1))
    solid = join(blade, rod((0, 0, -0.2), (0, 0, pitch * turns + 0.2), core))
    looks = [grade(pitch * turns, 1.8, "short", 3.0, "long")]
    has = [f"about {quantity(rng, round(turns), 'turn', 'turns')}", grade(core, 0.15, "a thin core", 0.2, "a thick core")]
    return solid, caption(rng, ["screw conveyor", "auger", "helical screw"], looks, has)


NATURE: dict[str, Maker] = {
    "gemstone": gemstone,
    "diamond": diamond,
    "crystal": crystal,
    "rock": rock,
    "egg": egg,
    "toffee": toffee,
    "candy bar": candy_bar,
    "mushroom": mushroom,
    "tree": tree,
    "leaf": leaf,
    "flower": flower,
    "pretzel": pretzel,
    "donut": donut,
    "croissant": croissant,
    "apple": apple,
    "banana": banana,
    "carrot": carrot,
    "pumpkin": pumpkin,
    "cactus": cactus,
    "ice cream cone": ice_cream,
    "cake": cake,
    "heart": heart,
    "star": star_shape,
    "crescent": moon,
    "superquadric": superquadric_body,
    "blend of parts": blend,
    "wavy sheet": wavy_sheet,
    "twisted bar": twisted_bar,
    "polyhedron": polyhedron,
    "knot": knot,
    "screw conveyor": screw_helix,
}
"""Family name to maker."""

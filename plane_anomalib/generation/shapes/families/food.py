"""Sweets and cakes."""

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
    grade,
    join,
    lathe,
    pipe,
    put,
    quantity,
    ring_of,
    rippled,
    turn,
)
from plane_anomalib.generation.shapes.outlines import (
    arc,
    circle,
    flat_curve,
    oval,
    rounded,
    spline,
)
from plane_anomalib.generation.shapes.solids import Box, Convex, Ellipsoid, Solid
from plane_anomalib.generation.shapes.sweeps import Extrusion, Revolution, Tube


def _egg(generator: np.random.Generator) -> Made:
    u = generator.uniform
    tall, point = u(1.1, 1.7), u(0.0, 0.28)
    s = np.linspace(0, np.pi, 60)
    z = -np.cos(s) * tall / 2
    solid: Solid = lathe(np.stack([0.5 * np.sin(s) * (1 - point * z / tall * 2), z], axis=1))
    cup_ = generator.random() < 0.2
    if cup_:
        solid = join(
            solid, lathe([(0.35, -tall / 2 - 0.35), (0.15, -tall / 2 - 0.1), (0.47, -0.2 * tall)])
        )
    looks = [grade(tall, 1.25, "round", 1.5, "long"), grade(point, 0.08, "", 0.18, "pointed")]
    return solid, caption(
        generator, ["egg", "egg", "easter egg"], looks, ["an egg cup" if cup_ else "a smooth shell"]
    )


def _toffee(generator: np.random.Generator) -> Made:
    u = generator.uniform
    long, wing, flare, pleats = (
        u(0.5, 1.1),
        u(0.3, 0.6),
        u(0.2, 0.45),
        int(generator.integers(6, 13)),
    )
    boxy = generator.random() < 0.4
    core: Solid = Ellipsoid((0.33, 0.33, long / 2)) if not boxy else Box((0.5, 0.5, long), 0.1)
    end = lathe([(0.07, 0), (flare, wing), (flare * 0.8, wing)])
    fan = rippled(end, pleats, u(0.1, 0.22), generator)
    z = long / 2 - 0.05
    solid = join(core, put(fan, (0, 0, z)), put(fan, (0, 0, -z), turn("x", 180)))
    looks = ["rectangular" if boxy else "rounded", grade(long, 0.7, "short", 0.95, "long")]
    has = ["twisted ends", grade(flare, 0.27, "narrow wrapper ends", 0.38, "wide wrapper ends")]
    nouns = ["toffee", "wrapped sweet", "candy"]
    return put(solid, rotation=turn("y", 90)), caption(generator, nouns, looks, has)


def _candy_bar(generator: np.random.Generator) -> Made:
    u = generator.uniform
    columns, rows, thick, slope = (
        int(generator.integers(2, 8)),
        int(generator.integers(1, 5)),
        u(0.2, 0.5),
        u(0.5, 0.9),
    )
    block = np.array(
        [(x, y, z) for z, s in ((0, 0.47), (thick, 0.47 * slope)) for x in (-s, s) for y in (-s, s)]
    )
    places = [(c, r, thick * 0.4) for c in range(columns) for r in range(rows)]
    base = box((columns, rows, thick), ((columns - 1) / 2, (rows - 1) / 2, 0))
    looks = [grade(thick, 0.27, "flat", 0.4, "thick"), grade(columns / rows, 1.2, "", 2.5, "long")]
    has = [quantity(generator, columns * rows, "piece", "pieces"), f"{rows} by {columns} blocks"]
    return join(base, copies(Convex(block), places)), caption(
        generator, ["candy bar", "chocolate bar", "bar of chocolate"], looks, has
    )


def _pretzel(generator: np.random.Generator) -> Made:
    u = generator.uniform
    thick, wide = u(0.08, 0.17), u(0.8, 1.1)
    half = [
        (0.0, -0.75),
        (0.55, -0.6),
        (0.95, -0.05),
        (0.75, 0.5),
        (0.3, 0.45),
        (0.0, 0.05),
        (-0.3, -0.25),
        (-0.55, -0.5),
    ]
    lift = np.array([0, 0, 0, 0, 0.4, 0.9, 0.9, 1.4]) * thick
    right = np.column_stack([np.array(half) * (wide, 1), lift])
    # The other arm passes below in the middle and rests on the ring as well.
    left = right * (-1, 1, 1)
    left[5:7, 2] = -0.9 * thick
    path = spline(np.concatenate([left[::-1], right[1:]]), 110)
    size = thick * np.interp(
        np.linspace(0, 1, 110), [0, 0.3, 0.5, 0.7, 1], [0.7, 0.85, 1.2, 0.85, 0.7]
    )
    solid = Tube(path, size, rounded=True, up=(0, 0, 1))
    looks = [grade(thick, 0.11, "thin", 0.14, "thick"), grade(wide, 0.88, "narrow", 1.0, "wide")]
    return solid, caption(
        generator, ["pretzel", "knotted pretzel"], looks, ["crossed arms", "three openings"]
    )


def _donut(generator: np.random.Generator) -> Made:
    u = generator.uniform
    thick, flat = u(0.2, 0.48), u(0.7, 1.1)
    solid: Solid = Revolution(oval(thick, thick * flat) + np.array((1 - thick, 0)))
    bitten = generator.random() < 0.35
    if bitten:
        solid = Difference(solid, [ball(u(0.25, 0.4), (1, 0, 0))])
    looks = [grade(thick, 0.28, "thin", 0.4, "thick"), "bitten" if bitten else ""]
    has = [grade(1 - 2 * thick, 0.2, "a small hole", 0.4, "a large hole") or "a round hole"]
    return solid, caption(generator, ["donut", "doughnut", "ring cake"], looks, has)


def _croissant(generator: np.random.Generator) -> Made:
    u = generator.uniform
    fat, sweep, rings = u(0.22, 0.38), u(130, 230), int(generator.integers(3, 8))
    path = arc(1.0, -np.deg2rad(sweep) / 2, np.deg2rad(sweep) / 2, count=80)
    s = np.linspace(-1, 1, 80)
    size = fat * (1 - 0.85 * s**2) * (1 + 0.1 * np.cos(rings * np.pi * s))
    solid = Tube(flat_curve(path, "xy"), np.maximum(size, 0.02), rounded=True)
    looks = [
        grade(fat, 0.27, "thin", 0.33, "plump"),
        grade(sweep, 160, "slightly bent", 200, "strongly bent"),
    ]
    return solid, caption(
        generator, ["croissant", "crescent roll"], looks, ["pointed ends", "ridges"]
    )


def _ice_cream(generator: np.random.Generator) -> Made:
    u = generator.uniform
    scoops, tall, wide = int(generator.integers(1, 4)), u(0.9, 1.6), u(0.32, 0.45)
    parts: list[Solid] = [
        lathe([(0.02, 0), (wide, tall)]),
        pipe(wide + 0.04, wide - 0.08, tall - 0.15, tall),
    ]
    places = [(0.0, 0.0)] if scoops == 1 else [(0.16, 0.0), (-0.16, 0.0), (0.0, 0.0)][:scoops]
    for i, (x, y) in enumerate(places):
        parts.append(
            ball(wide * (1.0 if scoops == 1 else 0.85), (x, y, tall + 0.22 + 0.42 * (i == 2)))
        )
    looks = [grade(tall, 1.1, "short", 1.4, "long")]
    return join(*parts), caption(
        generator,
        ["ice cream cone", "ice cream"],
        looks,
        [quantity(generator, scoops, "scoop", "scoops"), "a pointed cone"],
    )


def _cake(generator: np.random.Generator) -> Made:
    u = generator.uniform
    tiers, candles, square = (
        int(generator.integers(1, 4)),
        int(generator.integers(0, 9)),
        generator.random() < 0.25,
    )
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
    has = [
        quantity(generator, tiers, "tier", "tiers"),
        quantity(generator, candles, "candle", "candles") if candles else "no candles",
    ]
    return join(*parts), caption(
        generator, ["cake", "birthday cake" if candles else "cake"], looks, has
    )


FOOD: dict[str, Maker] = {
    "egg": _egg,
    "toffee": _toffee,
    "candy bar": _candy_bar,
    "pretzel": _pretzel,
    "donut": _donut,
    "croissant": _croissant,
    "ice cream cone": _ice_cream,
    "cake": _cake,
}
"""Family name to maker."""

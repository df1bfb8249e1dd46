"""Plants and fruit."""

from __future__ import annotations

import numpy as np

from plane_anomalib.generation.shapes.construction import (
    Made,
    Maker,
    ball,
    caption,
    ellipsoid,
    grade,
    join,
    lathe,
    lifted,
    put,
    quantity,
    rod,
    slab,
    turn,
    turned_body,
)
from plane_anomalib.generation.shapes.outlines import arc, flat_curve, spline
from plane_anomalib.generation.shapes.solids import Array, Ellipsoid, Solid, Star
from plane_anomalib.generation.shapes.sweeps import Tube


def _mushroom(generator: np.random.Generator) -> Made:
    u = generator.uniform
    cap_, rise, stem, thick = u(0.4, 0.8), u(0.2, 0.6), u(0.4, 1.2), u(0.08, 0.25)
    s = np.linspace(0, np.pi / 2, 20)
    dome = np.stack([cap_ * np.cos(s), rise * np.sin(s)], axis=1)
    top = put(
        lathe(np.concatenate([[(0.0, 0.3 * rise), (0.6 * cap_, 0.12 * rise)], dome])), (0, 0, stem)
    )
    foot = turned_body(
        [0, 0.1 * stem, 0.5 * stem, stem + 0.35 * rise], [thick, 1.3 * thick, thick, 0.8 * thick]
    )
    looks = [grade(stem, 0.6, "short", 0.95, "tall")]
    has = [
        grade(cap_, 0.52, "a small cap", 0.68, "a wide cap"),
        grade(rise, 0.32, "a flat cap", 0.48, "a domed cap"),
        grade(thick, 0.12, "a thin stem", 0.2, "a thick stem"),
    ]
    return join(top, foot), caption(generator, ["mushroom", "toadstool"], looks, has)


def _tree(generator: np.random.Generator) -> Made:
    u = generator.uniform
    conifer, trunk, thick = generator.random() < 0.5, u(0.3, 0.9), u(0.05, 0.12)
    parts: list[Solid] = [rod((0, 0, 0), (0, 0, trunk + 0.5), 1.3 * thick, thick)]
    tiers = int(generator.integers(2, 6)) if conifer else int(generator.integers(3, 9))
    for i in range(tiers):
        if conifer:
            size = 0.6 * (1 - 0.7 * i / tiers)
            z = trunk + 0.35 * i
            parts.append(lathe([(size, z), (0.02 + 0.3 * size * (i < tiers - 1), z + 0.55)]))
        else:
            at = (*(generator.normal(size=2) * 0.28), trunk + 0.6 + generator.normal() * 0.2)
            parts.append(ball(u(0.25, 0.42), at))
    if not conifer:
        parts.append(ball(0.4, (0, 0, trunk + 0.6)))
    looks = ["conical" if conifer else "leafy", grade(trunk, 0.45, "low", 0.75, "tall")]
    has = [
        quantity(generator, tiers, "tier", "tiers") if conifer else "a round crown",
        grade(thick, 0.07, "a thin trunk", 0.1, "a thick trunk"),
    ]
    return join(*parts), caption(
        generator, ["tree", "fir tree" if conifer else "tree", "toy tree"], looks, has
    )


def _leaf(generator: np.random.Generator) -> Made:
    u = generator.uniform
    wide, bend, fold, teeth = (
        u(0.2, 0.55),
        u(-0.5, 0.5),
        u(0.0, 0.4),
        int(generator.integers(0, 13)),
    )
    s = np.linspace(0, 1, 60)
    side = (
        wide
        * np.sin(np.pi * s ** u(0.6, 1.0))
        * (1 + 0.12 * (teeth > 4) * np.abs(np.sin(np.pi * teeth * s)))
    )
    side = np.maximum(side, 0.01)
    x = 2 * s - 1
    outline = np.concatenate([np.stack([x, -side], axis=1), np.stack([x, side], axis=1)[::-1]])
    blade = lifted(slab(outline, 0.03), lambda a, b: bend * a**2 + fold * np.abs(b), generator)
    stalk = Tube(
        spline([(-0.95, 0, 0.9 * bend), (-1.2, 0, 1.1 * bend), (-1.5, 0, 1.1 * bend + 0.1)], 16),
        0.03,
    )
    looks = [
        grade(wide, 0.3, "narrow", 0.45, "broad"),
        grade(abs(bend), 0.15, "flat", 0.3, "curved"),
    ]
    has = ["a stalk", "a toothed edge" if teeth > 4 else "a smooth edge"]
    return join(blade, stalk), caption(generator, ["leaf", "tree leaf"], looks, has)


def _flower(generator: np.random.Generator) -> Made:
    u = generator.uniform
    count, long, wide, lift = int(generator.integers(4, 13)), u(0.4, 0.8), u(0.15, 0.4), u(-5, 45)
    petal = put(Ellipsoid((long / 2, min(wide, 1.6 / count), 0.04)), (0.15 + long / 2, 0, 0))
    tilt = put(petal, rotation=turn("y", -lift))
    parts = [
        ball(u(0.18, 0.28)),
        *(put(tilt, rotation=turn("z", 360 * i / count)) for i in range(count)),
    ]
    stemmed = generator.random() < 0.6
    if stemmed:
        parts.append(Tube(spline([(0, 0, 0), (0.05, 0, -0.6), (u(-0.3, 0.3), 0, -1.4)], 24), 0.05))
        parts.append(ellipsoid((0.3, 0.12, 0.03), (0.3, 0, -0.8), turn("y", -30)))
    looks = ["flat" if lift < 12 else "cup-shaped" if lift > 30 else "open"]
    return join(*parts), caption(
        generator,
        ["flower", "blossom", "daisy"],
        looks,
        [quantity(generator, count, "petal", "petals"), "a stem" if stemmed else ""],
    )


def _cactus(generator: np.random.Generator) -> Made:
    u = generator.uniform
    arms, tall, fat, potted = (
        int(generator.integers(0, 4)),
        u(1.2, 2.0),
        u(0.16, 0.28),
        generator.random() < 0.5,
    )
    s = np.linspace(0, tall, 20)
    trunk = Tube(np.stack([0 * s, 0 * s, s], axis=1), fat, rounded=True)
    parts: list[Solid] = [trunk]
    for i in range(arms):
        z, out, up = u(0.35, 0.6) * tall, fat + u(0.3, 0.45), u(0.3, 0.6)
        arm = Tube(
            flat_curve(
                spline([(0, z), (0.75 * out, z + 0.05), (out, z + 0.25), (out, z + 0.25 + up)], 30)
            ),
            0.62 * fat,
            rounded=True,
        )
        parts.append(put(arm, rotation=turn("z", 360 * i / max(arms, 1) + 20)))
    if potted:
        parts.append(lathe([(0.32, -0.45), (0.42, 0.15)]))
    looks = [grade(tall, 1.45, "small", 1.75, "tall"), grade(fat, 0.19, "slim", 0.24, "thick")]
    return join(*parts), caption(
        generator,
        "cactus",
        looks,
        [
            quantity(generator, arms, "arm", "arms") if arms else "no arms",
            "a pot" if potted else "",
        ],
    )


def _apple(generator: np.random.Generator) -> Made:
    u = generator.uniform
    dent, tall, pear = u(0.1, 0.3), u(0.8, 1.1), generator.random() < 0.35
    s = np.linspace(0, np.pi, 60)
    r = np.sin(s) * (1 + 0.1 * np.sin(s) ** 2)
    z = -np.cos(s) * tall - dent * 1.6 * (
        np.exp(-((s - np.pi) ** 2) * 6) - 0.5 * np.exp(-(s**2) * 6)
    )
    if pear:
        r = np.sin(s) * np.interp(-np.cos(s), [-1, -0.2, 0.5, 1], [0.85, 0.8, 0.45, 0.35])
        z = -np.cos(s) * 1.1
    stem = rod((0, 0, z[-1] - 0.1), (0.08, 0, float(z[-1]) + u(0.2, 0.45)), 0.05, 0.035)
    leafy = generator.random() < 0.4
    parts = [lathe(np.stack([r, z], axis=1)), stem]
    if leafy:
        parts.append(ellipsoid((0.25, 0.11, 0.025), (0.3, 0, float(z[-1]) + 0.2), turn("y", -20)))
    looks = ["" if pear else grade(tall, 0.88, "flat", 1.02, "tall")]
    return join(*parts), caption(
        generator,
        ["pear"] if pear else ["apple", "apple fruit"],
        looks,
        ["a stem", "a leaf" if leafy else "no leaf"],
    )


def _banana(generator: np.random.Generator) -> Made:
    u = generator.uniform
    fat, sweep = u(0.12, 0.22), u(50, 130)
    half = np.deg2rad(sweep) / 2
    path = arc(1.0 / half, -half - np.pi / 2, half - np.pi / 2, count=50)
    s = np.linspace(0, 1, 50)
    size = fat * np.interp(
        s, [0, 0.05, 0.2, 0.5, 0.85, 0.95, 1], [0.3, 0.35, 0.9, 1, 0.8, 0.35, 0.3]
    )
    looks = [
        grade(sweep, 75, "nearly straight", 105, "strongly bent"),
        grade(fat, 0.15, "slim", 0.19, "thick"),
    ]
    return Tube(flat_curve(path), size, power=2.4), caption(
        generator, "banana", looks, ["a stalk end"]
    )


def _carrot(generator: np.random.Generator) -> Made:
    u = generator.uniform
    fat, long, leaves, bend = u(0.14, 0.3), u(1.2, 2.0), int(generator.integers(2, 7)), u(-0.2, 0.2)
    s = np.linspace(0, 1, 40)
    path = np.stack([bend * s**2, 0 * s, -long * s], axis=1)
    size = (
        fat
        * np.interp(s, [0, 0.06, 0.3, 0.85, 1], [0.6, 1, 0.9, 0.3, 0.05])
        * (1 + 0.03 * np.sin(60 * s))
    )
    parts: list[Solid] = [Tube(path, size, up=(0, 1, 0))]
    for i in range(leaves):
        lean = 0.35 * np.array([np.cos(2.4 * i), np.sin(2.4 * i)])
        parts.append(rod((0, 0, -0.05), (*lean, u(0.4, 0.8)), 0.03, 0.06))
    looks = [grade(fat, 0.18, "thin", 0.25, "thick"), grade(long, 1.45, "short", 1.75, "long")]
    return join(*parts), caption(
        generator,
        ["carrot", "root vegetable"],
        looks,
        [quantity(generator, leaves, "leaf stalk", "leaf stalks"), "a pointed end"],
    )


def _pumpkin(generator: np.random.Generator) -> Made:
    u = generator.uniform
    ribs, tall, depth = int(generator.integers(7, 15)), u(0.6, 1.1), u(0.03, 0.09)

    def radius(d: Array) -> Array:
        ring = np.hypot(d[:, 0], d[:, 1])
        lobes = np.abs(np.cos(ribs * np.arctan2(d[:, 1], d[:, 0]) / 2))
        return (1 + depth * (2 * lobes**0.7 - 1) * ring) * (1 - 0.3 * np.exp(-8 * ring**2))

    stem = Tube(
        spline([(0, 0, 0.5 * tall), (0.05, 0, 0.9 * tall), (0.2, 0, 1.05 * tall)], 20),
        np.linspace(0.16, 0.08, 20),
    )
    looks = [grade(tall, 0.75, "flat", 0.95, "tall"), "ribbed"]
    return join(Star(radius, (1, 1, tall)), stem), caption(
        generator,
        ["pumpkin", "squash"],
        looks,
        [quantity(generator, ribs, "rib", "ribs"), "a stem"],
    )


PLANTS: dict[str, Maker] = {
    "mushroom": _mushroom,
    "tree": _tree,
    "leaf": _leaf,
    "flower": _flower,
    "cactus": _cactus,
    "apple": _apple,
    "banana": _banana,
    "carrot": _carrot,
    "pumpkin": _pumpkin,
}
"""Family name to maker."""

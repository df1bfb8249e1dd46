"""Birds, and what flies like them."""

from __future__ import annotations

import numpy as np

from plane_anomalib.generation.shapes.construction import (
    Made,
    Maker,
    ball,
    caption,
    cylinder,
    ellipsoid,
    grade,
    join,
    lathe,
    put,
    quantity,
    rod,
    slab,
    smooth_body,
    turn,
    turned_body,
)
from plane_anomalib.generation.shapes.outlines import spline
from plane_anomalib.generation.shapes.solids import Array, Solid
from plane_anomalib.generation.shapes.sweeps import Tube


def _wing(span: float, root: float, tip: float, sweep: float) -> Array:
    """Outline of a wing in x and y from the root at y = 0."""
    return np.array(
        [
            (root / 2, 0),
            (root / 2 - 0.1 * sweep, 0.4 * span),
            (tip / 2 - sweep, span),
            (-tip / 2 - sweep, span),
            (-root / 2, 0),
        ]
    )


def _bird(generator: np.random.Generator) -> Made:
    u = generator.uniform
    span, fat, beak, flying = u(0.5, 1.3), u(0.2, 0.32), u(0.1, 0.3), generator.random() < 0.6
    body = smooth_body(
        [-0.7, -0.4, 0.1, 0.5, 0.65],
        [0.03, 0.12, fat, 0.6 * fat, 0.02],
        [0.06, 0.12, fat, 0.6 * fat, 0.02],
    )
    head = ball(0.62 * fat, (0.58, 0, 0.55 * fat))
    bill = rod(
        (0.58 + 0.5 * fat, 0, 0.55 * fat), (0.58 + 0.6 * fat + beak, 0, 0.45 * fat), 0.05, 0.005
    )
    tail = put(slab([(0, -0.06), (0, 0.06), (-0.4, 0.16), (-0.4, -0.16)], 0.03), (-0.6, 0, 0))
    parts = [body, head, bill, tail]
    if flying:
        wing = _wing(span, 0.5, u(0.1, 0.3), u(0.0, 0.4))
        lift = u(-10, 30)
        for s in (-1, 1):
            flat = slab(wing * (1, s), 0.035)
            parts.append(put(flat, (0.1, 0.3 * fat * s, 0.05), turn("x", s * lift)))
    else:
        parts += [ellipsoid((0.4, 0.06, 0.17), (-0.1, s * 0.93 * fat, 0.02)) for s in (-1, 1)]
        parts += [
            rod((0.05, s * 0.1, -0.5 * fat), (0.08, s * 0.1, -fat - 0.25), 0.025) for s in (-1, 1)
        ]
    looks = ["flying" if flying else "standing", grade(fat, 0.24, "slim", 0.29, "plump")]
    has = [
        (grade(span, 0.75, "short wings", 1.05, "long wings") or "spread wings")
        if flying
        else "folded wings",
        grade(beak, 0.15, "a short beak", 0.24, "a long beak"),
    ]
    return join(*parts), caption(generator, "bird", looks, has)


def _duck(generator: np.random.Generator) -> Made:
    u = generator.uniform
    neck, head, fat = u(0.1, 0.45), u(0.2, 0.32), u(0.36, 0.48)
    top = 0.35 + neck
    parts: list[Solid] = [
        ellipsoid((0.7, fat, fat * 0.9)),
        ball(head, (0.45, 0, top + 0.1)),
        rod((0.4, 0, 0.1), (0.45, 0, top), 0.22, 0.14),
        ellipsoid((u(0.12, 0.22), 0.12, 0.04), (0.45 + head + 0.06, 0, top + 0.05)),
        rod((-0.5, 0, 0.1), (-0.85, 0, u(0.25, 0.45)), 0.2, 0.03),
    ]
    parts += [ellipsoid((0.35, 0.07, 0.2), (-0.1, s * 0.95 * fat, 0.1)) for s in (-1, 1)]
    looks = [grade(fat, 0.39, "slim", 0.45, "plump")]
    has = [
        grade(neck, 0.2, "a short neck", 0.35, "a long neck"),
        "a flat bill",
        grade(head, 0.23, "", 0.29, "a big head"),
    ]
    return join(*parts), caption(generator, ["duck", "toy duck", "bath duck"], looks, has)


def _chicken(generator: np.random.Generator) -> Made:
    u = generator.uniform
    fat, leg, tail = u(0.4, 0.55), u(0.15, 0.4), int(generator.integers(2, 5))
    parts: list[Solid] = [
        ellipsoid((0.62, fat * 0.85, fat), (0, 0, 0), turn("y", -15)),
        rod((0.35, 0, 0.15), (0.5, 0, 0.75), 0.28, 0.16),
        ball(0.2, (0.52, 0, 0.8)),
        rod((0.65, 0, 0.8), (0.86, 0, 0.74), 0.07, 0.01),
        ellipsoid((0.05, 0.03, 0.1), (0.68, 0, 0.62)),
    ]
    parts += [ellipsoid((0.07, 0.03, 0.09), (0.42 + 0.09 * i, 0, 0.99)) for i in range(3)]
    for i in range(tail):
        tip = (-0.75 - 0.1 * i, 0, 0.25 + 0.25 * i)
        parts.append(rod((-0.4, 0, 0.1), tip, 0.14, 0.05))
    for s in (-1, 1):
        parts.append(ellipsoid((0.32, 0.08, 0.2), (-0.05, s * fat * 0.82, 0.05)))
        parts.append(rod((0, s * 0.16, -0.7 * fat), (0, s * 0.16, -fat - leg), 0.035))
        parts.append(ellipsoid((0.14, 0.09, 0.03), (0.06, s * 0.16, -fat - leg)))
    looks = [grade(fat, 0.44, "slim", 0.5, "plump")]
    has = [
        "a crest",
        quantity(generator, tail, "tail feather", "tail feathers"),
        grade(leg, 0.22, "short legs", 0.32, "long legs"),
    ]
    return join(*parts), caption(generator, ["chicken", "hen", "toy chicken"], looks, has)


def _owl(generator: np.random.Generator) -> Made:
    u = generator.uniform
    fat, tall = u(0.36, 0.5), u(1.0, 1.4)
    body = turned_body(
        np.array([0, 0.05, 0.4, 0.65, 0.95, 1]) * tall, [0.2, 0.28, fat, 0.8 * fat, 0.6 * fat, 0.02]
    )
    parts: list[Solid] = [body]
    for s in (-1, 1):
        parts += [cylinder(0.13, 0.1, (0.72 * fat, s * 0.14, 0.78 * tall), "x")]
        parts += [
            rod((0.1, s * 0.2, 0.9 * tall), (0.12, s * 0.28, tall + u(0.05, 0.15)), 0.08, 0.01)
        ]
        parts += [ellipsoid((0.2, 0.06, 0.3 * tall), (-0.05, s * 0.95 * fat, 0.42 * tall))]
        parts += [ellipsoid((0.1, 0.08, 0.05), (0.25, s * 0.12, 0.03))]
    parts.append(rod((0.6 * fat, 0, 0.7 * tall), (1.1 * fat, 0, 0.64 * tall), 0.06, 0.01))
    looks = [grade(fat, 0.4, "slim", 0.46, "plump"), grade(tall, 1.12, "small", 1.3, "tall")]
    return join(*parts), caption(
        generator, ["owl", "toy owl"], looks, ["large eyes", "ear tufts", "folded wings"]
    )


def _butterfly(generator: np.random.Generator) -> Made:
    u = generator.uniform
    span, low, fold = u(0.7, 1.1), u(0.4, 0.75), u(0.0, 0.9)
    x, y = [0.05, 0.55, 0.7, 0.25, 0, -0.05], np.array([0, 0.5, 1, 0.95, 0.5, 0])
    upper = spline(np.stack([x, y * span], axis=1), 40)
    x, y = [0.05, 0.0, -0.25, -0.65, -0.5, -0.15], np.array([0, 0.5, 1, 0.75, 0.2, 0])
    lower = spline(np.stack([x, y * low], axis=1), 40)
    tilt = np.rad2deg(np.arctan(fold))
    parts: list[Solid] = [
        smooth_body([-0.55, -0.2, 0.2, 0.4], [0.02, 0.06, 0.07, 0.02], [0.02, 0.06, 0.07, 0.02]),
        ball(0.08, (0.42, 0, 0)),
    ]
    for s in (-1, 1):
        for outline, thick in ((upper, 0.03), (lower, 0.028)):
            parts.append(put(slab(outline * (1, s), thick), rotation=turn("x", s * tilt)))
        parts.append(rod((0.45, s * 0.02, 0), (0.75, s * 0.2, 0.1), 0.012))
    looks = ["flat" if fold < 0.2 else ""]
    has = [
        "two feelers",
        grade(span, 0.8, "narrow wings", 1.0, "broad wings") or "four wings",
        "raised wings" if fold > 0.5 else "",
    ]
    return join(*parts), caption(generator, "butterfly", looks, has)


BIRDS: dict[str, Maker] = {
    "bird": _bird,
    "duck": _duck,
    "chicken": _chicken,
    "owl": _owl,
    "butterfly": _butterfly,
}
"""Family name to maker."""


def _four_legged(generator: np.random.Generator) -> Made:
    u = generator.uniform
    leg, fat, neck, tail = u(0.25, 0.8), u(0.2, 0.42), u(0.15, 0.8), u(0.1, 0.6)
    horned = generator.random() < 0.3
    z = leg + fat
    head = (0.75 + 0.3 * neck, 0.0, z + 0.2 + neck)
    parts = [
        ellipsoid((0.72, fat * 0.85, fat), (0, 0, z)),
        rod((0.45, 0, z), head, fat * 0.65, fat * 0.4),
        ellipsoid((0.25, 0.15, 0.16), (head[0] + 0.1, 0, head[2]), turn("y", 20)),
        rod((-0.6, 0, z + 0.1), (-0.75 - 0.5 * tail, 0, z + u(-0.5, 0.5) * tail), 0.05, 0.03),
    ]
    for s in (-1, 1):
        parts += [
            rod((x, s * 0.6 * fat, z - 0.2), (x, s * 0.6 * fat, 0), 0.11, 0.07)
            for x in (-0.42, 0.42)
        ]
        ear = (head[0] - 0.05, s * 0.16, head[2] + u(0.2, 0.35))
        parts.append(rod((head[0], s * 0.08, head[2] + 0.05), ear, 0.06, 0.02))
        if horned:
            tip = (head[0] - 0.1, s * 0.35, head[2] + 0.5)
            parts.append(rod((head[0] + 0.08, s * 0.06, head[2] + 0.08), tip, 0.04, 0.01))
    looks = [grade(fat, 0.27, "slim", 0.36, "fat")]
    has = [
        grade(leg, 0.4, "short legs", 0.62, "long legs") or "four legs",
        grade(neck, 0.3, "a short neck", 0.6, "a long neck"),
        "horns" if horned else grade(tail, 0.2, "a short tail", 0.45, "a long tail"),
    ]
    return join(*parts), caption(
        generator,
        ["four-legged animal", "toy animal", "toy cow" if horned else "toy dog"],
        looks,
        has,
    )


def _snake(generator: np.random.Generator) -> Made:
    u = generator.uniform
    bends, thick, sway = u(1.5, 4.0), u(0.05, 0.12), u(0.2, 0.45)
    coiled = generator.random() < 0.35
    s = np.linspace(0, 1, 160)
    if coiled:
        angle = 2 * np.pi * bends * s
        path = np.stack(
            [
                (0.3 + 0.4 * s) * np.cos(angle),
                (0.3 + 0.4 * s) * np.sin(angle),
                (1 - s) * bends * 2.2 * thick,
            ],
            axis=1,
        )
    else:
        path = np.stack([2.4 * s, sway * np.sin(2 * np.pi * bends * s), 0 * s], axis=1)
    size = thick * np.interp(s, [0, 0.04, 0.1, 0.5, 1], [1.2, 1.3, 0.9, 1, 0.1])
    looks = ["coiled" if coiled else "winding", grade(thick, 0.07, "thin", 0.1, "thick")]
    has = [f"about {quantity(generator, max(2, round(bends)), 'turn', 'turns')}"]
    return Tube(path, size * 0.85, size, rounded=True, up=(0, 0, 1)), caption(
        generator, "snake", looks, has
    )


def _caterpillar(generator: np.random.Generator) -> Made:
    u = generator.uniform
    rings, size, arch = int(generator.integers(4, 11)), u(0.18, 0.3), u(0.0, 0.6)
    x = np.linspace(-1, 1, rings)
    step = 2 / (rings - 1)
    radius = max(size, 0.56 * step)
    z = arch * np.cos(np.pi * x / 2)
    parts = [ball(radius * u(0.9, 1.05), (a, 0, b)) for a, b in zip(x, z, strict=True)]
    parts.append(ball(radius * 1.2, (1 + 0.3 * step, 0, z[-1] + 0.1)))
    parts += [
        rod(
            (1 + 0.3 * step, s * 0.08, z[-1]),
            (1.1 + 0.3 * step, s * 0.2, z[-1] + 1.9 * radius),
            0.03,
        )
        for s in (-1, 1)
    ]
    looks = [grade(arch, 0.2, "straight", 0.4, "arched")]
    return join(*parts), caption(
        generator,
        ["caterpillar", "worm of balls"],
        looks,
        [quantity(generator, rings, "ring", "rings"), "two feelers"],
    )


def _doll(generator: np.random.Generator) -> Made:
    u = generator.uniform
    head, fat, leg, lift = u(0.18, 0.32), u(0.18, 0.3), u(0.4, 0.8), u(-70, 60)
    skirt = generator.random() < 0.35
    z = leg + 0.35
    body: Solid = ellipsoid((fat * 0.75, fat, 0.4), (0, 0, z))
    if skirt:
        body = lathe([(fat * u(1.5, 2.2), leg * 0.5), (fat * 0.8, z + 0.1), (fat * 0.75, z + 0.3)])
    parts = [body, ball(head, (0, 0, z + 0.35 + head)), rod((0, 0, z), (0, 0, z + 0.45), 0.09)]
    rise = np.deg2rad(lift)
    for s in (-1, 1):
        y = s * fat * 0.75
        parts.append(
            rod(
                (0, y, z + 0.22),
                (0, y + s * 0.55 * np.cos(rise), z + 0.22 + 0.55 * np.sin(rise)),
                0.08,
                0.06,
            )
        )
        parts.append(rod((0, s * 0.12, z - 0.2), (0, s * 0.15, 0.05), 0.1, 0.08))
        parts.append(ellipsoid((0.16, 0.08, 0.06), (0.06, s * 0.15, 0.05)))
    looks = [grade(fat, 0.21, "slim", 0.27, "stout")]
    has = [
        "raised arms" if lift > 20 else "lowered arms" if lift < -30 else "outstretched arms",
        grade(head, 0.22, "a small head", 0.28, "a big head"),
        "a skirt" if skirt else "",
    ]
    return join(*parts), caption(generator, ["doll", "toy figure", "human figure"], looks, has)


def _snowman(generator: np.random.Generator) -> Made:
    u = generator.uniform
    balls, ratio, hatted = int(generator.integers(2, 5)), u(0.65, 0.88), generator.random() < 0.6
    z, radius = 0.0, 0.5
    parts: list[Solid] = []
    for i in range(balls):
        parts.append(ball(radius, (0, 0, z)))
        if i < balls - 1:
            z += radius * 0.75 + radius * ratio * 0.75
            radius *= ratio
    parts.append(rod((0.8 * radius, 0, z), (radius + u(0.15, 0.35), 0, z), 0.06, 0.01))
    if hatted:
        parts.append(cylinder(0.95 * radius, 0.05, (0, 0, z + 0.75 * radius)))
        parts.append(cylinder(0.6 * radius, 0.6 * radius, (0, 0, z + radius)))
    arms = generator.random() < 0.5
    if arms:
        middle = parts[max(0, balls - 2)].high[2] - 0.3
        parts += [rod((0, s * 0.2, middle), (0, s * 0.85, middle + 0.3), 0.04) for s in (-1, 1)]
    has = [
        quantity(generator, balls, "ball", "balls"),
        "a hat" if hatted else "",
        "stick arms" if arms else "",
    ]
    return join(*parts), caption(generator, "snowman", [grade(balls, 3, "short", 3, "tall")], has)


CREATURES: dict[str, Maker] = {
    "four-legged animal": _four_legged,
    "snake": _snake,
    "caterpillar": _caterpillar,
    "toy figure": _doll,
    "snowman": _snowman,
}
"""Family name to maker."""

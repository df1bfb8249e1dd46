"""Other animals and figures, as toys show them."""

from __future__ import annotations

import numpy as np

from plane_anomalib.generation.shapes.build import (
    ball,
    cylinder,
    ellipsoid,
    join,
    lathe,
    rod,
    turn,
)
from plane_anomalib.generation.shapes.families.kinds import Made, Maker
from plane_anomalib.generation.shapes.solid import Solid
from plane_anomalib.generation.shapes.tube import Tube
from plane_anomalib.generation.shapes.wording import caption, grade, quantity


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

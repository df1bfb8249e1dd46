"""Animals and figures, as toys show them."""

from __future__ import annotations

import numpy as np

from plane_anomalib.pretraining.shapes.build import (
    ball,
    cylinder,
    ellipsoid,
    join,
    lathe,
    lifted,
    mirror_pair,
    put,
    ring_of,
    rod,
    slab,
    standing,
    turn,
    turned_body,
)
from plane_anomalib.pretraining.shapes.families.kinds import Made, Maker
from plane_anomalib.pretraining.shapes.outlines import (
    flat_curve,
    oval,
    spline,
    steady,
)
from plane_anomalib.pretraining.shapes.solid import Array, Solid
from plane_anomalib.pretraining.shapes.tube import Tube
from plane_anomalib.pretraining.shapes.wording import caption, grade, quantity


def _body(x: list[float], tall: list[float], wide: list[float]) -> Tube:
    """A body along x with smooth half heights and half widths."""
    place, high = steady(x, tall)
    spine = np.stack([place, 0 * place, 0 * place], axis=1)
    return Tube(spine, high, steady(x, wide)[1], up=(0, 0, 1))


def _wing(span: float, root: float, tip: float, sweep: float) -> Array:
    """Outline of a wing in x and y from the root at y = 0."""
    return np.array(
        [(root / 2, 0), (root / 2 - 0.1 * sweep, 0.4 * span), (tip / 2 - sweep, span)]
        + [(-tip / 2 - sweep, span), (-root / 2, 0)]
    )


def fish(rng: np.random.Generator) -> Made:
    u = rng.uniform
    tall, wide, tail = u(0.2, 0.48), u(0.08, 0.2), u(0.2, 0.45)
    body = _body([-1, -0.7, 0, 0.6, 0.95, 1.0], [0.06, 0.09, tall, 0.85 * tall, 0.15 * tall, 0.01], [0.02, 0.04, wide, wide, 0.05, 0.01])
    fork = u(0.0, 0.2)
    caudal = standing([(-0.95, 0.04), (-1.3, tail), (-1.3 + fork, 0), (-1.3, -tail), (-0.95, -0.04)], 0.03)
    start, rise = u(-0.1, 0.3), u(0.1, 0.3)
    dorsal = standing([(start, 0.6 * tall), (start - 0.15, tall + rise), (-0.45, tall + 0.6 * rise), (-0.55, 0.03)], 0.03)
    fin = put(slab(oval(0.18, 0.1), 0.02), (0.25, 0, -0.3 * tall), turn("x", 30))
    parts = [body, caudal, dorsal, mirror_pair(lambda s: put(fin, (0, s * wide, 0), turn("x", -60) if s > 0 else None))]
    looks = [grade(tall, 0.28, "slender", 0.4, "high-backed"), grade(wide, 0.11, "flat", 0.16, "plump")]
    has = [grade(tail, 0.28, "a small tail fin", 0.38, "a large tail fin") or "a tail fin", "a dorsal fin"]
    return join(*parts), caption(rng, "fish", looks, has)


def bird(rng: np.random.Generator) -> Made:
    u = rng.uniform
    span, fat, beak, flying = u(0.5, 1.3), u(0.2, 0.32), u(0.1, 0.3), rng.random() < 0.6
    body = _body([-0.7, -0.4, 0.1, 0.5, 0.65], [0.03, 0.12, fat, 0.6 * fat, 0.02], [0.06, 0.12, fat, 0.6 * fat, 0.02])
    head = ball(0.62 * fat, (0.58, 0, 0.55 * fat))
    bill = rod((0.58 + 0.5 * fat, 0, 0.55 * fat), (0.58 + 0.6 * fat + beak, 0, 0.45 * fat), 0.05, 0.005)
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
        parts += [rod((0.05, s * 0.1, -0.5 * fat), (0.08, s * 0.1, -fat - 0.25), 0.025) for s in (-1, 1)]
    looks = ["flying" if flying else "standing", grade(fat, 0.24, "slim", 0.29, "plump")]
    has = [
        (grade(span, 0.75, "short wings", 1.05, "long wings") or "spread wings") if flying else "folded wings",
        grade(beak, 0.15, "a short beak", 0.24, "a long beak"),
    ]
    return join(*parts), caption(rng, "bird", looks, has)


def duck(rng: np.random.Generator) -> Made:
    u = rng.uniform
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
    has = [grade(neck, 0.2, "a short neck", 0.35, "a long neck"), "a flat bill", grade(head, 0.23, "", 0.29, "a big head")]
    return join(*parts), caption(rng, ["duck", "toy duck", "bath duck"], looks, has)


def chicken(rng: np.random.Generator) -> Made:
    u = rng.uniform
    fat, leg, tail = u(0.4, 0.55), u(0.15, 0.4), int(rng.integers(2, 5))
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
    has = ["a comb", quantity(rng, tail, "tail feather", "tail feathers"), grade(leg, 0.22, "short legs", 0.32, "long legs")]
    return join(*parts), caption(rng, ["chicken", "hen", "toy chicken"], looks, has)


def starfish(rng: np.random.Generator) -> Made:
    u = rng.uniform
    arms, thick, curl = int(rng.integers(4, 9)), u(0.1, 0.22), u(-0.4, 0.4)
    # Beyond the core, of radius start, neighbouring arms no longer touch.
    half_gap = np.tan(np.pi / arms)
    fat = min(u(0.16, 0.34), 0.42 * half_gap)
    start = 1.02 * fat / half_gap
    s = np.linspace(0, 1, 20)
    spine = np.stack([start + s * (1.1 - start), curl * s**2 * 0.4, -0.1 * s**2], axis=1)
    arm = Tube(spine, thick * (1 - 0.8 * s), fat * (1 - 0.85 * s), up=(0, 0, 1))
    core = ellipsoid((start * 1.4, start * 1.4, thick * 1.3))
    solid = join(core, ring_of(arm, arms), ring_of(ball(0.18 * thick, spine[-1]), arms))
    looks = [grade(fat, 0.2, "slender", 0.28, "plump"), grade(abs(curl), 0, "", 0.25, "curled")]
    return solid, caption(rng, ["starfish", "sea star"], looks, [quantity(rng, arms, "arm", "arms")])


def seahorse(rng: np.random.Generator) -> Made:
    u = rng.uniform
    belly, curl, snout, coils = u(0.16, 0.28), u(0.2, 0.32), u(0.25, 0.45), u(1.0, 1.6)
    angle = np.linspace(-np.pi / 2, -np.pi / 2 - coils * 2 * np.pi, 50)
    radius = np.linspace(curl, 0.25 * curl, 50)
    spiral = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    spiral += (curl - 0.05, 0) - spiral[0] + (-0.35, -0.75)
    way = spline([(-0.05, 1.0), (-0.15, 0.8), (-0.18, 0.5), (0.1, 0.1), (0.05, -0.35), (-0.15, -0.7), spiral[0]], 60)
    path = np.concatenate([way[:-1], spiral])
    place = np.linspace(0, 1, len(path))
    size = np.interp(place, [0, 0.08, 0.16, 0.28, 0.42, 0.6, 1], [0.12, 0.1, 0.11, belly, 0.14, 0.07, 0.02])
    parts = [
        Tube(flat_curve(path), size * 0.8, size, rounded=True),
        ellipsoid((0.2, 0.12, 0.15), (0.0, 0, 1.0), turn("y", 15)),
        rod((0.1, 0, 0.97), (0.15 + snout, 0, 0.85), 0.06, 0.05),
        standing([(-0.1, 0.6), (-0.4, 0.5), (-0.38, 0.2), (0.0, 0.0)], 0.03),
        standing([(-0.1, 1.1), (-0.05, 1.25), (0.05, 1.2), (0.08, 1.1)], 0.05),
    ]
    looks = [grade(belly, 0.2, "slim", 0.24, "plump")]
    has = [grade(snout, 0.31, "a short snout", 0.39, "a long snout"), "a curled tail", "a back fin"]
    return join(*parts), caption(rng, ["seahorse", "sea horse"], looks, has)


def four_legged(rng: np.random.Generator) -> Made:
    u = rng.uniform
    leg, fat, neck, tail = u(0.25, 0.8), u(0.2, 0.42), u(0.15, 0.8), u(0.1, 0.6)
    horned = rng.random() < 0.3
    z = leg + fat
    head = (0.75 + 0.3 * neck, 0.0, z + 0.2 + neck)
    parts = [
        ellipsoid((0.72, fat * 0.85, fat), (0, 0, z)),
        rod((0.45, 0, z), head, fat * 0.65, fat * 0.4),
        ellipsoid((0.25, 0.15, 0.16), (head[0] + 0.1, 0, head[2]), turn("y", 20)),
        rod((-0.6, 0, z + 0.1), (-0.75 - 0.5 * tail, 0, z + u(-0.5, 0.5) * tail), 0.05, 0.03),
    ]
    for s in (-1, 1):
        parts += [rod((x, s * 0.6 * fat, z - 0.2), (x, s * 0.6 * fat, 0), 0.11, 0.07) for x in (-0.42, 0.42)]
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
    return join(*parts), caption(rng, ["four-legged animal", "toy animal", "toy cow" if horned else "toy dog"], looks, has)


def turtle(rng: np.random.Generator) -> Made:
    u = rng.uniform
    rise, neck = u(0.25, 0.6), u(0.15, 0.4)
    s = np.linspace(0, np.pi / 2, 20)
    shell = lathe(np.concatenate([[(0.9, -0.08)], np.stack([np.cos(s), rise * np.sin(s)], axis=1)]))
    front = 0.95 + neck
    parts = [shell, rod((0.7, 0, 0), (front, 0, 0.1), 0.16, 0.14), ellipsoid((0.22, 0.17, 0.16), (front + 0.08, 0, 0.12))]
    parts.append(rod((-0.9, 0, -0.02), (-1.2, 0, -0.05), 0.08, 0.01))
    for x, s_ in ((0.55, 1), (0.55, -1), (-0.55, 1), (-0.55, -1)):
        parts.append(ellipsoid((0.3, 0.14, 0.08), (x * 1.1, s_ * 0.85, -0.1), turn("z", s_ * (40 if x > 0 else 140))))
    looks = [grade(rise, 0.35, "flat", 0.48, "domed")]
    has = [grade(neck, 0.22, "a short neck", 0.32, "a long neck"), "four flippers", "a round shell"]
    return join(*parts), caption(rng, ["turtle", "tortoise"], looks, has)


def snake(rng: np.random.Generator) -> Made:
    u = rng.uniform
    bends, thick, sway = u(1.5, 4.0), u(0.05, 0.12), u(0.2, 0.45)
    coiled = rng.random() < 0.35
    s = np.linspace(0, 1, 160)
    if coiled:
        angle = 2 * np.pi * bends * s
        path = np.stack([(0.3 + 0.4 * s) * np.cos(angle), (0.3 + 0.4 * s) * np.sin(angle), (1 - s) * bends * 2.2 * thick], axis=1)
    else:
        path = np.stack([2.4 * s, sway * np.sin(2 * np.pi * bends * s), 0 * s], axis=1)
    size = thick * np.interp(s, [0, 0.04, 0.1, 0.5, 1], [1.2, 1.3, 0.9, 1, 0.1])
    looks = ["coiled" if coiled else "winding", grade(thick, 0.07, "thin", 0.1, "thick")]
    has = [f"about {quantity(rng, max(2, round(bends)), 'turn', 'turns')}"]
    return Tube(path, size * 0.85, size, rounded=True, up=(0, 0, 1)), caption(rng, "snake", looks, has)


def caterpillar(rng: np.random.Generator) -> Made:
    u = rng.uniform
    rings, size, arch = int(rng.integers(4, 11)), u(0.18, 0.3), u(0.0, 0.6)
    x = np.linspace(-1, 1, rings)
    step = 2 / (rings - 1)
    radius = max(size, 0.56 * step)
    z = arch * np.cos(np.pi * x / 2)
    parts = [ball(radius * u(0.9, 1.05), (a, 0, b)) for a, b in zip(x, z, strict=True)]
    parts.append(ball(radius * 1.2, (1 + 0.3 * step, 0, z[-1] + 0.1)))
    parts += [rod((1 + 0.3 * step, s * 0.08, z[-1]), (1.1 + 0.3 * step, s * 0.2, z[-1] + 1.9 * radius), 0.03) for s in (-1, 1)]
    looks = [grade(arch, 0.2, "straight", 0.4, "arched")]
    return join(*parts), caption(rng, ["caterpillar", "worm of balls"], looks, [quantity(rng, rings, "ring", "rings"), "two feelers"])


def octopus(rng: np.random.Generator) -> Made:
    u = rng.uniform
    arms, tall, reach, thick = int(rng.integers(5, 10)), u(0.4, 0.8), u(0.6, 1.2), u(0.06, 0.12)
    arm_path = spline([(0.25, 0, -0.2), (0.25 + 0.5 * reach, 0, -u(0.3, 0.7)), (0.25 + reach, 0, -0.4), (0.3 + reach, 0, -0.15)], 30)
    arm = Tube(arm_path, np.linspace(thick, 0.3 * thick, 30), rounded=True, up=(0, 1, 0))
    parts = [ellipsoid((0.42, 0.42, tall), (0, 0, 0.3 * tall)), ring_of(arm, arms)]
    parts += [ball(0.09, (0.38, s * 0.17, 0.2)) for s in (-1, 1)]
    looks = [grade(tall, 0.5, "", 0.65, "tall")]
    has = [quantity(rng, arms, "arm", "arms"), grade(reach, 0.75, "short arms", 1.0, "long arms")]
    return join(*parts), caption(rng, ["octopus", "squid", "toy octopus"], looks, has)


def butterfly(rng: np.random.Generator) -> Made:
    u = rng.uniform
    span, low, fold = u(0.7, 1.1), u(0.4, 0.75), u(0.0, 0.9)
    upper = spline([(0.05, 0), (0.55, 0.5 * span), (0.7, span), (0.25, 0.95 * span), (0, 0.5 * span), (-0.05, 0.0)], 40)
    lower = spline([(0.05, 0), (0.0, 0.5 * low), (-0.25, low), (-0.65, 0.75 * low), (-0.5, 0.2 * low), (-0.15, 0.0)], 40)
    tilt = np.rad2deg(np.arctan(fold))
    parts: list[Solid] = [_body([-0.55, -0.2, 0.2, 0.4], [0.02, 0.06, 0.07, 0.02], [0.02, 0.06, 0.07, 0.02]), ball(0.08, (0.42, 0, 0))]
    for s in (-1, 1):
        for outline, thick in ((upper, 0.03), (lower, 0.028)):
            parts.append(put(slab(outline * (1, s), thick), rotation=turn("x", s * tilt)))
        parts.append(rod((0.45, s * 0.02, 0), (0.75, s * 0.2, 0.1), 0.012))
    looks = ["flat" if fold < 0.2 else ""]
    has = ["two feelers", grade(span, 0.8, "narrow wings", 1.0, "broad wings") or "four wings", "raised wings" if fold > 0.5 else ""]
    return join(*parts), caption(rng, "butterfly", looks, has)


def doll(rng: np.random.Generator) -> Made:
    u = rng.uniform
    head, fat, leg, lift = u(0.18, 0.32), u(0.18, 0.3), u(0.4, 0.8), u(-70, 60)
    skirt = rng.random() < 0.35
    z = leg + 0.35
    body: Solid = ellipsoid((fat * 0.75, fat, 0.4), (0, 0, z))
    if skirt:
        body = lathe([(fat * u(1.5, 2.2), leg * 0.5), (fat * 0.8, z + 0.1), (fat * 0.75, z + 0.3)])
    parts = [body, ball(head, (0, 0, z + 0.35 + head)), rod((0, 0, z), (0, 0, z + 0.45), 0.09)]
    rise = np.deg2rad(lift)
    for s in (-1, 1):
        y = s * fat * 0.75
        parts.append(rod((0, y, z + 0.22), (0, y + s * 0.55 * np.cos(rise), z + 0.22 + 0.55 * np.sin(rise)), 0.08, 0.06))
        parts.append(rod((0, s * 0.12, z - 0.2), (0, s * 0.15, 0.05), 0.1, 0.08))
        parts.append(ellipsoid((0.16, 0.08, 0.06), (0.06, s * 0.15, 0.05)))
    looks = [grade(fat, 0.21, "slim", 0.27, "stout")]
    has = ["raised arms" if lift > 20 else "lowered arms" if lift < -30 else "outstretched arms", grade(head, 0.22, "a small head", 0.28, "a big head"), "a skirt" if skirt else ""]
    return join(*parts), caption(rng, ["doll", "toy figure", "human figure"], looks, has)


def snowman(rng: np.random.Generator) -> Made:
    u = rng.uniform
    balls, ratio, hatted = int(rng.integers(2, 5)), u(0.65, 0.88), rng.random() < 0.6
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
    arms = rng.random() < 0.5
    if arms:
        middle = parts[max(0, balls - 2)].high[2] - 0.3
        parts += [rod((0, s * 0.2, middle), (0, s * 0.85, middle + 0.3), 0.04) for s in (-1, 1)]
    has = [quantity(rng, balls, "ball", "balls"), "a hat" if hatted else "", "stick arms" if arms else ""]
    return join(*parts), caption(rng, "snowman", [grade(balls, 3, "short", 3, "tall")], has)


def spiral_shell(rng: np.random.Generator) -> Made:
    u = rng.uniform
    turns, growth, rise, thick = u(2.0, 4.0), u(0.12, 0.3), u(0.0, 1.6), u(0.75, 1.0)
    angle = np.linspace(0, 2 * np.pi * turns, int(36 * turns))
    radius = np.exp(growth * (angle - angle[-1]))
    path = np.stack([radius * np.cos(angle), radius * np.sin(angle), -rise * radius], axis=1)
    # Neighbouring whorls almost touch.
    shrink = np.exp(-2 * np.pi * growth)
    size = 0.97 * radius * (1 - shrink) / (1 + shrink)
    shell = Tube(path, size * thick, size, up=(0, 0, 1))
    looks = [grade(rise, 0.4, "flat", 1.0, "pointed"), "spiral"]
    has = [f"about {quantity(rng, round(turns), 'whorl', 'whorls')}"]
    return shell, caption(rng, ["snail shell", "sea snail shell", "spiral shell"], looks, has)


def scallop(rng: np.random.Generator) -> Made:
    u = rng.uniform
    ribs, depth, spread = int(rng.integers(7, 17)), u(0.15, 0.4), u(1.0, 1.35)
    angle = np.linspace(-spread, spread, 90)
    edge = 1 + 0.03 * np.cos(2 * ribs * angle * np.pi / spread / 2)
    fan = np.stack([edge * np.sin(angle), edge * np.cos(angle)], axis=1)
    hinge = [(-0.25, -0.02), (-0.25, -0.15), (0.25, -0.15), (0.25, -0.02)]

    def height(x: Array, y: Array) -> Array:
        r, a = np.hypot(x, y), np.arctan2(x, np.maximum(y, 1e-6))
        dome = depth * np.sin(np.pi * np.clip(0.1 + 0.85 * r, 0, 1)) * (1 - 0.3 * (a / spread) ** 2)
        return dome + 0.03 * r * np.cos(2 * np.pi * ribs * np.clip(a, -spread, spread) / (2 * spread))

    solid = lifted(slab(np.concatenate([hinge[:2], hinge[2:], fan[::-1]]), 0.05), height, rng)
    looks = [grade(depth, 0.22, "flat", 0.32, "domed"), "ribbed"]
    has = [f"about {quantity(rng, ribs, 'rib', 'ribs')}", "a wavy edge"]
    return solid, caption(rng, ["seashell", "scallop shell", "shell"], looks, has)


def jellyfish(rng: np.random.Generator) -> Made:
    u = rng.uniform
    arms, rise, long = int(rng.integers(5, 13)), u(0.35, 0.8), u(0.6, 1.5)
    s = np.linspace(0, np.pi / 2, 20)
    dome = lathe(np.concatenate([[(0.0, 0.1 * rise), (0.5, 0.0), (0.95, -0.05)], np.stack([np.cos(s), rise * np.sin(s)], axis=1)]))
    z = np.linspace(0.02, -long, 40)
    wave = Tube(np.stack([0.7 + 0.08 * np.sin(9 * z), 0 * z, z], axis=1), np.linspace(0.05, 0.02, 40), up=(0, 1, 0))
    looks = [grade(rise, 0.48, "flat", 0.65, "domed")]
    has = [quantity(rng, arms, "tentacle", "tentacles"), grade(long, 0.85, "short tentacles", 1.2, "long tentacles")]
    return join(dome, ring_of(wave, arms)), caption(rng, ["jellyfish", "medusa"], looks, has)


def owl(rng: np.random.Generator) -> Made:
    u = rng.uniform
    fat, tall = u(0.36, 0.5), u(1.0, 1.4)
    body = turned_body(np.array([0, 0.05, 0.4, 0.65, 0.95, 1]) * tall, [0.2, 0.28, fat, 0.8 * fat, 0.6 * fat, 0.02])
    parts = [body]
    for s in (-1, 1):
        parts += [cylinder(0.13, 0.1, (0.72 * fat, s * 0.14, 0.78 * tall), "x")]
        parts += [rod((0.1, s * 0.2, 0.9 * tall), (0.12, s * 0.28, tall + u(0.05, 0.15)), 0.08, 0.01)]
        parts += [ellipsoid((0.2, 0.06, 0.3 * tall), (-0.05, s * 0.95 * fat, 0.42 * tall))]
        parts += [ellipsoid((0.1, 0.08, 0.05), (0.25, s * 0.12, 0.03))]
    parts.append(rod((0.6 * fat, 0, 0.7 * tall), (1.1 * fat, 0, 0.64 * tall), 0.06, 0.01))
    looks = [grade(fat, 0.4, "slim", 0.46, "plump"), grade(tall, 1.12, "small", 1.3, "tall")]
    return join(*parts), caption(rng, ["owl", "toy owl"], looks, ["large eyes", "ear tufts", "folded wings"])


ANIMALS: dict[str, Maker] = {
    "fish": fish,
    "bird": bird,
    "duck": duck,
    "chicken": chicken,
    "starfish": starfish,
    "seahorse": seahorse,
    "four-legged animal": four_legged,
    "turtle": turtle,
    "snake": snake,
    "caterpillar": caterpillar,
    "octopus": octopus,
    "butterfly": butterfly,
    "toy figure": doll,
    "snowman": snowman,
    "snail shell": spiral_shell,
    "seashell": scallop,
    "jellyfish": jellyfish,
    "owl": owl,
}
"""Family name to maker."""

"""Animals of the sea."""

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
    mirror_pair,
    put,
    quantity,
    ring_of,
    rod,
    slab,
    smooth_body,
    standing,
    turn,
)
from plane_anomalib.generation.shapes.outlines import flat_curve, oval, spline
from plane_anomalib.generation.shapes.solids import Array
from plane_anomalib.generation.shapes.sweeps import Tube


def _fish(generator: np.random.Generator) -> Made:
    u = generator.uniform
    tall, wide, tail = u(0.2, 0.48), u(0.08, 0.2), u(0.2, 0.45)
    body = smooth_body(
        [-1, -0.7, 0, 0.6, 0.95, 1.0],
        [0.06, 0.09, tall, 0.85 * tall, 0.15 * tall, 0.01],
        [0.02, 0.04, wide, wide, 0.05, 0.01],
    )
    fork = u(0.0, 0.2)
    caudal = standing(
        [(-0.95, 0.04), (-1.3, tail), (-1.3 + fork, 0), (-1.3, -tail), (-0.95, -0.04)], 0.03
    )
    start, rise = u(-0.1, 0.3), u(0.1, 0.3)
    dorsal = standing(
        [
            (start, 0.6 * tall),
            (start - 0.15, tall + rise),
            (-0.45, tall + 0.6 * rise),
            (-0.55, 0.03),
        ],
        0.03,
    )
    fin = put(slab(oval(0.18, 0.1), 0.02), (0.25, 0, -0.3 * tall), turn("x", 30))
    parts = [
        body,
        caudal,
        dorsal,
        mirror_pair(lambda s: put(fin, (0, s * wide, 0), turn("x", -60) if s > 0 else None)),
    ]
    looks = [
        grade(tall, 0.28, "slender", 0.4, "high-backed"),
        grade(wide, 0.11, "flat", 0.16, "plump"),
    ]
    has = [
        grade(tail, 0.28, "a small tail fin", 0.38, "a large tail fin") or "a tail fin",
        "a dorsal fin",
    ]
    return join(*parts), caption(generator, "fish", looks, has)


def _starfish(generator: np.random.Generator) -> Made:
    u = generator.uniform
    arms, thick, curl = int(generator.integers(4, 9)), u(0.1, 0.22), u(-0.4, 0.4)
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
    return solid, caption(
        generator, ["starfish", "sea star"], looks, [quantity(generator, arms, "arm", "arms")]
    )


def _seahorse(generator: np.random.Generator) -> Made:
    u = generator.uniform
    belly, curl, snout, coils = u(0.16, 0.28), u(0.2, 0.32), u(0.25, 0.45), u(1.0, 1.6)
    angle = np.linspace(-np.pi / 2, -np.pi / 2 - coils * 2 * np.pi, 50)
    radius = np.linspace(curl, 0.25 * curl, 50)
    spiral = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    spiral += (curl - 0.05, 0) - spiral[0] + (-0.35, -0.75)
    way = spline(
        [
            (-0.05, 1.0),
            (-0.15, 0.8),
            (-0.18, 0.5),
            (0.1, 0.1),
            (0.05, -0.35),
            (-0.15, -0.7),
            spiral[0],
        ],
        60,
    )
    path = np.concatenate([way[:-1], spiral])
    place = np.linspace(0, 1, len(path))
    size = np.interp(
        place, [0, 0.08, 0.16, 0.28, 0.42, 0.6, 1], [0.12, 0.1, 0.11, belly, 0.14, 0.07, 0.02]
    )
    parts = [
        Tube(flat_curve(path), size * 0.8, size, rounded=True),
        ellipsoid((0.2, 0.12, 0.15), (0.0, 0, 1.0), turn("y", 15)),
        rod((0.1, 0, 0.97), (0.15 + snout, 0, 0.85), 0.06, 0.05),
        standing([(-0.1, 0.6), (-0.4, 0.5), (-0.38, 0.2), (0.0, 0.0)], 0.03),
        standing([(-0.1, 1.1), (-0.05, 1.25), (0.05, 1.2), (0.08, 1.1)], 0.05),
    ]
    looks = [grade(belly, 0.2, "slim", 0.24, "plump")]
    has = [grade(snout, 0.31, "a short snout", 0.39, "a long snout"), "a curled tail", "a back fin"]
    return join(*parts), caption(generator, ["seahorse", "sea horse"], looks, has)


def _octopus(generator: np.random.Generator) -> Made:
    u = generator.uniform
    arms, tall, reach, thick = (
        int(generator.integers(5, 10)),
        u(0.4, 0.8),
        u(0.6, 1.2),
        u(0.06, 0.12),
    )
    thick = min(thick, 0.7 / arms)
    arm_path = spline(
        [
            (0.25, 0, -0.2),
            (0.25 + 0.5 * reach, 0, -u(0.3, 0.7)),
            (0.25 + reach, 0, -0.4),
            (0.3 + reach, 0, -0.15),
        ],
        30,
    )
    arm = Tube(arm_path, np.linspace(thick, 0.3 * thick, 30), rounded=True, up=(0, 1, 0))
    parts = [ellipsoid((0.42, 0.42, tall), (0, 0, 0.3 * tall)), ring_of(arm, arms)]
    parts += [ball(0.09, (0.38, s * 0.17, 0.2)) for s in (-1, 1)]
    looks = [grade(tall, 0.5, "", 0.65, "tall")]
    has = [
        quantity(generator, arms, "arm", "arms"),
        grade(reach, 0.75, "short arms", 1.0, "long arms"),
    ]
    return join(*parts), caption(generator, ["octopus", "squid", "toy octopus"], looks, has)


def _spiral_shell(generator: np.random.Generator) -> Made:
    u = generator.uniform
    turns, growth, rise, thick = u(2.0, 4.0), u(0.12, 0.3), u(0.0, 1.6), u(0.75, 1.0)
    angle = np.linspace(0, 2 * np.pi * turns, int(36 * turns))
    radius = np.exp(growth * (angle - angle[-1]))
    path = np.stack([radius * np.cos(angle), radius * np.sin(angle), -rise * radius], axis=1)
    # Neighbouring whorls almost touch.
    shrink = np.exp(-2 * np.pi * growth)
    size = 0.97 * radius * (1 - shrink) / (1 + shrink)
    shell = Tube(path, size * thick, size, up=(0, 0, 1))
    looks = [grade(rise, 0.4, "flat", 1.0, "pointed"), "spiral"]
    has = [f"about {quantity(generator, round(turns), 'whorl', 'whorls')}"]
    return shell, caption(generator, ["snail shell", "sea snail shell", "spiral shell"], looks, has)


def _scallop(generator: np.random.Generator) -> Made:
    u = generator.uniform
    ribs, depth, spread = int(generator.integers(7, 17)), u(0.15, 0.4), u(1.0, 1.35)
    angle = np.linspace(-spread, spread, 90)
    edge = 1 + 0.03 * np.cos(2 * ribs * angle * np.pi / spread / 2)
    fan = np.stack([edge * np.sin(angle), edge * np.cos(angle)], axis=1)
    hinge = [(-0.25, -0.02), (-0.25, -0.15), (0.25, -0.15), (0.25, -0.02)]

    def height(x: Array, y: Array) -> Array:
        r, a = np.hypot(x, y), np.arctan2(x, np.maximum(y, 1e-6))
        dome = depth * np.sin(np.pi * np.clip(0.1 + 0.85 * r, 0, 1)) * (1 - 0.3 * (a / spread) ** 2)
        return dome + 0.03 * r * np.cos(
            2 * np.pi * ribs * np.clip(a, -spread, spread) / (2 * spread)
        )

    solid = lifted(slab(np.concatenate([hinge[:2], hinge[2:], fan[::-1]]), 0.05), height, generator)
    looks = [grade(depth, 0.22, "flat", 0.32, "domed"), "ribbed"]
    has = [f"about {quantity(generator, ribs, 'rib', 'ribs')}", "a wavy edge"]
    return solid, caption(generator, ["seashell", "scallop shell", "shell"], looks, has)


def _jellyfish(generator: np.random.Generator) -> Made:
    u = generator.uniform
    arms, rise, long = int(generator.integers(5, 13)), u(0.35, 0.8), u(0.6, 1.5)
    s = np.linspace(0, np.pi / 2, 20)
    dome = lathe(
        np.concatenate(
            [
                [(0.0, 0.1 * rise), (0.5, 0.0), (0.95, -0.05)],
                np.stack([np.cos(s), rise * np.sin(s)], axis=1),
            ]
        )
    )
    z = np.linspace(0.02, -long, 40)
    wave = Tube(
        np.stack([0.7 + 0.08 * np.sin(9 * z), 0 * z, z], axis=1),
        np.linspace(0.05, 0.02, 40),
        up=(0, 1, 0),
    )
    looks = [grade(rise, 0.48, "flat", 0.65, "domed")]
    has = [
        quantity(generator, arms, "tentacle", "tentacles"),
        grade(long, 0.85, "short tentacles", 1.2, "long tentacles"),
    ]
    return join(dome, ring_of(wave, arms)), caption(generator, ["jellyfish", "medusa"], looks, has)


def _turtle(generator: np.random.Generator) -> Made:
    u = generator.uniform
    rise, neck = u(0.25, 0.6), u(0.15, 0.4)
    s = np.linspace(0, np.pi / 2, 20)
    shell = lathe(np.concatenate([[(0.9, -0.08)], np.stack([np.cos(s), rise * np.sin(s)], axis=1)]))
    front = 0.95 + neck
    parts = [
        shell,
        rod((0.7, 0, 0), (front, 0, 0.1), 0.16, 0.14),
        ellipsoid((0.22, 0.17, 0.16), (front + 0.08, 0, 0.12)),
    ]
    parts.append(rod((-0.9, 0, -0.02), (-1.2, 0, -0.05), 0.08, 0.01))
    for x, s_ in ((0.55, 1), (0.55, -1), (-0.55, 1), (-0.55, -1)):
        parts.append(
            ellipsoid(
                (0.3, 0.14, 0.08),
                (x * 1.1, s_ * 0.85, -0.1),
                turn("z", s_ * (40 if x > 0 else 140)),
            )
        )
    looks = [grade(rise, 0.35, "flat", 0.48, "domed")]
    has = [grade(neck, 0.22, "a short neck", 0.32, "a long neck"), "four flippers", "a round shell"]
    return join(*parts), caption(generator, ["turtle", "tortoise"], looks, has)


SEA: dict[str, Maker] = {
    "fish": _fish,
    "starfish": _starfish,
    "seahorse": _seahorse,
    "octopus": _octopus,
    "snail shell": _spiral_shell,
    "seashell": _scallop,
    "jellyfish": _jellyfish,
    "turtle": _turtle,
}
"""Family name to maker."""

"""Other small things."""

from __future__ import annotations

import numpy as np

from plane_anomalib.generation.shapes.combinations import Difference
from plane_anomalib.generation.shapes.construction import (
    Made,
    Maker,
    ball,
    box,
    caption,
    cylinder,
    ellipsoid,
    grade,
    join,
    lathe,
    pipe,
    put,
    rod,
    torus,
    turn,
    turned_body,
    vessel,
)
from plane_anomalib.generation.shapes.outlines import flat_curve, regular, spline
from plane_anomalib.generation.shapes.solids import Solid
from plane_anomalib.generation.shapes.sweeps import Extrusion, Tube


def _microphone(generator: np.random.Generator) -> Made:
    u = generator.uniform
    head, length, tip, stand = u(0.22, 0.36), u(0.9, 1.6), u(0.09, 0.15), generator.random() < 0.35
    body = turned_body([0, 0.1, 0.6 * length, length], [tip * 0.8, tip, tip * 1.25, head * 0.75])
    top = ellipsoid((head, head, head * u(0.9, 1.4)), (0, 0, length + 0.5 * head))
    collar = pipe(head * 1.05, head * 0.5, length + 0.3 * head, length + 0.45 * head)
    parts = [body, top, collar]
    if stand:
        parts.append(rod((0, 0, 0.05), (0, 0, -0.8), 0.05))
        parts.append(cylinder(0.4, 0.06, (0, 0, -0.82)))
    looks = [grade(length, 1.1, "short", 1.4, "long")]
    has = [
        grade(head, 0.26, "a small round head", 0.32, "a large round head") or "a round head",
        "a stand" if stand else "a tapered grip",
    ]
    return join(*parts), caption(
        generator, ["microphone", "hand microphone", "microphone"], looks, has
    )


def _tap(generator: np.random.Generator) -> Made:
    u = generator.uniform
    rise, reach, drop, thick = u(0.5, 1.3), u(0.5, 1.1), u(0.1, 0.45), u(0.07, 0.13)
    path = [(0, 0), (0, 0.6 * rise), (0.3 * reach, rise), (0.8 * reach, rise), (reach, rise - drop)]
    spout = Tube(flat_curve(spline(path, 50)), thick)
    base = lathe([(thick * 2.2, 0), (thick * 2.2, 0.08), (thick * 1.4, 0.15), (thick * 1.2, 0.35)])
    mixer = generator.random() < 0.5
    parts: list[Solid] = [spout, base]
    if mixer:
        parts.append(rod((0, 0, 0.25), (0, 0.3, 0.25), 0.07))
        parts.append(rod((0, 0.27, 0.2), (-0.1, 0.32, 0.65), 0.035))
    else:
        for s in (-1, 1):
            parts.append(rod((0, 0, 0.2), (0, s * 0.5, 0.2), 0.06))
            parts.append(cylinder(0.14, 0.1, (0, s * 0.5, 0.3)))
            parts.append(cylinder(0.05, 0.3, (0, s * 0.5, 0.2)))
    looks = [grade(rise, 0.75, "low", 1.05, "tall"), grade(thick, 0.085, "slim", 0.11, "thick")]
    has = [
        grade(reach, 0.7, "a short spout", 0.95, "a long spout") or "a curved spout",
        "one lever" if mixer else "two knobs",
    ]
    return join(*parts), caption(generator, ["tap", "water tap", "faucet"], looks, has)


def _dumbbell(generator: np.random.Generator) -> Made:
    u = generator.uniform
    grip, weight, thick = u(0.6, 1.6), u(0.25, 0.55), u(0.2, 0.5)
    kind = ["round", "hexagonal", "disc"][int(generator.integers(3))]
    plates = int(generator.integers(2, 4)) if kind == "disc" else 1
    parts = [cylinder(u(0.06, 0.12), grip + 0.2, axis="x")]
    for s in (-1, 1):
        x = s * (grip / 2 + thick / 2)
        if kind == "round":
            parts.append(ball(weight, (s * (grip / 2 + 0.5 * weight), 0, 0)))
        elif kind == "hexagonal":
            parts.append(put(Extrusion(regular(6, weight), thick), (x, 0, 0), turn("y", 90)))
        else:
            parts += [
                cylinder(weight * (1 - 0.2 * i), 0.14, (s * (grip / 2 + 0.13 * i), 0, 0), "x")
                for i in range(plates)
            ]
    looks = [grade(grip, 0.9, "short", 1.3, "long"), grade(weight, 0.33, "light", 0.45, "heavy")]
    has = [f"{kind} weights", f"{plates} plates on each side" if kind == "disc" else ""]
    return join(*parts), caption(generator, ["dumbbell", "hand weight", "dumbbell"], looks, has)


def _light_bulb(generator: np.random.Generator) -> Made:
    u = generator.uniform
    wide, neck, tall = u(0.35, 0.55), u(0.16, 0.24), u(0.8, 1.2)
    heights = np.array([0, 0.12, 0.55, 0.85, 1.0]) * tall
    glass = turned_body(heights, [neck, neck * 1.1, wide, wide * 0.75, 0.02])
    z = 0.02 - np.linspace(0, 0.4, 13)
    r = neck * np.where(np.arange(13) % 2 == 0, 1.03, 0.9)
    base = lathe([*zip(r, z, strict=True), (neck * 0.4, -0.48)][::-1])
    looks = [grade(wide, 0.41, "slim", 0.5, "round"), grade(tall, 0.9, "short", 1.1, "long")]
    return join(glass, base), caption(
        generator, ["light bulb", "bulb", "lamp bulb"], looks, ["a screw base"]
    )


def _bell(generator: np.random.Generator) -> Made:
    u = generator.uniform
    tall, mouth, wall, handled = u(0.7, 1.3), u(0.5, 0.7), u(0.04, 0.08), generator.random() < 0.5
    shape = [mouth, mouth * 0.72, 0.33, 0.28, 0.12]
    body = put(
        vessel(np.array([0, 0.15, 0.4, 0.85, 1]) * tall, shape[::-1], wall),
        (0, 0, tall),
        turn("x", 180),
    )
    top: Solid = torus(0.1, 0.035, (0, 0, tall + 0.1), turn("x", 90))
    if handled:
        top = turned_body(tall + np.array([-0.02, 0.1, 0.4, u(0.5, 0.8)]), [0.08, 0.07, 0.1, 0.04])
    clapper = [ball(0.1, (0, 0, 0.06)), rod((0, 0, 0.06), (0, 0, tall - wall / 2), 0.025)]
    looks = [grade(tall, 0.85, "squat", 1.1, "tall")]
    has = [
        "a handle" if handled else "a ring on top",
        "a clapper",
        grade(mouth, 0.55, "", 0.64, "a flared mouth"),
    ]
    return join(body, top, *clapper), caption(
        generator, ["bell", "hand bell" if handled else "church bell"], looks, has
    )


def _trophy(generator: np.random.Generator) -> Made:
    u = generator.uniform
    stem, deep, wide = u(0.3, 0.7), u(0.5, 0.9), u(0.35, 0.55)
    z0 = 0.25 + stem
    cup_ = vessel(
        z0 + np.array([0, 0.2, 0.6, 1]) * deep, [0.1, 0.75 * wide, 0.95 * wide, wide], 0.03, 0.08
    )
    foot = box((0.6, 0.6, 0.25), (0, 0, 0.12), 0.02)
    pole = turned_body(
        np.array([0.22, 0.22 + 0.3 * stem, 0.22 + 0.5 * stem, z0 + 0.04]), [0.2, 0.07, 0.1, 0.07]
    )
    loop = spline([(0, 0.9), (u(0.2, 0.4), 0.8), (0.3, 0.4), (-0.08, 0.3)], 30) * (1, deep)
    reach = cup_.reach(z0 + 0.88 * deep) - 0.01
    handle = Tube(flat_curve(loop) + np.array((reach, 0, z0)), 0.035)
    solid = join(cup_, foot, pole, handle, put(handle, rotation=turn("z", 180)))
    looks = [grade(stem, 0.4, "squat", 0.58, "tall")]
    has = ["two handles", "a square base", grade(wide, 0.4, "a slim cup", 0.5, "a wide cup")]
    return solid, caption(generator, ["trophy", "trophy cup", "winner's cup"], looks, has)


def _skittle(generator: np.random.Generator) -> Made:
    u = generator.uniform
    belly, neck, head = u(0.3, 0.42), u(0.1, 0.17), u(0.17, 0.24)
    body = turned_body([0, 0.05, 0.5, 1.1, 1.3, 1.5], [0.2, 0.23, belly, neck, head, 0.02])
    looks = [grade(belly, 0.33, "slim", 0.39, "round")]
    has = [grade(neck, 0.12, "a thin neck", 0.15, "a thick neck") or "a neck", "a round head"]
    return body, caption(generator, ["bowling pin", "skittle"], looks, has)


def _chess_pawn(generator: np.random.Generator) -> Made:
    u = generator.uniform
    tall, foot, head = u(0.8, 1.4), u(0.35, 0.5), u(0.18, 0.28)
    body = lathe(
        [
            (foot, 0),
            (foot, 0.12),
            (foot * 0.8, 0.2),
            (0.22, 0.3),
            (0.13, tall),
            (0.26, tall),
            (0.26, tall + 0.06),
            (0.12, tall + 0.08),
        ]
    )
    crown = int(generator.integers(2))
    top = ball(head, (0, 0, tall + 0.06 + 0.8 * head))
    if crown:
        notch = box((2, 0.1, 0.25), (0, 0, tall + 0.5))
        block = cylinder(0.24, 0.35, (0, 0, tall + 0.22), top=0.3)
        top = Difference(
            block,
            [notch, put(notch, rotation=turn("z", 90)), cylinder(0.17, 0.3, (0, 0, tall + 0.4))],
        )
    looks = [grade(tall, 0.95, "short", 1.2, "tall")]
    has = [
        "a notched crown" if crown else "a round head",
        grade(foot, 0.4, "", 0.45, "a broad foot"),
    ]
    nouns = ["chess rook", "chess piece"] if crown else ["chess pawn", "chess piece"]
    return join(body, top), caption(generator, nouns, looks, has)


GADGETS: dict[str, Maker] = {
    "microphone": _microphone,
    "tap": _tap,
    "dumbbell": _dumbbell,
    "light bulb": _light_bulb,
    "bell": _bell,
    "trophy": _trophy,
    "bowling pin": _skittle,
    "chess piece": _chess_pawn,
}
"""Family name to maker."""

"""Things of the household."""

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
    mirror_pair,
    put,
    quantity,
    rod,
    standing,
    torus,
    turn,
)
from plane_anomalib.generation.shapes.outlines import flat_curve, oval, rectangle, spline
from plane_anomalib.generation.shapes.solids import Box, Solid
from plane_anomalib.generation.shapes.sweeps import Revolution, Tube


def _screen(generator: np.random.Generator) -> Made:
    u = generator.uniform
    width, thick, rise, bezel = u(1.2, 2.2), u(0.05, 0.12), u(0.25, 0.5), u(0.02, 0.08)
    panel = Difference(
        box((width, thick, 1), (0, 0, rise + 0.5), 0.02),
        [box((width - 2 * bezel, thick, 1 - 2 * bezel), (0, 0.8 * thick, rise + 0.5))],
    )
    round_ = generator.random() < 0.4
    foot: Solid = cylinder(u(0.25, 0.4), 0.04) if round_ else box((u(0.5, 0.8), 0.4, 0.04))
    neck = box((0.15, 0.05, rise + 0.3), (0, -thick / 2 - 0.01, rise / 2 + 0.14))
    looks = [grade(width, 1.45, "small", 1.85, "wide"), grade(thick, 0.07, "thin", 0.1, "thick")]
    has = [
        "a round foot" if round_ else "a rectangular foot",
        grade(rise, 0.33, "", 0.42, "a tall stand"),
    ]
    return join(panel, foot, neck), caption(
        generator, ["screen", "computer monitor", "monitor"], looks, has
    )


def _book(generator: np.random.Generator) -> Made:
    u = generator.uniform
    width, thick, cover = u(0.6, 0.85), u(0.06, 0.35), 0.025
    opened = generator.random() < 0.35
    if opened:
        angle = u(5, 25)
        side = join(
            box((width, 1.05, cover), (width / 2 - 0.02, 0, 0)),
            box((width * 0.95, 1, thick / 2), (width * 0.47, 0, thick / 4)),
        )
        solid = join(
            put(side, rotation=turn("y", -angle)),
            put(side, rotation=turn("z", 180) @ turn("y", -angle)),
        )
    else:
        solid = join(
            box((width, 1, cover), (0, 0, -thick / 2)),
            box((width, 0.999, cover), (0, 0, thick / 2)),
            box((cover, 0.998, thick), (-width / 2 + cover / 2 + 1e-3, 0, 0)),
            box((width * 0.95, 0.95, thick), (-0.01, 0, 0)),
        )
    looks = ["open" if opened else "closed", grade(thick, 0.12, "thin", 0.24, "thick")]
    return solid, caption(generator, ["book", "book", "hardcover book"], looks, [])


def _box_family(generator: np.random.Generator) -> Made:
    u = generator.uniform
    size = u(0.25, 1.0, 3)
    rounding = float(size.min()) * u(0.05, 0.45) if generator.random() < 0.5 else 0.0
    looks = [
        "rounded" if rounding > 0.03 else "sharp-edged",
        grade(float(size[2] / size[:2].min()), 0.6, "flat", 1.6, "tall"),
    ]
    return Box(size, rounding), caption(generator, ["box", "block", "brick"], looks, [])


def _die(generator: np.random.Generator) -> Made:
    u = generator.uniform
    rounding, pip = u(0.05, 0.25), u(0.07, 0.12)
    spots = {1: [(0, 0)], 2: [(-1, -1), (1, 1)], 3: [(-1, -1), (0, 0), (1, 1)]}
    spots[4] = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    spots[5] = [*spots[4], (0, 0)]
    spots[6] = [*spots[4], (-1, 0), (1, 0)]
    turns = [
        np.eye(3),
        turn("x", 90),
        turn("y", 90),
        turn("y", -90),
        turn("x", -90),
        turn("x", 180),
    ]
    shifts = [turns[f - 1] @ (0.27 * a, 0.27 * b, 0.53) for f, s in spots.items() for a, b in s]
    solid = Difference(Box((1, 1, 1), rounding), [copies(ball(pip), shifts)])
    looks = [grade(rounding, 0.1, "sharp-edged", 0.18, "rounded")]
    has = [grade(pip, 0.085, "small pips", 0.105, "large pips") or "pips"]
    return solid, caption(generator, ["die", "dice cube", "playing die"], looks, has)


def _ladder(generator: np.random.Generator) -> Made:
    u = generator.uniform
    rungs, width, pitch, thick = (
        int(generator.integers(3, 12)),
        u(0.5, 1.0),
        u(0.35, 0.6),
        u(0.03, 0.07),
    )
    height = (rungs + 0.6) * pitch
    taper = u(0.6, 1.0)
    rails = mirror_pair(
        lambda s: rod((s * width / 2, 0, 0), (s * taper * width / 2, 0, height), thick)
    )
    bars = [
        rod((-w, 0, z), (w, 0, z), thick * 0.6)
        for z in (np.arange(rungs) + 0.8) * pitch
        for w in [width / 2 * (1 + (taper - 1) * z / height)]
    ]
    looks = [grade(height, 2.5, "short", 4.5, "tall"), grade(taper, 0.75, "tapered", 2, "")]
    return join(rails, *bars), caption(
        generator, ["ladder", "ladder"], looks, [quantity(generator, rungs, "rung", "rungs")]
    )


def _bag(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, deep, wall, rise = u(0.7, 1.3), u(0.2, 0.5), 0.03, u(0.2, 0.5)
    body = Difference(
        put(Box((1, deep, height), 0.04), (0, 0, height / 2)),
        [box((1 - 2 * wall, deep - 2 * wall, height), (0, 0, height / 2 + wall))],
    )
    bow = spline(
        [(-0.22, -0.12), (-0.2, 0.6 * rise), (0, rise), (0.2, 0.6 * rise), (0.22, -0.12)], 32
    )
    y = deep / 2 + 0.015
    grips = [Tube(flat_curve(bow) + np.array((0, s * y, height)), 0.025) for s in (-1, 1)]
    looks = [grade(height, 0.85, "wide", 1.1, "tall"), grade(deep, 0.3, "flat", 0.42, "deep")]
    has = [grade(rise, 0.3, "short handles", 0.4, "long handles") or "two handles"]
    return join(body, *grips), caption(generator, ["bag", "shopping bag", "handbag"], looks, has)


def _picture_frame(generator: np.random.Generator) -> Made:
    u = generator.uniform
    width, edge, thick = u(0.5, 1.2), u(0.05, 0.2), u(0.05, 0.12)
    round_ = generator.random() < 0.3
    if round_:
        outer, inner = oval(width / 2, 0.5), oval(width / 2 - edge, 0.5 - edge)
    else:
        outer, inner = rectangle(width, 1), rectangle(width - 2 * edge, 1 - 2 * edge)
    back = standing(outer * 0.97, thick * 0.3, (0, 0.2 * thick, 0))
    solid = join(standing(outer, thick, holes=[inner]), back)
    looks = ["oval" if round_ else "rectangular", grade(width, 0.7, "upright", 1.1, "wide")]
    has = [grade(edge, 0.09, "a thin border", 0.15, "a broad border") or "a border"]
    return solid, caption(generator, ["picture frame", "frame", "mirror"], looks, has)


def _umbrella(generator: np.random.Generator) -> Made:
    u = generator.uniform
    rise, length = u(0.3, 0.6), u(1.3, 1.8)
    s = np.linspace(0, np.pi / 2, 20)
    outer = np.stack([np.sin(s), rise * np.cos(s)], axis=1)
    dome = Revolution(np.concatenate([outer[::-1], outer * 0.97 - (0, 0.01)]))
    stick = rod((0, 0, rise + 0.1), (0, 0, rise - length), 0.02)
    crook = flat_curve(spline([(0, 0.02), (0, -0.1), (0.1, -0.2), (0.2, -0.1), (0.2, -0.03)], 24))
    solid = join(dome, stick, Tube(crook + np.array((0, 0, rise - length)), 0.03))
    looks = ["open", grade(rise, 0.4, "flat", 0.52, "domed")]
    has = ["a curved handle", grade(length, 1.45, "a short stick", 1.65, "a long stick")]
    return solid, caption(generator, "umbrella", looks, has)


def _pin_row(generator: np.random.Generator) -> Made:
    u = generator.uniform
    rows, columns, rise = int(generator.integers(1, 5)), int(generator.integers(2, 5)), u(0.5, 1.2)
    height = rise * 0.9
    places = [
        (c - (columns - 1) / 2, r - (rows - 1) / 2, height / 2)
        for c in range(columns)
        for r in range(rows)
    ]
    solid = join(
        box((columns, rows, height), (0, 0, 0)), copies(cylinder(0.3, 0.22, (0, 0, 0.09)), places)
    )
    looks = [grade(rise, 0.7, "flat", 1.0, "tall")]
    has = [f"{rows} by {columns} studs"]
    return solid, caption(generator, ["toy brick", "building block"], looks, has)


def _candle(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, radius, holder = u(0.8, 2.5), u(0.12, 0.35), generator.random() < 0.5
    parts = [cylinder(radius, height, (0, 0, height / 2))]
    parts.append(rod((0, 0, height - 0.05), (0.02, 0, height + u(0.1, 0.25)), 0.025))
    if holder:
        parts.append(lathe([(radius + 0.3, 0), (radius + 0.35, 0.1), (radius + 0.05, 0.12)]))
        parts.append(torus(0.12, 0.03, (radius + 0.42, 0, 0.07)))
    looks = [grade(height, 1.2, "short", 1.8, "tall"), grade(radius, 0.18, "thin", 0.28, "thick")]
    return join(*parts), caption(
        generator, "candle", looks, ["a wick", "a holder" if holder else ""]
    )


HOUSEHOLD: dict[str, Maker] = {
    "screen": _screen,
    "book": _book,
    "box": _box_family,
    "die": _die,
    "ladder": _ladder,
    "bag": _bag,
    "picture frame": _picture_frame,
    "umbrella": _umbrella,
    "toy brick": _pin_row,
    "candle": _candle,
}
"""Family name to maker."""

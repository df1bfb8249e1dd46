"""Furniture."""

from __future__ import annotations

import numpy as np

from plane_anomalib.generation.shapes.construction import (
    Made,
    Maker,
    ball,
    box,
    caption,
    copies,
    cylinder,
    ellipsoid,
    grade,
    join,
    put,
    quantity,
    ring_of,
    rod,
    slab,
    torus,
    turn,
    vessel,
)
from plane_anomalib.generation.shapes.outlines import oval, rounded
from plane_anomalib.generation.shapes.solids import Box, Solid


def _legs(
    half_x: float, half_y: float, height: float, thick: float, splay: float, square: bool
) -> list[Solid]:
    """Four legs from the floor to a little above `height`."""
    corners = [(x, y) for x in (-half_x, half_x) for y in (-half_y, half_y)]
    if square and splay == 0:
        size = (2 * thick, 2 * thick, height + 0.02)
        return [copies(Box(size), [(x, y, height / 2 + 0.01) for x, y in corners])]
    out = 1 + splay
    return [
        rod((x * out, y * out, 0), (x, y, height + 0.01), 0.7 * thick, thick) for x, y in corners
    ]


def _table(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, depth, top = u(0.4, 1.1), u(0.5, 1.0), u(0.04, 0.1)
    round_, central = generator.random() < 0.35, generator.random() < 0.25
    plate = slab(
        oval(0.7, 0.7 * depth) if round_ else rounded(1.4, 1.4 * depth, u(0.01, 0.1)),
        top,
        (0, 0, height),
    )
    shrink = 0.62 if round_ else 0.88
    legs = _legs(
        0.7 * shrink,
        0.7 * depth * shrink,
        height - top / 2,
        u(0.03, 0.06),
        u(0, 0.1) * int(generator.random() < 0.5),
        True,
    )
    if central:
        legs = [
            rod((0, 0, 0), (0, 0, height), u(0.05, 0.1)),
            cylinder(0.4 * depth, 0.06, (0, 0, 0.03)),
        ]
    looks = [
        ("round" if depth > 0.9 else "oval") if round_ else "rectangular",
        grade(height, 0.55, "low", 0.9, "high"),
    ]
    has = [
        "a central foot" if central else "four legs",
        grade(top, 0.055, "a thin top", 0.08, "a thick top"),
    ]
    return join(plate, *legs), caption(
        generator,
        ["table", "table", "coffee table" if height < 0.6 else "dining table"],
        looks,
        has,
    )


def _chair(generator: np.random.Generator) -> Made:
    u = generator.uniform
    seat, rise, width, thick = u(0.4, 0.6), u(0.4, 0.9), u(0.42, 0.6), u(0.02, 0.04)
    bars, arms = int(generator.integers(0, 6)), generator.random() < 0.35
    w, back = width / 2, -0.22
    parts = [box((width, 0.5, 0.05), (0, 0, seat), 0.02)]
    parts += _legs(w * 0.86, 0.2, seat - 0.02, thick, 0.0, generator.random() < 0.5)
    lean = u(0.0, 0.15)
    if bars:
        for x in np.linspace(-0.86 * w, 0.86 * w, bars + 2):
            parts.append(rod((x, back, seat), (x, back - lean, seat + rise), thick * 0.8))
        parts.append(box((width, 0.04, 0.12), (0, back - lean, seat + rise), 0.015))
    else:
        panel = put(Box((width, 0.04, rise), 0.015), (0, back - lean / 2, seat + rise / 2))
        parts.append(panel)
        lean = 0.0
    if arms:
        for x in (-w, w):
            parts.append(rod((x, 0.18, seat), (x, 0.18, seat + 0.25), thick))
            parts.append(rod((x, 0.2, seat + 0.25), (x, back - 0.03, seat + 0.25), thick))
    looks = [
        grade(rise, 0.52, "low-backed", 0.75, "high-backed"),
        grade(width, 0.46, "narrow", 0.55, "wide"),
    ]
    has = [
        quantity(generator, bars, "bar in the back", "bars in the back")
        if bars
        else "a solid back",
        "armrests" if arms else "four legs",
    ]
    return join(*parts), caption(generator, ["chair", "chair", "dining chair"], looks, has)


def _stool(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, legs, thick, radius = (
        u(0.45, 1.1),
        int(generator.integers(3, 5)),
        u(0.025, 0.045),
        u(0.2, 0.3),
    )
    square = generator.random() < 0.3
    seat = (
        box((2 * radius, 2 * radius, 0.06), (0, 0, height), 0.02)
        if square
        else cylinder(radius, 0.06, (0, 0, height))
    )
    leg = rod((radius * u(0.9, 1.2), 0, 0), (radius * 0.7, 0, height), thick)
    parts: list[Solid] = [seat, ring_of(leg, legs, 45)]
    brace = generator.random() < 0.5
    if brace:
        parts.append(torus(radius * 0.9, 0.02, (0, 0, 0.35 * height)))
    looks = [grade(height, 0.6, "low", 0.85, "tall"), "square" if square else "round"]
    has = [quantity(generator, legs, "leg", "legs"), "a foot ring" if brace else ""]
    return join(*parts), caption(
        generator, ["stool", "bar stool" if height > 0.8 else "stool"], looks, has
    )


def _shelf(generator: np.random.Generator) -> Made:
    u = generator.uniform
    boards, height, width, deep = (
        int(generator.integers(2, 7)),
        u(0.8, 2.0),
        u(0.5, 1.3),
        u(0.2, 0.45),
    )
    wall, backed = u(0.025, 0.05), generator.random() < 0.5
    columns = int(generator.integers(1, 4))
    x = np.linspace(-width / 2, width / 2, columns + 1)
    uprights = copies(Box((wall, deep, height)), [(a, 0, height / 2) for a in x])
    z = np.linspace(wall / 2 + 0.004, height - wall / 2 - 0.004, boards)
    planks = copies(Box((width, deep - 0.01, wall)), [(0, 0, b) for b in z])
    parts: list[Solid] = [uprights, planks]
    if backed:
        parts.append(box((width, 0.02, height - 0.02), (0, -deep / 2 + 0.02, height / 2)))
    looks = [grade(height, 1.1, "low", 1.6, "tall"), grade(width, 0.7, "narrow", 1.05, "wide")]
    has = [
        quantity(generator, boards, "board", "boards"),
        "a back wall" if backed else "an open back",
        quantity(generator, columns, "column", "columns") if columns > 1 else "",
    ]
    return join(*parts), caption(generator, ["shelf", "bookshelf", "shelf"], looks, has)


def _bed(generator: np.random.Generator) -> Made:
    u = generator.uniform
    width, head, foot = u(0.5, 1.1), u(0.35, 0.8), generator.random() < 0.5
    parts = [
        box((1.9, width, 0.2), (0, 0, 0.3), 0.06),
        box((2.0, width * 0.98, 0.1), (0, 0, 0.2)),
        box((0.07, width * 1.02, head), (-1.0, 0, head / 2 + 0.01)),
        *_legs(0.95, width * 0.44, 0.18, 0.04, 0.0, True),
    ]
    pillows = 2 if width > 0.8 else 1
    for i in range(pillows):
        y = (i - (pillows - 1) / 2) * width * 0.48
        parts.append(ellipsoid((0.2, width * 0.42 / pillows, 0.08), (-0.7, y, 0.42)))
    if foot:
        parts.append(box((0.06, width * 1.02, 0.35), (1.0, 0, 0.19)))
    looks = [grade(width, 0.7, "narrow", 0.9, "wide")]
    has = [
        grade(head, 0.45, "a low headboard", 0.65, "a high headboard") or "a headboard",
        quantity(generator, pillows, "pillow", "pillows"),
    ]
    return join(*parts), caption(
        generator, ["bed", "double bed" if width > 0.9 else "bed"], looks, has
    )


def _sofa(generator: np.random.Generator) -> Made:
    u = generator.uniform
    seats, deep, back, arm = int(generator.integers(1, 5)), u(0.7, 0.95), u(0.3, 0.6), u(0.12, 0.25)
    width = 0.65 * seats
    parts = [
        box((width + 0.02, deep, 0.28), (0, 0, 0.2), 0.03),
        box((width, 0.22, back + 0.35), (0, -deep / 2 + 0.08, 0.3 + back / 2), 0.08),
        *(box((arm, deep * 0.98, 0.55), (s * (width + arm) / 2, 0, 0.3), 0.07) for s in (-1, 1)),
    ]
    cushion = Box((0.63, deep - 0.2, 0.16), 0.06)
    parts.append(copies(cushion, [(0.65 * (i - (seats - 1) / 2), 0.1, 0.4) for i in range(seats)]))
    looks = [grade(back, 0.38, "low", 0.52, "high-backed"), grade(seats, 2, "narrow", 3, "wide")]
    has = [quantity(generator, seats, "seat", "seats"), "two armrests"]
    return join(*parts), caption(
        generator, ["armchair"] if seats == 1 else ["sofa", "couch"], looks, has
    )


def _cupboard(generator: np.random.Generator) -> Made:
    u = generator.uniform
    width, height, deep = u(0.6, 1.3), u(0.5, 2.0), u(0.35, 0.6)
    rows, columns = int(generator.integers(1, 5)), int(generator.integers(1, 3))
    w, h = width / columns, height / rows
    fronts = [
        ((c + 0.5) * w - width / 2, (r + 0.5) * h) for c in range(columns) for r in range(rows)
    ]
    body = box((width, deep, height), (0, 0, height / 2))
    panels = copies(Box((w * 0.92, 0.04, h * 0.92)), [(x, deep / 2 + 0.015, z) for x, z in fronts])
    knobs = copies(ball(0.035), [(x, deep / 2 + 0.06, z) for x, z in fronts])
    solid = join(body, panels, knobs)
    looks = [grade(height, 0.9, "low", 1.5, "tall"), grade(width, 0.75, "narrow", 1.1, "wide")]
    kind = "drawer" if rows > 2 else "door"
    has = [quantity(generator, rows * columns, kind, f"{kind}s"), "round knobs"]
    return solid, caption(
        generator,
        ["cupboard", "cabinet", "chest of drawers" if rows > 2 else "cupboard"],
        looks,
        has,
    )


def _lamp(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, shade, top = u(0.6, 2.0), u(0.3, 0.5), u(0.12, 0.3)
    tall = u(0.3, 0.5)
    cover = put(vessel([0, tall], [top, shade], 0.02), (0, 0, height + tall * 0.5), turn("x", 180))
    foot = [
        cylinder(u(0.2, 0.35), 0.06, (0, 0, 0.03)),
        rod((0, 0, 0.03), (0, 0, height + tall * 0.45), 0.025),
    ]
    bulby = height < 1.0 and generator.random() < 0.6
    if bulby:
        foot.append(ellipsoid((0.18, 0.18, 0.3 * height), (0, 0, 0.33 * height)))
    looks = [grade(height, 0.9, "small", 1.4, "tall")]
    has = [
        grade(top / shade, 0.5, "a conical shade", 0.7, "a drum shade") or "a shade",
        "a round body" if bulby else "a thin pole",
    ]
    nouns = ["floor lamp", "lamp"] if height > 1.3 else ["lamp", "table lamp"]
    return join(cover, *foot), caption(generator, nouns, looks, has)


FURNITURE: dict[str, Maker] = {
    "table": _table,
    "chair": _chair,
    "stool": _stool,
    "shelf": _shelf,
    "bed": _bed,
    "sofa": _sofa,
    "cupboard": _cupboard,
    "lamp": _lamp,
}
"""Family name to maker."""

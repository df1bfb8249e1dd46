"""Hand tools."""

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
    put,
    quantity,
    rippled,
    rod,
    slab,
    torus,
    turn,
    turned_body,
    twisted,
)
from plane_anomalib.generation.shapes.outlines import (
    arc,
    circle,
    flat_curve,
    regular,
    rounded,
    spline,
)
from plane_anomalib.generation.shapes.solids import Solid
from plane_anomalib.generation.shapes.sweeps import Extrusion, Tube


def _key(generator: np.random.Generator) -> Made:
    u = generator.uniform
    length, thick, teeth = u(1.0, 2.2), u(0.06, 0.14), int(generator.integers(2, 8))
    head, width = u(0.3, 0.48), u(0.1, 0.16)
    start = 0.45 * length
    top = [(0.2, width), (length, width)]
    cuts: list[tuple[float, float]] = [(length, -width)]
    pitch = (length - start) / teeth
    for i in range(teeth):
        x = length - pitch * i
        depth = u(0.2, 1.0) * width
        cuts += [
            (x - 0.1 * pitch, -width),
            (x - 0.4 * pitch, -width + depth),
            (x - 0.6 * pitch, -width + depth),
        ]
        cuts.append((x - 0.95 * pitch, -width))
    blade = slab([*cuts, (0.2, -width), *top], thick)
    kind = ["round", "square"][int(generator.integers(2))]
    bow = circle(head) if kind == "round" else rounded(2 * head, 2 * head, 0.1)
    hole = (
        circle(head * u(0.25, 0.6), (-0.3 * head, 0), 24)
        if kind == "square"
        else circle(head * 0.5)
    )
    solid = join(blade, slab(bow, thick * 1.01, holes=[hole]))
    looks = [grade(length, 1.4, "short", 1.8, "long")]
    has = [quantity(generator, teeth, "notch", "notches"), f"a {kind} head"]
    return solid, caption(generator, ["key", "door key"], looks, has)


def _wrench(generator: np.random.Generator) -> Made:
    u = generator.uniform
    length, head, thick = u(1.6, 3.2), u(0.3, 0.42), u(0.12, 0.22)
    ring_end = generator.random() < 0.5
    parts = [
        slab(rounded(length, u(0.22, 0.34), 0.1, (length / 2, 0)), thick * u(0.6, 0.95)),
        cylinder(head, thick),
        cylinder(head * 0.9, thick * 1.01, (length, 0, 0)),
    ]
    gap = head * u(0.75, 1.0)
    tools: list[Solid] = [put(box((2 * head, gap, 1), (-head, 0, 0)), rotation=turn("z", 15))]
    if ring_end:
        tools.append(put(Extrusion(regular(6, head * 0.6), 1), (length, 0, 0)))
    else:
        tools.append(
            put(box((2 * head, gap * 0.8, 1), (head, 0, 0)), (length, 0, 0), turn("z", 15))
        )
    looks = [grade(length, 2.0, "short", 2.8, "long"), grade(thick, 0.15, "flat", 0.19, "sturdy")]
    has = ["an open jaw and a ring end" if ring_end else "two open jaws"]
    return Difference(join(*parts), tools), caption(generator, ["wrench", "spanner"], looks, has)


def _hammer(generator: np.random.Generator) -> Made:
    u = generator.uniform
    length, head, width = u(1.4, 2.4), u(0.6, 1.1), u(0.13, 0.26)
    kind = ["claw", "mallet", "peen"][int(generator.integers(3))]
    handle = turned_body(
        np.array([0, 0.1, 0.4, 0.85, 1.02]) * length, [0.08, 0.1, 0.08, 0.06, 0.06]
    )
    top = (0.0, 0.0, length)
    if kind == "mallet":
        block = [cylinder(1.5 * width, head, top, "x")]
    elif kind == "peen":
        block = [cylinder(width, head, top, "x"), ball(width * 1.0, (head / 2, 0, length))]
    else:
        claw = spline([(0.1, 0), (head * 0.5, -0.03), (head * 0.75, -0.22)], 16)
        fork = Tube(flat_curve(claw) + top, np.linspace(width, 0.03, 16), power=5)
        slot = box((head * 0.5, 0.07, 1), (head * 0.75, 0, length))
        block = [cylinder(width, 0.5 * head, (-0.25 * head, 0, length), "x")]
        block.append(Difference(fork, [slot]))
    looks = [grade(length, 1.65, "short", 2.1, "long-handled")]
    has = [
        {"claw": "a claw", "mallet": "a thick round head", "peen": "a ball end"}[kind],
        grade(width, 0.16, "a slim head", 0.22, "a heavy head"),
    ]
    return join(handle, *block), caption(
        generator, ["hammer", "hammer", "mallet"] if kind == "mallet" else "hammer", looks, has
    )


def _screwdriver(generator: np.random.Generator) -> Made:
    u = generator.uniform
    blade, grip, thick, waves = (
        u(0.7, 2.2),
        u(0.7, 1.1),
        u(0.14, 0.24),
        int(generator.integers(4, 9)),
    )
    handle = turned_body(
        np.array([0, 0.1, 0.7, 0.9, 1]) * grip, np.array([0.5, 0.95, 1, 0.6, 0.7]) * thick
    )
    body = rippled(handle, waves, u(0.03, 0.09), generator)
    flat = generator.random() < 0.5
    shaft = rod((0, 0, grip - 0.1), (0, 0, grip + blade), 0.05)
    tip: Solid = lathe([(0.05, grip + blade - 0.01), (0.01, grip + blade + 0.12)])
    if flat:
        tip = box((0.14, 0.025, 0.2), (0, 0, grip + blade))
    looks = [grade(blade, 1.1, "short", 1.7, "long")]
    has = [
        "a flat tip" if flat else "a pointed tip",
        grade(thick, 0.17, "a slim grip", 0.21, "a thick grip") or "a fluted grip",
    ]
    return join(body, shaft, tip), caption(generator, "screwdriver", looks, has)


def _drill_bit(generator: np.random.Generator) -> Made:
    u = generator.uniform
    length, turns, shank = u(1.5, 4.0), u(1.5, 5.0), u(0.5, 1.2)
    star = np.concatenate([arc(0.25, a - 1.0, a + 1.0, count=16) for a in (0, np.pi)])
    flute = twisted(
        Extrusion(star * (1, u(0.5, 0.8)), length), 2 * np.pi * turns / length, generator
    )
    solid = join(
        flute,
        rod((0, 0, -length / 2 + 0.02), (0, 0, -length / 2 - shank), 0.25),
        lathe([(0.13, length / 2 - 0.02), (0.01, length / 2 + 0.15)]),
    )
    looks = [grade(length, 2.2, "short", 3.2, "long"), "twisted"]
    has = [f"about {quantity(generator, round(turns), 'turn', 'turns')}", "a round shank"]
    return solid, caption(generator, ["drill bit", "twist drill"], looks, has)


def _anchor(generator: np.random.Generator) -> Made:
    u = generator.uniform
    rise, span, thick = u(1.2, 2.0), u(0.5, 0.95), u(0.06, 0.12)
    bow = arc(span, np.pi * 1.08, np.pi * 1.92, (0, span), 30)
    arms = Tube(flat_curve(bow), thick, rounded=True)
    parts = [
        arms,
        rod((0, 0, thick / 2), (0, 0, rise), thick),
        rod((-0.35, 0, rise * 0.85), (0.35, 0, rise * 0.85), thick * 0.7),
        torus(0.16, thick * 0.6, (0, 0, rise + 0.15), turn("x", 90)),
    ]
    for end in (bow[0], bow[-1]):
        tip = np.array([[-0.18, -0.12], [0.18, -0.12], [0.0, 0.25]]) + end
        parts.append(put(Extrusion(tip, thick * 1.2), rotation=turn("x", 90)))
    looks = [grade(rise, 1.5, "short", 1.8, "tall"), grade(thick, 0.08, "slim", 0.1, "heavy")]
    has = [grade(span, 0.65, "narrow arms", 0.8, "wide arms") or "two arms", "a ring"]
    return join(*parts), caption(generator, ["anchor", "ship anchor"], looks, has)


def _brush(generator: np.random.Generator) -> Made:
    u = generator.uniform
    length, head, tufts = u(0.8, 1.8), u(0.3, 0.8), int(generator.integers(3, 9))
    wide, bristle = u(0.08, 0.2), u(0.12, 0.3)
    handle = Tube(
        [(0, 0, 0), (0.3, 0, 0.02), (0.7 * length, 0, 0), (length, 0, 0)],
        [wide, 0.6 * wide, 0.06, 0.08],
        [0.05, 0.05, 0.05, 0.04],
        rounded=True,
        up=(0, 1, 0),
    )
    base = box((head, 2 * wide, 0.1), (-head / 2 + 0.05, 0, 0), 0.045)
    x = -head + 0.08 + (np.arange(tufts) + 0.5) * (head - 0.06) / tufts
    rows = max(1, round(wide / 0.06))
    y = ((np.arange(rows) + 0.5) / rows - 0.5) * 1.7 * wide
    size = 0.38 * min((head - 0.06) / tufts, 1.7 * wide / rows)
    tuft = cylinder(size, bristle)
    bristles = copies(tuft, [(a, b, -bristle / 2 - 0.03) for a in x for b in y])
    looks = [
        grade(length, 1.1, "short-handled", 1.5, "long-handled"),
        grade(wide, 0.1, "narrow", 0.16, "wide"),
    ]
    has = [
        quantity(generator, tufts * rows, "tuft", "tufts"),
        grade(bristle, 0.17, "short bristles", 0.24, "long bristles"),
    ]
    nouns = ["brush", "toothbrush"] if wide < 0.1 else ["brush", "scrubbing brush"]
    return join(handle, base, bristles), caption(generator, nouns, looks, has)


def _paint_brush(generator: np.random.Generator) -> Made:
    u = generator.uniform
    length, wide, hair = u(0.9, 1.6), u(0.12, 0.35), u(0.25, 0.6)
    z = np.array([0, 0.1, 0.5, 0.85, 1.0]) * length
    handle = Tube(
        np.stack([0 * z, 0 * z, z], axis=1),
        [0.04, 0.07, 0.05, 0.1, 0.8 * wide],
        [0.04, 0.05, 0.04, 0.05, 0.05],
        up=(1, 0, 0),
    )
    ferrule = box((2 * wide, 0.14, 0.2), (0, 0, length + 0.05), 0.02)
    z = length + 0.1 + np.array([0, 0.5, 1.0]) * hair
    bristles = Tube(
        np.stack([0 * z, 0 * z, z], axis=1),
        [0.95 * wide, wide, 0.8 * wide],
        [0.06, 0.06, 0.02],
        power=5,
        up=(1, 0, 0),
    )
    looks = [grade(wide, 0.18, "narrow", 0.28, "broad"), grade(length, 1.1, "short", 1.4, "long")]
    has = [grade(hair, 0.35, "short bristles", 0.5, "long bristles") or "bristles"]
    return join(handle, ferrule, bristles), caption(
        generator, ["paint brush", "flat brush"], looks, has
    )


TOOLS: dict[str, Maker] = {
    "key": _key,
    "wrench": _wrench,
    "hammer": _hammer,
    "screwdriver": _screwdriver,
    "drill bit": _drill_bit,
    "anchor": _anchor,
    "brush": _brush,
    "paint brush": _paint_brush,
}
"""Family name to maker."""

"""Vessels and dishes with handles, spouts or notches."""

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
    lifted,
    loop_handle,
    put,
    quantity,
    ring_of,
    rod,
    slab,
    standing,
    stretched,
    torus,
    turn,
    turned_body,
    vessel,
    wall_words,
)
from plane_anomalib.generation.shapes.outlines import arc, flat_curve, oval, rounded, spline
from plane_anomalib.generation.shapes.solids import Box, Solid
from plane_anomalib.generation.shapes.sweeps import Extrusion, Tube


def _mug(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, wall = u(0.8, 1.5), u(0.03, 0.07)
    belly = u(0.45, 0.56)
    body = vessel([0, 0.5 * height, height], [u(0.4, 0.5), belly, 0.48], wall)
    reach = u(0.2, 0.45)
    handle = loop_handle(body, u(0.15, 0.3) * height, u(0.72, 0.85) * height, reach, u(0.035, 0.06))
    looks = [grade(height, 1.0, "short", 1.3, "tall")]
    has = [
        grade(reach, 0.27, "a small handle", 0.36, "a large handle") or "a handle",
        wall_words(wall),
    ]
    return join(body, handle), caption(generator, ["mug", "coffee mug", "mug"], looks, has)


def _jug(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, wall, neck = u(1.1, 2.0), u(0.025, 0.05), u(0.26, 0.4)
    heights = np.array([0, 0.1, 0.4, 0.75, 1]) * height
    body = vessel(heights, [0.36, 0.42, u(0.48, 0.6), neck, neck * 1.2], wall)
    handle = loop_handle(body, 0.35 * height, 0.88 * height, u(0.3, 0.45), u(0.04, 0.06))
    looks = [grade(height, 1.35, "squat", 1.7, "tall")]
    has = ["a handle", grade(neck, 0.3, "a narrow neck", 0.36, "a wide neck"), wall_words(wall)]
    return join(body, handle), caption(generator, ["jug", "pitcher", "jug"], looks, has)


def _teapot(generator: np.random.Generator) -> Made:
    u = generator.uniform
    tall = u(0.7, 1.2)
    body = turned_body(np.array([0, 0.1, 0.5, 0.9, 1]) * tall, [0.3, 0.42, u(0.52, 0.6), 0.3, 0.26])
    lid = turned_body([tall - 0.02, tall + 0.03, tall + 0.12], [0.24, 0.2, 0.05])
    knob = ball(u(0.05, 0.08), (0, 0, tall + 0.15))
    spout_end = u(0.85, 1.05)
    path = spline([(0.4, 0.3 * tall), (0.7, 0.45 * tall), (spout_end, u(0.85, 1.0) * tall)], 24)
    spout = Tube(flat_curve(path), np.linspace(0.13, 0.06, 24))
    handle = loop_handle(body, 0.25 * tall, 0.8 * tall, u(0.35, 0.5), 0.05)
    solid = join(body, lid, knob, spout, put(handle, rotation=turn("z", 180)))
    looks = [grade(tall, 0.85, "squat", 1.05, "tall")]
    has = ["a curved spout", "a handle", "a lid with a knob"]
    return solid, caption(generator, "teapot", looks, has)


def _plate(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, flat = u(0.06, 0.28), u(0.5, 0.75)
    body: Solid = vessel([0, 0.4 * height, height], [flat, flat + 0.08, 1.0], u(0.02, 0.04))
    oval_ = generator.random() < 0.3
    if oval_:
        body = stretched(body, (1, u(0.6, 0.8), 1), generator)
    looks = ["oval" if oval_ else "round", grade(height, 0.12, "flat", 0.2, "deep")]
    has = [grade(flat, 0.58, "a broad rim", 0.68, "a narrow rim")]
    return body, caption(generator, ["plate", "dinner plate", "dish"], looks, has)


def _ashtray(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, notches, wall = u(0.2, 0.5), int(generator.integers(3, 7)), u(0.1, 0.22)
    square = generator.random() < 0.4
    if square:
        body = Difference(
            box((1.7, 1.7, height), (0, 0, height / 2), 0.08),
            [cylinder(0.7, height, (0, 0, height * 0.75))],
        )
        notches = 4
    else:
        base = u(0.7, 1.0)
        body = Difference(
            cylinder(base, height, (0, 0, height / 2), top=1.0),
            [cylinder(1 - wall - 0.1, height, (0, 0, height * 0.75), top=1 - wall)],
        )
    groove = put(cylinder(u(0.07, 0.12), 1.0, axis="x"), (0.95, 0, height))
    solid = Difference(body, [ring_of(groove, notches)])
    looks = ["square" if square else "round", grade(height, 0.27, "flat", 0.4, "high")]
    has = [quantity(generator, notches, "notch in the rim", "notches in the rim"), "a thick rim"]
    return solid, caption(generator, "ashtray", looks, has)


def _cooking_pot(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, wall = u(0.5, 1.1), u(0.02, 0.05)
    body = vessel([0, 0.08, height], [0.56, 0.6, 0.6], wall)
    loop = put(torus(u(0.12, 0.18), 0.03), (0.64, 0, 0.8 * height))
    parts = [body, ring_of(loop, 2)]
    lid = generator.random() < 0.5
    if lid:
        dome = turned_body([height - 0.01, height + 0.04, height + u(0.1, 0.25)], [0.63, 0.6, 0.04])
        parts += [dome, ball(0.08, (0, 0, height + 0.27))]
    looks = [grade(height, 0.65, "shallow", 0.9, "deep")]
    has = ["two handles", "a lid" if lid else "no lid"]
    return join(*parts), caption(
        generator, ["cooking pot", "pot", "saucepan with two grips"], looks, has
    )


def _frying_pan(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, length = u(0.12, 0.35), u(0.8, 1.6)
    body = vessel([0, 0.3 * height, height], [0.6, 0.68, 0.75], 0.035)
    end = 0.7 + length
    grip = rod((0.7, 0, 0.7 * height), (end, 0, height + u(0, 0.25)), 0.06, u(0.05, 0.09))
    looks = [grade(height, 0.18, "flat", 0.27, "deep")]
    has = [grade(length, 1.0, "a short handle", 1.3, "a long handle") or "a handle"]
    return join(body, grip), caption(generator, ["frying pan", "pan", "skillet"], looks, has)


def _tray(generator: np.random.Generator) -> Made:
    u = generator.uniform
    width, height, grips = u(0.5, 0.9), u(0.08, 0.25), generator.random() < 0.5
    outline = rounded(1.5, 1.5 * width, u(0.05, 0.3))
    tools: list[Solid] = [put(Extrusion(outline * 0.93, height), (0, 0, 0.25 * height))]
    solid: Solid = Difference(Extrusion(outline, height), tools)
    if grips:
        loop = Tube(flat_curve(arc(0.2, 0, np.pi), "yz"), 0.03)
        solid = join(solid, *(put(loop, (side * 0.72, 0, 0.45 * height)) for side in (-1, 1)))
    looks = [grade(width, 0.6, "long", 0.8, "nearly square"), grade(height, 0.13, "flat", 0.2, "")]
    has = ["two handles" if grips else "a raised edge"]
    return solid, caption(generator, ["tray", "serving tray"], looks, has)


def _open_box(generator: np.random.Generator) -> Made:
    u = generator.uniform
    width, height, wall = u(0.6, 1.4), u(0.3, 1.0), u(0.03, 0.1)
    body = box((1, width, height))
    inner = (1 - 2 * wall, width - 2 * wall, height)
    split = generator.random() < 0.35
    tools = [box(inner, (0, 0, wall))]
    if split:
        half = ((inner[0] - wall) / 2, inner[1], height)
        shift = (half[0] + wall) / 2
        tools = [box(half, (side * shift, 0, wall)) for side in (-1, 1)]
    looks = [grade(height, 0.45, "shallow", 0.8, "deep"), ""]
    has = [wall_words(wall), "two compartments" if split else "no lid"]
    return Difference(body, tools), caption(
        generator, ["open box", "crate", "tray box"], looks, has
    )


TABLEWARE: dict[str, Maker] = {
    "mug": _mug,
    "jug": _jug,
    "teapot": _teapot,
    "plate": _plate,
    "ashtray": _ashtray,
    "cooking pot": _cooking_pot,
    "frying pan": _frying_pan,
    "tray": _tray,
    "open box": _open_box,
}
"""Family name to maker."""


def _spoon(generator: np.random.Generator) -> Made:
    u = generator.uniform
    length, wide, bowl_length, depth = u(0.8, 1.5), u(0.16, 0.32), u(0.3, 0.45), u(0.06, 0.16)
    hollow = lifted(
        slab(oval(bowl_length, wide), 0.03),
        lambda x, y: depth * ((x / bowl_length) ** 2 + (y / wide) ** 2 - 1),
        generator,
    )
    path = [
        (bowl_length - 0.02, 0, -0.01),
        (bowl_length + 0.15, 0, u(0.02, 0.12)),
        (bowl_length + 0.6 * length, 0, 0.08),
        (bowl_length + length, 0, 0.02),
    ]
    grip = Tube(
        spline(path, 30),
        np.interp(np.linspace(0, 1, 30), [0, 0.3, 1], [0.04, 0.04, u(0.06, 0.12)]),
        0.018,
        rounded=True,
        up=(0, 1, 0),
    )
    looks = [grade(depth, 0.09, "flat", 0.13, "deep"), grade(length, 1.0, "short", 1.3, "long")]
    has = [
        grade(wide, 0.2, "a narrow bowl", 0.27, "a wide bowl") or "an oval bowl",
        "a flat handle",
    ]
    return join(hollow, grip), caption(
        generator, ["spoon", "table spoon", "soup spoon"], looks, has
    )


def _fork(generator: np.random.Generator) -> Made:
    u = generator.uniform
    tines, wide, tine, length = (
        int(generator.integers(2, 6)),
        u(0.15, 0.25),
        u(0.3, 0.55),
        u(0.8, 1.5),
    )
    outline = [(-0.25, -0.7 * wide), (0, -wide)]
    pitch = 2 * wide / (tines - 0.45)
    for i in range(tines):
        y = -wide + i * pitch
        outline += [(tine, y + 0.02), (tine, y + 0.45 * pitch), (0.03, y + 0.55 * pitch)]
        if i < tines - 1:
            outline.append((0.03, y + pitch))
    outline += [(0, wide), (-0.25, 0.7 * wide), (-0.4, 0.05), (-0.4 - 0.3 * length, 0.035)]
    outline += [
        (-0.4 - length, 0.09),
        (-0.4 - length, -0.09),
        (-0.4 - 0.3 * length, -0.035),
        (-0.4, -0.05),
    ]
    bend = u(0.1, 0.35)
    solid = lifted(
        slab(outline, 0.03), lambda x, _: bend * np.cos(2.2 * x) * np.exp(-(x**2)), generator
    )
    looks = [grade(length, 1.0, "short", 1.3, "long"), grade(bend, 0.17, "flat", 0.28, "curved")]
    has = [
        quantity(generator, tines, "tine", "tines"),
        grade(tine, 0.38, "short tines", 0.48, "long tines"),
    ]
    return solid, caption(generator, ["fork", "table fork"], looks, has)


def _knife(generator: np.random.Generator) -> Made:
    u = generator.uniform
    blade, wide, grip = u(0.8, 2.0), u(0.12, 0.32), u(0.6, 1.0)
    top = spline([(0, wide / 2), (0.7 * blade, wide * 0.5), (blade, u(-0.4, 0.3) * wide)], 12)
    low = spline([(blade, top[-1, 1] - 0.01), (0.75 * blade, -0.45 * wide), (0, -wide / 2)], 12)
    handle = box((grip, 0.12, u(0.12, 0.18)), (-grip / 2 + 0.02, 0, 0), 0.04)
    edge = standing(np.concatenate([low, top])[::-1], 0.03)
    looks = [grade(blade, 1.1, "short", 1.6, "long"), ""]
    has = [
        grade(wide, 0.18, "a narrow blade", 0.26, "a broad blade") or "a blade",
        "a straight handle",
    ]
    return join(edge, handle), caption(generator, ["knife", "kitchen knife"], looks, has)


def _comb(generator: np.random.Generator) -> Made:
    u = generator.uniform
    teeth, back, tooth, thick = (
        int(generator.integers(10, 36)),
        u(0.08, 0.25),
        u(0.15, 0.45),
        u(0.03, 0.08),
    )
    pitch = 1.4 / (teeth - 0.5)
    outline: list[tuple[float, float]] = [(1.4, back), (0, back)]
    for i in range(teeth):
        x = i * pitch
        outline += [(x, -tooth), (x + 0.5 * pitch, -tooth)]
        if i < teeth - 1:
            outline += [(x + 0.55 * pitch, 0), (x + 0.95 * pitch, 0)]
    outline[-1] = (1.4, -tooth)
    solid: Solid = slab(outline, thick)
    gripped = generator.random() < 0.35
    if gripped:
        solid = join(solid, slab(rounded(1.0, back * 0.9, 0.04, (-0.45, back / 2)), thick * 1.02))
    looks = [
        grade(tooth, 0.22, "fine", 0.35, "long-toothed"),
        grade(thick, 0.04, "thin", 0.065, "thick"),
    ]
    has = [
        quantity(generator, teeth, "tooth", "teeth"),
        "a handle" if gripped else "a straight back",
    ]
    return put(solid, rotation=turn("x", 90)), caption(generator, ["comb", "hair comb"], looks, has)


def _eraser(generator: np.random.Generator) -> Made:
    u = generator.uniform
    width, thick, slant, sleeve = u(0.3, 0.6), u(0.15, 0.35), u(0.0, 0.3), generator.random() < 0.5
    half = thick / 2
    outline = [(-0.5, -half), (0.5, -half), (0.5 + slant, half), (-0.5 + slant, half)]
    parts: list[Solid] = [standing(outline, width)]
    worn = generator.random() < 0.4
    if worn:
        parts = [Difference(parts[0], [put(Box((1, 2, 1)), (0.95 + slant, 0, 0.5), turn("y", 30))])]
    if slant < 0.05 or not sleeve:
        sleeve = False
    else:
        parts.append(standing(np.array(outline) * (0.55, 1.12), width * 1.06, (-0.05, 0, 0)))
    looks = ["slanted" if slant > 0.1 else "rectangular", grade(thick, 0.2, "flat", 0.3, "thick")]
    has = ["a paper sleeve" if sleeve else "", "a worn corner" if worn else ""]
    return join(*parts), caption(generator, ["eraser", "rubber eraser"], looks, has)


def _phone(generator: np.random.Generator) -> Made:
    u = generator.uniform
    width, thick = u(0.45, 0.6), u(0.05, 0.12)
    keypad = generator.random() < 0.4
    body: Solid = put(Extrusion(rounded(width, 1, u(0.03, 0.1)), thick))
    if keypad:
        tools: list[Solid] = [box((width * 0.8, 0.35, thick), (0, 0.25, thick * 0.8))]
        keys = [
            (width * 0.26 * c, -0.08 - 0.1 * r, thick / 2) for c in (-1, 0, 1) for r in range(4)
        ]
        solid = join(Difference(body, tools), copies(Box((width * 0.2, 0.07, 0.04), 0.015), keys))
    else:
        lenses = int(generator.integers(1, 4))
        solid = join(
            Difference(body, [box((width * 0.92, 0.9, thick), (0, 0, -0.9 * thick))]),
            copies(
                cylinder(0.04, 0.04), [(-0.15, 0.4 - 0.1 * i, thick / 2) for i in range(lenses)]
            ),
        )
    looks = [grade(thick, 0.07, "thin", 0.1, "thick"), grade(width, 0.5, "narrow", 0.56, "wide")]
    has = ["twelve keys" if keypad else quantity(generator, lenses, "camera lens", "camera lenses")]
    nouns = ["phone", "mobile phone"] if keypad else ["phone", "smartphone"]
    return put(solid, rotation=turn("x", 70)), caption(generator, nouns, looks, has)


CUTLERY: dict[str, Maker] = {
    "spoon": _spoon,
    "fork": _fork,
    "knife": _knife,
    "comb": _comb,
    "eraser": _eraser,
    "phone": _phone,
}
"""Family name to maker."""

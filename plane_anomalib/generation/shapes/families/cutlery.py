"""Cutlery, and small flat things."""

from __future__ import annotations

import numpy as np

from plane_anomalib.generation.shapes.build import (
    box,
    copies,
    cylinder,
    join,
    lifted,
    put,
    slab,
    standing,
    turn,
)
from plane_anomalib.generation.shapes.combine import Difference
from plane_anomalib.generation.shapes.families.kinds import Made, Maker
from plane_anomalib.generation.shapes.outlines import oval, rounded, spline
from plane_anomalib.generation.shapes.primitives import Box
from plane_anomalib.generation.shapes.profiles import Extrusion
from plane_anomalib.generation.shapes.solid import Solid
from plane_anomalib.generation.shapes.tube import Tube
from plane_anomalib.generation.shapes.wording import caption, grade, quantity


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

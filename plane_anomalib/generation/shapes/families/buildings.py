"""Buildings."""

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
    grade,
    join,
    lathe,
    mirror_pair,
    pipe,
    put,
    quantity,
    ring_of,
    rod,
    standing,
    turn,
)
from plane_anomalib.generation.shapes.outlines import (
    arc,
    regular,
)
from plane_anomalib.generation.shapes.solids import Box, Solid
from plane_anomalib.generation.shapes.sweeps import Extrusion


def _house(generator: np.random.Generator) -> Made:
    u = generator.uniform
    width, long, wall, pitch = u(0.6, 1.1), u(0.8, 1.5), u(0.4, 1.0), u(0.2, 0.8)
    flat = generator.random() < 0.15
    body = box((long, width, wall), (0, 0, wall / 2))
    parts = [body]
    half = width / 2 + 0.08
    if flat:
        parts.append(box((long + 0.1, width + 0.1, 0.06), (0, 0, wall)))
    else:
        gable = Extrusion(
            [(-half, wall - 0.02), (half, wall - 0.02), (0, wall + pitch)], long * 1.08
        )
        parts.append(put(gable, rotation=turn("z", 90) @ turn("x", 90)))
    chimney = generator.random() < 0.5
    if chimney:
        parts.append(box((0.13, 0.13, pitch + 0.2), (0.25 * long, 0.12, wall + 0.5 * pitch + 0.1)))
    windows = int(generator.integers(1, 4))
    x = ((np.arange(windows) + 0.5) / windows - 0.5) * long * 0.9
    panes = copies(
        Box((0.6 * long / (windows + 1), 0.08, 0.3 * wall)),
        [(a, s * width / 2, 0.55 * wall) for a in x for s in (-1, 1)],
    )
    parts[0] = Difference(body, [panes, box((0.08, 0.18, 0.65 * wall), (long / 2, 0, 0.31 * wall))])
    looks = [grade(wall, 0.55, "low", 0.85, "tall"), grade(long, 1.0, "short", 1.3, "long")]
    has = [
        "a flat roof"
        if flat
        else grade(pitch, 0.35, "a low roof", 0.6, "a steep roof") or "a gable roof",
        "a chimney" if chimney else "",
        f"{windows} windows on a side" if windows > 1 else "",
    ]
    return join(*parts), caption(generator, ["house", "toy house", "cottage"], looks, has)


def _tower(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, merlons, pointed = u(1.0, 2.5), int(generator.integers(5, 11)), generator.random() < 0.4
    sides = int(generator.choice([0, 0, 4, 6, 8]))
    shaft: Solid = lathe([(0.5, 0), (0.45, 0.15), (0.4, height)])
    if sides:
        shaft = put(Extrusion(regular(sides, 0.47), height), (0, 0, height / 2))
    parts = [shaft, pipe(0.5, 0.36, height - 0.2, height)]
    if pointed:
        parts.append(lathe([(0.55, height - 0.05), (0.02, height + u(0.5, 1.0))]))
    else:
        tooth = box((0.12, 0.55 * np.pi / merlons, 0.2), (0.43, 0, height + 0.08))
        parts.append(ring_of(tooth, merlons))
    looks = [
        grade(height, 1.4, "squat", 2.0, "tall"),
        {0: "round", 4: "square"}.get(sides, "angular"),
    ]
    has = ["a pointed roof" if pointed else quantity(generator, merlons, "merlon", "merlons")]
    return join(*parts), caption(generator, ["tower", "castle tower"], looks, has)


def _windmill(generator: np.random.Generator) -> Made:
    u = generator.uniform
    blades, span, height = int(generator.integers(3, 6)), u(0.5, 1.0), u(1.0, 2.0)
    sail = put(box((span, 0.03, u(0.08, 0.22)), (span / 2, 0, 0)))
    hub = put(
        join(*(put(sail, rotation=turn("y", 360 * i / blades)) for i in range(blades))),
        (0, 0.28, height),
    )
    parts = [
        lathe([(u(0.2, 0.4), 0), (0.15, height)]),
        ball(0.17, (0, 0, height)),
        rod((0, 0, height), (0, 0.34, height), 0.05),
        hub,
    ]
    looks = [grade(height, 1.3, "low", 1.7, "tall")]
    has = [
        quantity(generator, blades, "blade", "blades"),
        grade(span, 0.65, "short blades", 0.85, "long blades"),
    ]
    return join(*parts), caption(generator, ["windmill", "wind turbine"], looks, has)


def _arch_bridge(generator: np.random.Generator) -> Made:
    u = generator.uniform
    arches, wide, thick = int(generator.integers(1, 5)), u(0.3, 1.0), u(0.1, 0.3)
    radius, pier = 0.5, u(0.1, 0.3)
    pitch = 2 * radius + pier
    deck = u(0.0, 0.4)
    corners: list[tuple[float, float]] = []
    for i in range(arches):
        corners += [(i * pitch + x, deck + z) for x, z in arc(radius, np.pi, 0, count=16)]
        if i < arches - 1:
            corners += [(i * pitch + radius, 0), ((i + 1) * pitch - radius, 0)]
    end = (arches - 1) * pitch + radius + pier
    top = deck + radius + thick
    outline = [
        (-radius - pier, 0),
        (-radius, 0),
        *corners,
        (end - pier, 0),
        (end, 0),
        (end, top),
        (-radius - pier, top),
    ]
    road = standing(np.asarray(outline) + np.linspace(0, 1e-6, len(outline))[:, None], wide)
    walls = mirror_pair(
        lambda s: box(
            (end + radius + pier, 0.06, 0.15),
            ((end - radius - pier) / 2, s * (wide / 2 - 0.05), top + 0.05),
        )
    )
    looks = [grade(wide, 0.5, "narrow", 0.8, "wide"), grade(deck, 0.12, "low", 0.28, "high")]
    return join(road, walls), caption(
        generator,
        ["bridge", "arch bridge"],
        looks,
        [quantity(generator, arches, "arch", "arches"), "two parapets"],
    )


def _stairs(generator: np.random.Generator) -> Made:
    u = generator.uniform
    steps, width, rise = int(generator.integers(3, 11)), u(1.0, 4.0), u(0.5, 1.0)
    corners: list[tuple[float, float]] = [(0, 0), (steps, 0)]
    for i in range(steps, 0, -1):
        corners += [(i, i * rise), (i - 1, i * rise)]
    solid = put(Extrusion(corners, width), rotation=turn("x", 90))
    looks = [grade(width, 1.8, "narrow", 3.0, "wide"), grade(rise, 0.65, "gentle", 0.85, "steep")]
    return solid, caption(
        generator,
        ["staircase", "stair block"],
        looks,
        [quantity(generator, steps, "step", "steps")],
    )


BUILDINGS: dict[str, Maker] = {
    "house": _house,
    "tower": _tower,
    "windmill": _windmill,
    "bridge": _arch_bridge,
    "staircase": _stairs,
}
"""Family name to maker."""

"""Things that are worn."""

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
    ellipsoid,
    grade,
    join,
    lathe,
    lifted,
    mirror_pair,
    put,
    quantity,
    slab,
    stretched,
    torus,
    turn,
)
from plane_anomalib.generation.shapes.outlines import arc, flat_curve, oval, regular, spline
from plane_anomalib.generation.shapes.solids import Convex, Solid
from plane_anomalib.generation.shapes.sweeps import Revolution, Tube


def _headset(generator: np.random.Generator) -> Made:
    u = generator.uniform
    radius, pad, thick, mic = u(0.7, 0.95), u(0.22, 0.4), u(0.12, 0.25), generator.random() < 0.5
    bow = arc(radius, -0.15, np.pi + 0.15, count=50) * (1, u(0.9, 1.2))
    band = Tube(flat_curve(bow), u(0.05, 0.14), u(0.025, 0.05), power=3)
    cup_ = cylinder(pad, thick, axis="x", top=pad * 0.8)
    z = float(bow[0, 1])
    parts: list[Solid] = [
        band,
        put(cup_, (radius, 0, z)),
        put(cup_, (-radius, 0, z), turn("z", 180)),
        mirror_pair(
            lambda s: put(torus(pad * 0.8, 0.07), (s * (radius - 0.5 * thick), 0, z), turn("y", 90))
        ),
    ]
    if mic:
        boom = spline(
            [(radius, 0, z), (radius * 0.9, 0.5, z - 0.35), (radius * 0.4, 0.75, z - 0.5)], 24
        )
        parts += [Tube(boom, 0.03), ball(0.08, boom[-1])]
    has = [
        grade(pad, 0.28, "small ear cups", 0.35, "large ear cups") or "two ear cups",
        "a microphone boom" if mic else "a curved band",
    ]
    nouns = ["headset"] if mic else ["headset", "pair of headphones"]
    return join(*parts), caption(generator, nouns, [], has)


def _helmet(generator: np.random.Generator) -> Made:
    u = generator.uniform
    wall, length, low, crest = u(0.04, 0.1), u(1.0, 1.3), u(-0.5, 0.0), generator.random() < 0.35
    outer = np.array([(np.cos(a), np.sin(a)) for a in np.linspace(low, np.pi / 2, 30)])
    shell: Solid = Revolution(np.concatenate([outer, outer[::-1] * (1 - wall)]))
    shell = stretched(shell, (length, 1, u(0.85, 1.1)), generator)
    visor = generator.random() < 0.5
    parts = [shell]
    if low < -0.3 and generator.random() < 0.7:
        parts = [Difference(shell, [box((1.0, 1.2, 0.8), (length, 0, -0.35))])]
    if visor:
        brim = Difference(
            slab(oval(0.6, 0.75), 0.05, (length * 0.75, 0, max(low, 0) + 0.03)),
            [ellipsoid((length * (1 - wall / 2), 1 - wall / 2, 1))],
        )
        parts.append(brim)
    if crest:
        ridge = arc(1.0, 0.3, np.pi - 0.3, count=30) * (length, 1)
        parts.append(Tube(flat_curve(ridge), 0.06, 0.12, power=4))
    looks = [grade(length, 1.08, "round", 1.2, "long")]
    has = [
        "a visor" if visor else "",
        "a crest" if crest else "",
        grade(wall, 0.055, "a thin shell", 0.08, "a thick shell"),
        "deep sides" if low < -0.3 else "an open bottom",
    ]
    return join(*parts), caption(generator, ["helmet", "safety helmet", "helmet"], looks, has)


def _cap(generator: np.random.Generator) -> Made:
    u = generator.uniform
    rise, reach, droop, wall = u(0.55, 0.95), u(0.45, 0.95), u(0.1, 0.4), 0.04
    z = np.linspace(0, np.pi / 2, 24)
    outer = np.stack([np.cos(z) ** 0.8, np.sin(z)], axis=1)
    crown = Revolution(np.concatenate([outer, outer[::-1] * (1 - wall)]) * (1, rise))
    outline = oval(reach + 0.45, 0.9, 2.4) + np.array((0.55, 0))
    brim = lifted(
        slab(outline[outline[:, 0] > 0.1], 0.04, (0, 0, 0.05)),
        lambda x, y: -(droop * y**2 + 0.1) * np.clip(x - 0.4, 0, 2),
        generator,
    )
    front = Difference(brim, [ellipsoid((0.97, 0.97, 0.4))])
    button = ball(0.07, (0, 0, rise))
    looks = [grade(rise, 0.65, "flat", 0.85, "high")]
    has = [
        grade(reach, 0.6, "a short peak", 0.8, "a long peak") or "a peak",
        grade(droop, 0.17, "a flat peak", 0.3, "a bent peak"),
        "a button on top",
    ]
    return join(crown, front, button), caption(
        generator, ["cap", "baseball cap", "cap"], looks, has
    )


def _hat(generator: np.random.Generator) -> Made:
    u = generator.uniform
    rise, brim, top, wall = u(0.4, 1.4), u(1.2, 1.9), u(0.5, 0.95), 0.05
    outer = [
        (brim, u(-0.05, 0.15)),
        (0.85, 0.0),
        (0.8, 0.08),
        (0.8 * top, rise),
        (0.5 * top, rise + u(0, 0.1)),
    ]
    curve = np.array([*outer, (0.0, rise + 0.05)])
    inner = curve * (0.93, 1) - (0, wall)
    inner[0, 0] = brim
    solid: Solid = Revolution(np.concatenate([curve, inner[::-1]]))
    bent = generator.random() < 0.4
    if bent:
        solid = lifted(
            solid, lambda x, y: 0.15 * (y**2 - x**2) * np.clip(x**2 + y**2 - 0.64, 0, 1), generator
        )
    looks = [grade(rise, 0.6, "flat", 1.0, "tall")]
    has = [
        grade(brim, 1.4, "a narrow brim", 1.65, "a wide brim"),
        "a bent brim" if bent else "",
        grade(top, 0.6, "a tapered crown", 2, ""),
    ]
    nouns = ["top hat", "hat"] if rise > 1.0 and top > 0.8 else ["hat", "brimmed hat"]
    return solid, caption(generator, nouns, looks, has)


def _glasses(generator: np.random.Generator) -> Made:
    u = generator.uniform
    lens, wire, long = u(0.3, 0.42), u(0.025, 0.05), u(1.0, 1.4)
    boxy = float(generator.choice([2.0, 2.0, 4.0]))
    loop = oval(lens, lens * u(0.65, 1.0), boxy, 48)
    rim = Tube(flat_curve(loop), wire, closed=True)
    gap = lens + u(0.06, 0.15)
    bridge = Tube(flat_curve(arc(gap - lens + 0.02, 0.1, np.pi - 0.1, count=16)), wire)
    parts: list[Solid] = [put(rim, (gap, 0, 0)), put(rim, (-gap, 0, 0)), bridge]
    for s in (-1, 1):
        x = s * (gap + lens)
        parts.append(
            Tube(spline([(x, 0, 0), (x * 1.02, -0.8 * long, 0), (x * 1.0, -long, -0.2)], 24), wire)
        )
    looks = [
        "round" if boxy == 2 else "square",
        grade(wire, 0.033, "thin-rimmed", 0.043, "thick-rimmed"),
    ]
    nouns = ["pair of glasses", "pair of spectacles"]
    return join(*parts), caption(generator, nouns, looks, ["two rims", "two temples"])


def _ring(generator: np.random.Generator) -> Made:
    u = generator.uniform
    thick, wide, stone = u(0.05, 0.15), u(0.06, 0.3), generator.random() < 0.5
    parts: list[Solid] = [
        put(Revolution(oval(thick, wide, 3.0) + np.array((1, 0))), rotation=turn("x", 90))
    ]
    if stone:
        sides, size = int(generator.integers(5, 9)), u(0.2, 0.4)
        gem = [*regular(sides, size), *(regular(sides, 0.6 * size))]
        heights = [0.0] * sides + [0.3 * size] * sides
        cut = np.concatenate([np.column_stack([gem, heights]), [(0, 0, -0.9 * size)]])
        parts.append(put(Convex(cut), (0, 0, 1 + thick + 0.5 * size)))
    looks = [grade(wide, 0.12, "narrow", 0.22, "broad"), grade(thick, 0.08, "thin", 0.12, "thick")]
    return join(*parts), caption(
        generator, ["ring", "finger ring"], looks, ["a stone" if stone else "no stone"]
    )


def _button(generator: np.random.Generator) -> Made:
    u = generator.uniform
    holes, thick, rim = int(generator.choice([2, 4])), u(0.1, 0.3), u(0.08, 0.22)
    body = lathe(
        [(1, -thick / 2), (1, thick / 2), (1 - rim, thick / 2), (1 - rim - 0.05, 0.2 * thick)]
    )
    offset = u(0.2, 0.35)
    places = regular(holes, offset, np.pi / 4)
    tools = copies(cylinder(0.1, 1), np.column_stack([places, np.zeros(holes)]))
    looks = [grade(thick, 0.16, "thin", 0.24, "thick"), "round"]
    has = [
        quantity(generator, holes, "hole", "holes"),
        grade(rim, 0.12, "a narrow rim", 0.18, "a broad rim"),
    ]
    return Difference(body, [tools]), caption(
        generator, ["button", "shirt button", "coat button"], looks, has
    )


WEARABLES: dict[str, Maker] = {
    "headset": _headset,
    "helmet": _helmet,
    "cap": _cap,
    "hat": _hat,
    "glasses": _glasses,
    "ring": _ring,
    "button": _button,
}
"""Family name to maker."""

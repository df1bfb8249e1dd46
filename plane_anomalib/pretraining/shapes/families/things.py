"""Small things: tableware, electronics, headgear, toiletries."""

from __future__ import annotations

import numpy as np

from plane_anomalib.pretraining.shapes.build import (
    ball,
    box,
    copies,
    cylinder,
    ellipsoid,
    join,
    lathe,
    lifted,
    mirror_pair,
    pipe,
    put,
    rod,
    slab,
    standing,
    stretched,
    torus,
    turn,
    turned_body,
    vessel,
)
from plane_anomalib.pretraining.shapes.combine import Difference
from plane_anomalib.pretraining.shapes.families.kinds import Made, Maker
from plane_anomalib.pretraining.shapes.outlines import (
    arc,
    flat_curve,
    oval,
    regular,
    rounded,
    spline,
)
from plane_anomalib.pretraining.shapes.primitives import Box, Convex
from plane_anomalib.pretraining.shapes.profiles import Extrusion, Revolution
from plane_anomalib.pretraining.shapes.solid import Solid
from plane_anomalib.pretraining.shapes.tube import Tube
from plane_anomalib.pretraining.shapes.wording import caption, grade, quantity


def microphone(rng: np.random.Generator) -> Made:
    u = rng.uniform
    head, length, tip, stand = u(0.22, 0.36), u(0.9, 1.6), u(0.09, 0.15), rng.random() < 0.35
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
    return join(*parts), caption(rng, ["microphone", "hand microphone", "microphone"], looks, has)


def headset(rng: np.random.Generator) -> Made:
    u = rng.uniform
    radius, pad, thick, mic = u(0.7, 0.95), u(0.22, 0.4), u(0.12, 0.25), rng.random() < 0.5
    bow = arc(radius, -0.15, np.pi + 0.15, count=50) * (1, u(0.9, 1.2))
    band = Tube(flat_curve(bow), u(0.05, 0.14), u(0.025, 0.05), power=3)
    cup_ = cylinder(pad, thick, axis="x", top=pad * 0.8)
    z = float(bow[0, 1])
    parts: list[Solid] = [
        band,
        put(cup_, (radius, 0, z)),
        put(cup_, (-radius, 0, z), turn("z", 180)),
        mirror_pair(lambda s: put(torus(pad * 0.8, 0.07), (s * (radius - 0.5 * thick), 0, z), turn("y", 90))),
    ]
    if mic:
        boom = spline([(radius, 0, z), (radius * 0.9, 0.5, z - 0.35), (radius * 0.4, 0.75, z - 0.5)], 24)
        parts += [Tube(boom, 0.03), ball(0.08, boom[-1])]
    has = [
        grade(pad, 0.28, "small ear cups", 0.35, "large ear cups") or "two ear cups",
        "a microphone boom" if mic else "a curved band",
    ]
    nouns = ["headset"] if mic else ["headset", "pair of headphones"]
    return join(*parts), caption(rng, nouns, [], has)


def helmet(rng: np.random.Generator) -> Made:
    u = rng.uniform
    wall, length, low, crest = u(0.04, 0.1), u(1.0, 1.3), u(-0.5, 0.0), rng.random() < 0.35
    outer = np.array([(np.cos(a), np.sin(a)) for a in np.linspace(low, np.pi / 2, 30)])
    shell: Solid = Revolution(np.concatenate([outer, outer[::-1] * (1 - wall)]))
    shell = stretched(shell, (length, 1, u(0.85, 1.1)), rng)
    visor = rng.random() < 0.5
    parts = [shell]
    if low < -0.3 and rng.random() < 0.7:
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
    return join(*parts), caption(rng, ["helmet", "safety helmet", "helmet"], looks, has)


def cap(rng: np.random.Generator) -> Made:
    u = rng.uniform
    rise, reach, droop, wall = u(0.55, 0.95), u(0.45, 0.95), u(0.1, 0.4), 0.04
    z = np.linspace(0, np.pi / 2, 24)
    outer = np.stack([np.cos(z) ** 0.8, np.sin(z)], axis=1)
    crown = Revolution(np.concatenate([outer, outer[::-1] * (1 - wall)]) * (1, rise))
    outline = oval(reach + 0.45, 0.9, 2.4) + (0.55, 0)
    brim = lifted(
        slab(outline[outline[:, 0] > 0.1], 0.04, (0, 0, 0.05)),
        lambda x, y: -(droop * y**2 + 0.1) * np.clip(x - 0.4, 0, 2),
        rng,
    )
    front = Difference(brim, [ellipsoid((0.97, 0.97, 0.4))])
    button = ball(0.07, (0, 0, rise))
    looks = [grade(rise, 0.65, "flat", 0.85, "high")]
    has = [
        grade(reach, 0.6, "a short peak", 0.8, "a long peak") or "a peak",
        grade(droop, 0.17, "a flat peak", 0.3, "a bent peak"),
        "a button on top",
    ]
    return join(crown, front, button), caption(rng, ["cap", "baseball cap", "cap"], looks, has)


def hat(rng: np.random.Generator) -> Made:
    u = rng.uniform
    rise, brim, top, wall = u(0.4, 1.4), u(1.2, 1.9), u(0.5, 0.95), 0.05
    outer = [(brim, u(-0.05, 0.15)), (0.85, 0.0), (0.8, 0.08), (0.8 * top, rise), (0.5 * top, rise + u(0, 0.1))]
    curve = np.array([*outer, (0.0, rise + 0.05)])
    inner = curve * (0.93, 1) - (0, wall)
    inner[0, 0] = brim
    solid: Solid = Revolution(np.concatenate([curve, inner[::-1]]))
    bent = rng.random() < 0.4
    if bent:
        solid = lifted(solid, lambda x, y: 0.15 * (y**2 - x**2) * np.clip(x**2 + y**2 - 0.64, 0, 1), rng)
    looks = [grade(rise, 0.6, "flat", 1.0, "tall")]
    has = [grade(brim, 1.4, "a narrow brim", 1.65, "a wide brim"), "a bent brim" if bent else "", grade(top, 0.6, "a tapered crown", 2, "")]
    nouns = ["top hat", "hat"] if rise > 1.0 and top > 0.8 else ["hat", "brimmed hat"]
    return solid, caption(rng, nouns, looks, has)


def phone(rng: np.random.Generator) -> Made:
    u = rng.uniform
    width, thick = u(0.45, 0.6), u(0.05, 0.12)
    keypad = rng.random() < 0.4
    body: Solid = put(Extrusion(rounded(width, 1, u(0.03, 0.1)), thick))
    if keypad:
        tools: list[Solid] = [box((width * 0.8, 0.35, thick), (0, 0.25, thick * 0.8))]
        keys = [(width * 0.26 * c, -0.08 - 0.1 * r, thick / 2) for c in (-1, 0, 1) for r in range(4)]
        solid = join(Difference(body, tools), copies(Box((width * 0.2, 0.07, 0.04), 0.015), keys))
    else:
        lenses = int(rng.integers(1, 4))
        solid = join(
            Difference(body, [box((width * 0.92, 0.9, thick), (0, 0, -0.9 * thick))]),
            copies(cylinder(0.04, 0.04), [(-0.15, 0.4 - 0.1 * i, thick / 2) for i in range(lenses)]),
        )
    looks = [grade(thick, 0.07, "thin", 0.1, "thick"), grade(width, 0.5, "narrow", 0.56, "wide")]
    has = ["twelve keys" if keypad else quantity(rng, lenses, "camera lens", "camera lenses")]
    nouns = ["phone", "mobile phone"] if keypad else ["phone", "smartphone"]
    return put(solid, rotation=turn("x", 70)), caption(rng, nouns, looks, has)


def eraser(rng: np.random.Generator) -> Made:
    u = rng.uniform
    width, thick, slant, sleeve = u(0.3, 0.6), u(0.15, 0.35), u(0.0, 0.3), rng.random() < 0.5
    half = thick / 2
    outline = [(-0.5, -half), (0.5, -half), (0.5 + slant, half), (-0.5 + slant, half)]
    parts: list[Solid] = [standing(outline, width)]
    worn = rng.random() < 0.4
    if worn:
        parts = [Difference(parts[0], [put(Box((1, 2, 1)), (0.95 + slant, 0, 0.5), turn("y", 30))])]
    if slant < 0.05 or not sleeve:
        sleeve = False
    else:
        parts.append(standing(np.array(outline) * (0.55, 1.12), width * 1.06, (-0.05, 0, 0)))
    looks = ["slanted" if slant > 0.1 else "rectangular", grade(thick, 0.2, "flat", 0.3, "thick")]
    has = ["a paper sleeve" if sleeve else "", "a worn corner" if worn else ""]
    return join(*parts), caption(rng, ["eraser", "rubber eraser"], looks, has)


def brush(rng: np.random.Generator) -> Made:
    u = rng.uniform
    length, head, tufts = u(0.8, 1.8), u(0.3, 0.8), int(rng.integers(3, 9))
    wide, bristle = u(0.08, 0.2), u(0.12, 0.3)
    handle = Tube(
        [(0, 0, 0), (0.3, 0, 0.02), (0.7 * length, 0, 0), (length, 0, 0)], [wide, 0.6 * wide, 0.06, 0.08],
        [0.05, 0.05, 0.05, 0.04], rounded=True, up=(0, 1, 0),
    )
    base = box((head, 2 * wide, 0.1), (-head / 2 + 0.05, 0, 0), 0.045)
    x = -head + 0.08 + (np.arange(tufts) + 0.5) * (head - 0.06) / tufts
    rows = max(1, round(wide / 0.06))
    y = ((np.arange(rows) + 0.5) / rows - 0.5) * 1.7 * wide
    size = 0.38 * min((head - 0.06) / tufts, 1.7 * wide / rows)
    tuft = cylinder(size, bristle)
    bristles = copies(tuft, [(a, b, -bristle / 2 - 0.03) for a in x for b in y])
    looks = [grade(length, 1.1, "short-handled", 1.5, "long-handled"), grade(wide, 0.1, "narrow", 0.16, "wide")]
    has = [quantity(rng, tufts * rows, "tuft", "tufts"), grade(bristle, 0.17, "short bristles", 0.24, "long bristles")]
    nouns = ["brush", "toothbrush"] if wide < 0.1 else ["brush", "scrubbing brush"]
    return join(handle, base, bristles), caption(rng, nouns, looks, has)


def paint_brush(rng: np.random.Generator) -> Made:
    u = rng.uniform
    length, wide, hair = u(0.9, 1.6), u(0.12, 0.35), u(0.25, 0.6)
    z = np.array([0, 0.1, 0.5, 0.85, 1.0]) * length
    handle = Tube(np.stack([0 * z, 0 * z, z], axis=1), [0.04, 0.07, 0.05, 0.1, 0.8 * wide], [0.04, 0.05, 0.04, 0.05, 0.05], up=(1, 0, 0))
    ferrule = box((2 * wide, 0.14, 0.2), (0, 0, length + 0.05), 0.02)
    z = length + 0.1 + np.array([0, 0.5, 1.0]) * hair
    bristles = Tube(np.stack([0 * z, 0 * z, z], axis=1), [0.95 * wide, wide, 0.8 * wide], [0.06, 0.06, 0.02], power=5, up=(1, 0, 0))
    looks = [grade(wide, 0.18, "narrow", 0.28, "broad"), grade(length, 1.1, "short", 1.4, "long")]
    has = [grade(hair, 0.35, "short bristles", 0.5, "long bristles") or "bristles"]
    return join(handle, ferrule, bristles), caption(rng, ["paint brush", "flat brush"], looks, has)


def spoon(rng: np.random.Generator) -> Made:
    u = rng.uniform
    length, wide, bowl_length, depth = u(0.8, 1.5), u(0.16, 0.32), u(0.3, 0.45), u(0.06, 0.16)
    hollow = lifted(
        slab(oval(bowl_length, wide), 0.03),
        lambda x, y: depth * ((x / bowl_length) ** 2 + (y / wide) ** 2 - 1),
        rng,
    )
    path = [(bowl_length - 0.02, 0, -0.01), (bowl_length + 0.15, 0, u(0.02, 0.12)), (bowl_length + 0.6 * length, 0, 0.08), (bowl_length + length, 0, 0.02)]
    grip = Tube(spline(path, 30), np.interp(np.linspace(0, 1, 30), [0, 0.3, 1], [0.04, 0.04, u(0.06, 0.12)]), 0.018, rounded=True, up=(0, 1, 0))
    looks = [grade(depth, 0.09, "flat", 0.13, "deep"), grade(length, 1.0, "short", 1.3, "long")]
    has = [grade(wide, 0.2, "a narrow bowl", 0.27, "a wide bowl") or "an oval bowl", "a flat handle"]
    return join(hollow, grip), caption(rng, ["spoon", "table spoon", "soup spoon"], looks, has)


def fork(rng: np.random.Generator) -> Made:
    u = rng.uniform
    tines, wide, tine, length = int(rng.integers(2, 6)), u(0.15, 0.25), u(0.3, 0.55), u(0.8, 1.5)
    outline = [(-0.25, -0.7 * wide), (0, -wide)]
    pitch = 2 * wide / (tines - 0.45)
    for i in range(tines):
        y = -wide + i * pitch
        outline += [(tine, y + 0.02), (tine, y + 0.45 * pitch), (0.03, y + 0.55 * pitch)]
        if i < tines - 1:
            outline.append((0.03, y + pitch))
    outline += [(0, wide), (-0.25, 0.7 * wide), (-0.4, 0.05), (-0.4 - 0.3 * length, 0.035)]
    outline += [(-0.4 - length, 0.09), (-0.4 - length, -0.09), (-0.4 - 0.3 * length, -0.035), (-0.4, -0.05)]
    bend = u(0.1, 0.35)
    solid = lifted(slab(outline, 0.03), lambda x, _: bend * np.cos(2.2 * x) * np.exp(-(x**2)), rng)
    looks = [grade(length, 1.0, "short", 1.3, "long"), grade(bend, 0.17, "flat", 0.28, "curved")]
    has = [quantity(rng, tines, "tine", "tines"), grade(tine, 0.38, "short tines", 0.48, "long tines")]
    return solid, caption(rng, ["fork", "table fork"], looks, has)


def knife(rng: np.random.Generator) -> Made:
    u = rng.uniform
    blade, wide, grip = u(0.8, 2.0), u(0.12, 0.32), u(0.6, 1.0)
    top = spline([(0, wide / 2), (0.7 * blade, wide * 0.5), (blade, u(-0.4, 0.3) * wide)], 12)
    low = spline([(blade, top[-1, 1] - 0.01), (0.75 * blade, -0.45 * wide), (0, -wide / 2)], 12)
    handle = box((grip, 0.12, u(0.12, 0.18)), (-grip / 2 + 0.02, 0, 0), 0.04)
    edge = standing(np.concatenate([low, top])[::-1], 0.03)
    looks = [grade(blade, 1.1, "short", 1.6, "long"), ""]
    has = [grade(wide, 0.18, "a narrow blade", 0.26, "a broad blade") or "a blade", "a straight handle"]
    return join(edge, handle), caption(rng, ["knife", "kitchen knife"], looks, has)


def comb(rng: np.random.Generator) -> Made:
    u = rng.uniform
    teeth, back, tooth, thick = int(rng.integers(10, 36)), u(0.08, 0.25), u(0.15, 0.45), u(0.03, 0.08)
    pitch = 1.4 / (teeth - 0.5)
    outline: list[tuple[float, float]] = [(1.4, back), (0, back)]
    for i in range(teeth):
        x = i * pitch
        outline += [(x, -tooth), (x + 0.5 * pitch, -tooth)]
        if i < teeth - 1:
            outline += [(x + 0.55 * pitch, 0), (x + 0.95 * pitch, 0)]
    outline[-1] = (1.4, -tooth)
    solid: Solid = slab(outline, thick)
    gripped = rng.random() < 0.35
    if gripped:
        solid = join(solid, slab(rounded(1.0, back * 0.9, 0.04, (-0.45, back / 2)), thick * 1.02))
    looks = [grade(tooth, 0.22, "fine", 0.35, "long-toothed"), grade(thick, 0.04, "thin", 0.065, "thick")]
    has = [quantity(rng, teeth, "tooth", "teeth"), "a handle" if gripped else "a straight back"]
    return put(solid, rotation=turn("x", 90)), caption(rng, ["comb", "hair comb"], looks, has)


def tap(rng: np.random.Generator) -> Made:
    u = rng.uniform
    rise, reach, drop, thick = u(0.5, 1.3), u(0.5, 1.1), u(0.1, 0.45), u(0.07, 0.13)
    path = [(0, 0), (0, 0.6 * rise), (0.3 * reach, rise), (0.8 * reach, rise), (reach, rise - drop)]
    spout = Tube(flat_curve(spline(path, 50)), thick)
    base = lathe([(thick * 2.2, 0), (thick * 2.2, 0.08), (thick * 1.4, 0.15), (thick * 1.2, 0.35)])
    mixer = rng.random() < 0.5
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
    has = [grade(reach, 0.7, "a short spout", 0.95, "a long spout") or "a curved spout", "one lever" if mixer else "two knobs"]
    return join(*parts), caption(rng, ["tap", "water tap", "faucet"], looks, has)


def dumbbell(rng: np.random.Generator) -> Made:
    u = rng.uniform
    grip, weight, thick = u(0.6, 1.6), u(0.25, 0.55), u(0.2, 0.5)
    kind = ["round", "hexagonal", "disc"][int(rng.integers(3))]
    plates = int(rng.integers(2, 4)) if kind == "disc" else 1
    parts = [cylinder(u(0.06, 0.12), grip + 0.2, axis="x")]
    for s in (-1, 1):
        x = s * (grip / 2 + thick / 2)
        if kind == "round":
            parts.append(ball(weight, (s * (grip / 2 + 0.5 * weight), 0, 0)))
        elif kind == "hexagonal":
            parts.append(put(Extrusion(regular(6, weight), thick), (x, 0, 0), turn("y", 90)))
        else:
            for i in range(plates):
                parts.append(cylinder(weight * (1 - 0.2 * i), 0.14, (s * (grip / 2 + 0.14 * i), 0, 0), "x"))
    looks = [grade(grip, 0.9, "short", 1.3, "long"), grade(weight, 0.33, "light", 0.45, "heavy")]
    has = [f"{kind} weights", f"{plates} plates on each side" if kind == "disc" else ""]
    return join(*parts), caption(rng, ["dumbbell", "hand weight", "dumbbell"], looks, has)


def light_bulb(rng: np.random.Generator) -> Made:
    u = rng.uniform
    wide, neck, tall = u(0.35, 0.55), u(0.16, 0.24), u(0.8, 1.2)
    heights = np.array([0, 0.12, 0.55, 0.85, 1.0]) * tall
    glass = turned_body(heights, [neck, neck * 1.1, wide, wide * 0.75, 0.02])
    z = -np.linspace(0, 0.4, 13)
    r = neck * np.where(np.arange(13) % 2 == 0, 1.0, 0.9)
    base = lathe([*zip(r, z, strict=True), (neck * 0.4, -0.48)][::-1])
    looks = [grade(wide, 0.41, "slim", 0.5, "round"), grade(tall, 0.9, "short", 1.1, "long")]
    return join(glass, base), caption(rng, ["light bulb", "bulb", "lamp bulb"], looks, ["a screw base"])


def bell(rng: np.random.Generator) -> Made:
    u = rng.uniform
    tall, mouth, wall, handled = u(0.7, 1.3), u(0.5, 0.7), u(0.04, 0.08), rng.random() < 0.5
    shape = [mouth, mouth * 0.72, 0.33, 0.28, 0.12]
    body = put(vessel(np.array([0, 0.15, 0.4, 0.85, 1]) * tall, shape[::-1], wall), (0, 0, tall), turn("x", 180))
    top: Solid = torus(0.1, 0.035, (0, 0, tall + 0.1), turn("x", 90))
    if handled:
        top = turned_body(tall + np.array([-0.02, 0.1, 0.4, u(0.5, 0.8)]), [0.08, 0.07, 0.1, 0.04])
    clapper = [ball(0.1, (0, 0, 0.06)), rod((0, 0, 0.06), (0, 0, tall - wall / 2), 0.025)]
    looks = [grade(tall, 0.85, "squat", 1.1, "tall")]
    has = ["a handle" if handled else "a ring on top", "a clapper", grade(mouth, 0.55, "", 0.64, "a flared mouth")]
    return join(body, top, *clapper), caption(rng, ["bell", "hand bell" if handled else "church bell"], looks, has)


def ring(rng: np.random.Generator) -> Made:
    u = rng.uniform
    thick, wide, stone = u(0.05, 0.15), u(0.06, 0.3), rng.random() < 0.5
    parts: list[Solid] = [put(Revolution(oval(thick, wide, 3.0) + (1, 0)), rotation=turn("x", 90))]
    if stone:
        sides, size = int(rng.integers(5, 9)), u(0.2, 0.4)
        gem = [*regular(sides, size), *(regular(sides, 0.6 * size))]
        heights = [0.0] * sides + [0.3 * size] * sides
        cut = np.concatenate([np.column_stack([gem, heights]), [(0, 0, -0.9 * size)]])
        parts.append(put(Convex(cut), (0, 0, 1 + thick + 0.5 * size)))
    looks = [grade(wide, 0.12, "narrow", 0.22, "broad"), grade(thick, 0.08, "thin", 0.12, "thick")]
    return join(*parts), caption(rng, ["ring", "finger ring"], looks, ["a stone" if stone else "no stone"])


def button(rng: np.random.Generator) -> Made:
    u = rng.uniform
    holes, thick, rim = int(rng.choice([2, 4])), u(0.1, 0.3), u(0.08, 0.22)
    body = lathe([(1, -thick / 2), (1, thick / 2), (1 - rim, thick / 2), (1 - rim - 0.05, 0.2 * thick)])
    offset = u(0.2, 0.35)
    places = regular(holes, offset, np.pi / 4)
    tools = copies(cylinder(0.1, 1), np.column_stack([places, np.zeros(holes)]))
    looks = [grade(thick, 0.16, "thin", 0.24, "thick"), "round"]
    has = [quantity(rng, holes, "hole", "holes"), grade(rim, 0.12, "a narrow rim", 0.18, "a broad rim")]
    return Difference(body, [tools]), caption(rng, ["button", "shirt button", "coat button"], looks, has)


def trophy(rng: np.random.Generator) -> Made:
    u = rng.uniform
    stem, deep, wide = u(0.3, 0.7), u(0.5, 0.9), u(0.35, 0.55)
    z0 = 0.25 + stem
    cup_ = vessel(z0 + np.array([0, 0.2, 0.6, 1]) * deep, [0.1, 0.75 * wide, 0.95 * wide, wide], 0.03, 0.08)
    foot = box((0.6, 0.6, 0.25), (0, 0, 0.12), 0.02)
    pole = turned_body(np.array([0.22, 0.22 + 0.3 * stem, 0.22 + 0.5 * stem, z0 + 0.04]), [0.2, 0.07, 0.1, 0.07])
    loop = spline([(0, 0.9), (u(0.2, 0.4), 0.8), (0.3, 0.4), (-0.08, 0.3)], 30) * (1, deep)
    reach = cup_.reach(z0 + 0.88 * deep) - 0.01
    handle = Tube(flat_curve(loop) + (reach, 0, z0), 0.035)
    solid = join(cup_, foot, pole, handle, put(handle, rotation=turn("z", 180)))
    looks = [grade(stem, 0.4, "squat", 0.58, "tall")]
    has = ["two handles", "a square base", grade(wide, 0.4, "a slim cup", 0.5, "a wide cup")]
    return solid, caption(rng, ["trophy", "trophy cup", "winner's cup"], looks, has)


def glasses(rng: np.random.Generator) -> Made:
    u = rng.uniform
    lens, wire, long = u(0.3, 0.42), u(0.025, 0.05), u(1.0, 1.4)
    boxy = float(rng.choice([2.0, 2.0, 4.0]))
    loop = oval(lens, lens * u(0.65, 1.0), boxy, 48)
    rim = Tube(flat_curve(loop), wire, closed=True)
    gap = lens + u(0.06, 0.15)
    bridge = Tube(flat_curve(arc(gap - lens + 0.02, 0.1, np.pi - 0.1, count=16)), wire)
    parts: list[Solid] = [put(rim, (gap, 0, 0)), put(rim, (-gap, 0, 0)), bridge]
    for s in (-1, 1):
        x = s * (gap + lens)
        parts.append(Tube(spline([(x, 0, 0), (x * 1.02, -0.8 * long, 0), (x * 1.0, -long, -0.2)], 24), wire))
    looks = ["round" if boxy == 2 else "square", grade(wire, 0.033, "thin-rimmed", 0.043, "thick-rimmed")]
    nouns = ["pair of glasses", "pair of spectacles"]
    return join(*parts), caption(rng, nouns, looks, ["two rims", "two temples"])


def skittle(rng: np.random.Generator) -> Made:
    u = rng.uniform
    belly, neck, head = u(0.3, 0.42), u(0.1, 0.17), u(0.17, 0.24)
    body = turned_body([0, 0.05, 0.5, 1.1, 1.3, 1.5], [0.2, 0.23, belly, neck, head, 0.02])
    looks = [grade(belly, 0.33, "slim", 0.39, "round")]
    has = [grade(neck, 0.12, "a thin neck", 0.15, "a thick neck") or "a neck", "a round head"]
    return body, caption(rng, ["bowling pin", "skittle"], looks, has)


def chess_pawn(rng: np.random.Generator) -> Made:
    u = rng.uniform
    tall, foot, head = u(0.8, 1.4), u(0.35, 0.5), u(0.18, 0.28)
    body = lathe([(foot, 0), (foot, 0.12), (foot * 0.8, 0.2), (0.22, 0.3), (0.13, tall), (0.26, tall), (0.26, tall + 0.06), (0.12, tall + 0.08)])
    crown = int(rng.integers(2))
    top = ball(head, (0, 0, tall + 0.06 + 0.8 * head))
    if crown:
        notch = box((2, 0.1, 0.25), (0, 0, tall + 0.5))
        block = cylinder(0.24, 0.35, (0, 0, tall + 0.22), top=0.3)
        top = Difference(block, [notch, put(notch, rotation=turn("z", 90)), cylinder(0.17, 0.3, (0, 0, tall + 0.4))])
    looks = [grade(tall, 0.95, "short", 1.2, "tall")]
    has = ["a notched crown" if crown else "a round head", grade(foot, 0.4, "", 0.45, "a broad foot")]
    nouns = ["chess rook", "chess piece"] if crown else ["chess pawn", "chess piece"]
    return join(body, top), caption(rng, nouns, looks, has)


THINGS: dict[str, Maker] = {
    "microphone": microphone,
    "headset": headset,
    "helmet": helmet,
    "cap": cap,
    "hat": hat,
    "phone": phone,
    "eraser": eraser,
    "brush": brush,
    "paint brush": paint_brush,
    "spoon": spoon,
    "fork": fork,
    "knife": knife,
    "comb": comb,
    "tap": tap,
    "dumbbell": dumbbell,
    "light bulb": light_bulb,
    "bell": bell,
    "ring": ring,
    "button": button,
    "trophy": trophy,
    "glasses": glasses,
    "bowling pin": skittle,
    "chess piece": chess_pawn,
}
"""Family name to maker."""

"""Beams, pipes, lattices and hand tools."""

from __future__ import annotations

import numpy as np

from plane_anomalib.pretraining.shapes.build import (
    ball,
    box,
    copies,
    cylinder,
    join,
    lathe,
    pipe,
    put,
    ring_of,
    rippled,
    rod,
    slab,
    torus,
    turn,
    turned_body,
    twisted,
)
from plane_anomalib.pretraining.shapes.combine import Difference
from plane_anomalib.pretraining.shapes.families.kinds import Made, Maker
from plane_anomalib.pretraining.shapes.outlines import (
    arc,
    circle,
    flat_curve,
    regular,
    rounded,
    spline,
)
from plane_anomalib.pretraining.shapes.primitives import Box
from plane_anomalib.pretraining.shapes.profiles import Extrusion
from plane_anomalib.pretraining.shapes.solid import Array, Solid
from plane_anomalib.pretraining.shapes.tube import Tube
from plane_anomalib.pretraining.shapes.wording import caption, grade, quantity


def _lying(outline: object, length: float) -> Solid:
    """A section in y and z, pulled along x."""
    return put(Extrusion(outline, length), rotation=turn("z", 90) @ turn("x", 90))  # type: ignore[arg-type]


def i_beam(rng: np.random.Generator) -> Made:
    u = rng.uniform
    width, web, edge, length = u(0.5, 1.1), u(0.06, 0.15), u(0.08, 0.2), u(1.5, 4.0)
    w, t, h = width / 2, web / 2, 0.5
    right = [(w, -h), (w, -h + edge), (t, -h + edge), (t, h - edge), (w, h - edge), (w, h)]
    left = [(-x, z) for x, z in right[::-1]]
    looks = [grade(length, 2.2, "short", 3.2, "long")]
    has = [
        grade(width, 0.7, "narrow flanges", 0.9, "wide flanges") or "two flanges",
        grade(web, 0.09, "a thin web", 0.12, "a thick web"),
    ]
    nouns = ["I-beam", "steel beam with an I profile", "H-beam"]
    return _lying(right + left, length), caption(rng, nouns, looks, has)


def u_channel(rng: np.random.Generator) -> Made:
    u = rng.uniform
    width, rise, wall, length = u(0.5, 1.3), u(0.4, 1.0), u(0.05, 0.16), u(1.0, 4.0)
    w = width / 2
    outline = [(-w, 0), (w, 0), (w, rise), (w - wall, rise), (w - wall, wall)]
    outline += [(wall - w, wall), (wall - w, rise), (-w, rise)]
    looks = [grade(length, 1.8, "short", 3.0, "long"), grade(rise, 0.55, "shallow", 0.85, "deep")]
    has = [grade(wall, 0.08, "thin walls", 0.12, "thick walls") or "two side walls"]
    return _lying(outline, length), caption(rng, ["U-channel", "channel profile"], looks, has)


def angle_profile(rng: np.random.Generator) -> Made:
    u = rng.uniform
    leg, wall, length = u(0.5, 1.2), u(0.06, 0.18), u(1.0, 4.0)
    tee = rng.random() < 0.4
    outline = [(0, 0), (1, 0), (1, wall), (wall, wall), (wall, leg), (0, leg)]
    if tee:
        outline = [(0, 0), (1, 0), (1, wall), (0.5 + wall / 2, wall), (0.5 + wall / 2, leg)]
        outline += [(0.5 - wall / 2, leg), (0.5 - wall / 2, wall), (0, wall)]
    looks = [grade(length, 1.8, "short", 3.0, "long"), grade(wall, 0.09, "thin", 0.14, "thick")]
    nouns = ["T-profile", "T-bar"] if tee else ["angle profile", "L-profile", "angle iron"]
    has = [grade(leg, 0.65, "a short leg", 0.95, "a long leg")]
    return _lying(outline, length), caption(rng, nouns, looks, has)


def pipe_elbow(rng: np.random.Generator) -> Made:
    u = rng.uniform
    bend, angle, outer, collar = u(0.6, 1.2), u(45, 120), u(0.25, 0.4), rng.random() < 0.5
    inner = outer * u(0.7, 0.9)
    run, sweep = u(0.1, 0.5), np.deg2rad(angle)
    bow = arc(bend, 0, sweep, (-bend, 0), 24)
    way = np.array([-np.sin(sweep), np.cos(sweep)])
    path = np.concatenate([[(0, -run), (0, -run * 0.5)], bow, [bow[-1] + 0.5 * run * way]])
    path = np.concatenate([path, [bow[-1] + run * way]])
    over = np.concatenate([[(0, -run - 0.1)], path, [bow[-1] + (run + 0.1) * way]])
    parts: list[Solid] = [Tube(flat_curve(path), outer)]
    if collar:
        for point, direction in ((path[0], np.array([0.0, -1.0])), (path[-1], way)):
            start = point - 0.1 * direction
            end = point + 0.02 * direction
            parts.append(rod(flat_curve(start[None])[0], flat_curve(end[None])[0], outer * 1.3))
    solid = Difference(join(*parts), [Tube(flat_curve(over), inner)])
    looks = [grade(bend, 0.75, "tight", 1.05, "wide"), grade(inner / outer, 0, "", 0.84, "thin-walled")]
    has = [
        f"a bend of {round(angle / 15) * 15} degrees",
        "two flanges" if collar else "plain ends",
    ]
    return solid, caption(rng, ["pipe elbow", "pipe bend", "elbow fitting"], looks, has)


def pipe_tee(rng: np.random.Generator) -> Made:
    u = rng.uniform
    run, branch, outer = u(0.7, 1.4), u(0.5, 1.1), u(0.25, 0.4)
    side, wall, cross = outer * u(0.6, 0.98), u(0.7, 0.88), rng.random() < 0.25
    reach = -branch if cross else 0.0
    bodies = [rod((-run, 0, 0), (run, 0, 0), outer), rod((0, 0, reach), (0, 0, branch), side)]
    collar = rng.random() < 0.4
    if collar:
        bodies += [rod((x, 0, 0), (0.85 * x, 0, 0), outer * 1.25) for x in (-run, run)]
        bodies.append(rod((0, 0, branch), (0, 0, branch - 0.12), side * 1.25))
    tools = [
        rod((-2 * run, 0, 0), (2 * run, 0, 0), outer * wall),
        rod((0, 0, 2 * reach), (0, 0, 2 * branch), side * wall),
    ]
    has = [
        grade(branch, 0.65, "a short branch", 0.9, "a long branch"),
        "collars" if collar else "plain ends",
        grade(side / outer, 0.75, "a thinner branch", 2, ""),
    ]
    nouns = ["cross pipe joint"] if cross else ["T pipe joint", "pipe tee", "tee fitting"]
    return Difference(join(*bodies), tools), caption(rng, nouns, [], has)


def straight_pipe(rng: np.random.Generator) -> Made:
    u = rng.uniform
    length, bore, sides = u(0.8, 4.5), u(0.5, 0.93), int(rng.choice([0, 0, 4, 6, 8]))
    if sides:
        solid: Solid = Extrusion(regular(sides, 0.5), length, [regular(sides, 0.5 * bore)])
    else:
        solid = pipe(0.5, 0.5 * bore, -length / 2, length / 2)
    kind = {0: "round", 4: "square", 6: "hexagonal", 8: "octagonal"}[sides]
    looks = [kind, grade(length, 1.5, "short", 3.0, "long")]
    has = [grade(bore, 0.65, "thick walls", 0.83, "thin walls")]
    return solid, caption(rng, ["pipe", "tube", "hollow bar"], looks, has)


def lattice_block(rng: np.random.Generator) -> Made:
    u = rng.uniform
    cells = [int(n) for n in rng.integers(1, 4, 3)]
    bar = u(0.06, 0.2)
    spans = np.array(cells, dtype=float)
    parts = []
    for axis in range(3):
        first, second = (i for i in range(3) if i != axis)
        size = np.full(3, bar)
        size[axis] = spans[axis] + bar
        # Bars of different axes never share a face plane: each is a little thinner than the last.
        size[[first, second]] *= 1 - 0.02 * axis
        grid = np.array(
            [(i, j) for i in range(cells[first] + 1) for j in range(cells[second] + 1)], dtype=float
        )
        shifts = np.zeros((len(grid), 3))
        shifts[:, first], shifts[:, second] = grid.T
        shifts[:, axis] = spans[axis] / 2
        size[axis] *= 1 - 0.001 * axis
        parts.append(copies(Box(size), shifts))
    looks = [grade(bar, 0.1, "thin", 0.15, "sturdy")]
    has = [f"{' by '.join(str(n) for n in cells)} cells"]
    return join(*parts), caption(rng, ["lattice block", "cube lattice", "frame of bars"], looks, has)


def grid(rng: np.random.Generator) -> Made:
    u = rng.uniform
    rows, columns, bar, thick = int(rng.integers(2, 8)), int(rng.integers(2, 8)), u(0.1, 0.4), u(0.05, 0.5)
    style = ["square", "round"][int(rng.integers(2))]
    places = [(c + 0.5 - columns / 2, r + 0.5 - rows / 2) for c in range(columns) for r in range(rows)]
    gap = (1 - bar) / 2
    holes: list[Array] = [
        circle(gap, p, 24) if style == "round" else rounded(2 * gap, 2 * gap, 0.02, p) for p in places
    ]
    solid = Extrusion(rounded(columns + bar, rows + bar, 0.1), thick, holes)
    looks = [grade(thick, 0.15, "thin", 0.35, "thick"), "flat"]
    has = [f"{rows} by {columns} {style} openings", grade(bar, 0.17, "thin bars", 0.3, "broad bars")]
    return solid, caption(rng, ["grid", "grate", "grille"], looks, has)


def key(rng: np.random.Generator) -> Made:
    u = rng.uniform
    length, thick, teeth = u(1.0, 2.2), u(0.06, 0.14), int(rng.integers(2, 8))
    head, width = u(0.3, 0.48), u(0.1, 0.16)
    start = 0.45 * length
    top = [(0.2, width), (length, width)]
    cuts: list[tuple[float, float]] = [(length, -width)]
    pitch = (length - start) / teeth
    for i in range(teeth):
        x = length - pitch * i
        depth = u(0.2, 1.0) * width
        cuts += [(x - 0.1 * pitch, -width), (x - 0.4 * pitch, -width + depth), (x - 0.6 * pitch, -width + depth)]
        cuts.append((x - 0.95 * pitch, -width))
    blade = slab([*cuts, (0.2, -width), *top], thick)
    kind = ["round", "square"][int(rng.integers(2))]
    bow = circle(head) if kind == "round" else rounded(2 * head, 2 * head, 0.1)
    hole = circle(head * u(0.25, 0.6), (-0.3 * head, 0), 24) if kind == "square" else circle(head * 0.5)
    solid = join(blade, slab(bow, thick * 1.01, holes=[hole]))
    looks = [grade(length, 1.4, "short", 1.8, "long")]
    has = [quantity(rng, teeth, "notch", "notches"), f"a {kind} head"]
    return solid, caption(rng, ["key", "door key"], looks, has)


def wrench(rng: np.random.Generator) -> Made:
    u = rng.uniform
    length, head, thick = u(1.6, 3.2), u(0.3, 0.42), u(0.12, 0.22)
    ring_end = rng.random() < 0.5
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
        tools.append(put(box((2 * head, gap * 0.8, 1), (head, 0, 0)), (length, 0, 0), turn("z", 15)))
    looks = [grade(length, 2.0, "short", 2.8, "long"), grade(thick, 0.15, "flat", 0.19, "sturdy")]
    has = ["an open jaw and a ring end" if ring_end else "two open jaws"]
    return Difference(join(*parts), tools), caption(rng, ["wrench", "spanner"], looks, has)


def hammer(rng: np.random.Generator) -> Made:
    u = rng.uniform
    length, head, width = u(1.4, 2.4), u(0.6, 1.1), u(0.13, 0.26)
    kind = ["claw", "mallet", "peen"][int(rng.integers(3))]
    handle = turned_body(np.array([0, 0.1, 0.4, 0.85, 1.02]) * length, [0.08, 0.1, 0.08, 0.06, 0.06])
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
    return join(handle, *block), caption(rng, ["hammer", "hammer", "mallet"] if kind == "mallet" else "hammer", looks, has)


def screwdriver(rng: np.random.Generator) -> Made:
    u = rng.uniform
    blade, grip, thick, waves = u(0.7, 2.2), u(0.7, 1.1), u(0.14, 0.24), int(rng.integers(4, 9))
    handle = turned_body(np.array([0, 0.1, 0.7, 0.9, 1]) * grip, np.array([0.5, 0.95, 1, 0.6, 0.7]) * thick)
    body = rippled(handle, waves, u(0.03, 0.09), rng)
    flat = rng.random() < 0.5
    shaft = rod((0, 0, grip - 0.1), (0, 0, grip + blade), 0.05)
    tip: Solid = lathe([(0.05, grip + blade - 0.01), (0.01, grip + blade + 0.12)])
    if flat:
        tip = box((0.14, 0.025, 0.2), (0, 0, grip + blade))
    looks = [grade(blade, 1.1, "short", 1.7, "long")]
    has = [
        "a flat tip" if flat else "a pointed tip",
        grade(thick, 0.17, "a slim grip", 0.21, "a thick grip") or "a fluted grip",
    ]
    return join(body, shaft, tip), caption(rng, "screwdriver", looks, has)


def drill_bit(rng: np.random.Generator) -> Made:
    u = rng.uniform
    length, turns, shank = u(1.5, 4.0), u(1.5, 5.0), u(0.5, 1.2)
    star = np.concatenate([arc(0.25, a - 1.0, a + 1.0, count=16) for a in (0, np.pi)])
    flute = twisted(Extrusion(star * (1, u(0.5, 0.8)), length), 2 * np.pi * turns / length, rng)
    solid = join(
        flute,
        rod((0, 0, -length / 2 + 0.02), (0, 0, -length / 2 - shank), 0.25),
        lathe([(0.13, length / 2 - 0.02), (0.01, length / 2 + 0.15)]),
    )
    looks = [grade(length, 2.2, "short", 3.2, "long"), "twisted"]
    has = [f"about {quantity(rng, round(turns), 'turn', 'turns')}", "a round shank"]
    return solid, caption(rng, ["drill bit", "twist drill"], looks, has)


def anchor(rng: np.random.Generator) -> Made:
    u = rng.uniform
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
    return join(*parts), caption(rng, ["anchor", "ship anchor"], looks, has)


def rack_gear(rng: np.random.Generator) -> Made:
    u = rng.uniform
    teeth, depth, base, width = int(rng.integers(5, 20)), u(0.5, 0.9), u(0.3, 1.5), u(0.5, 3.0)
    corners: list[tuple[float, float]] = [(0, -base), (teeth, -base)]
    for i in range(teeth - 1, -1, -1):
        corners += [(i + 1.0, 0), (i + 0.7, depth), (i + 0.4, depth), (i + 0.1, 0)]
    solid = put(Extrusion([*corners, (0, 0)], width), rotation=turn("x", 90))
    looks = [grade(teeth, 8, "short", 14, "long"), grade(width, 1.2, "narrow", 2.2, "wide")]
    has = [quantity(rng, teeth, "tooth", "teeth")]
    return solid, caption(rng, ["gear rack", "toothed bar"], looks, has)


def stairs(rng: np.random.Generator) -> Made:
    u = rng.uniform
    steps, width, rise = int(rng.integers(3, 11)), u(1.0, 4.0), u(0.5, 1.0)
    corners: list[tuple[float, float]] = [(0, 0), (steps, 0)]
    for i in range(steps, 0, -1):
        corners += [(i, i * rise), (i - 1, i * rise)]
    solid = put(Extrusion(corners, width), rotation=turn("x", 90))
    looks = [grade(width, 1.8, "narrow", 3.0, "wide"), grade(rise, 0.65, "gentle", 0.85, "steep")]
    return solid, caption(rng, ["staircase", "stair block"], looks, [quantity(rng, steps, "step", "steps")])


def crankshaft(rng: np.random.Generator) -> Made:
    u = rng.uniform
    throws, offset, pin = int(rng.integers(1, 5)), u(0.25, 0.45), u(0.1, 0.16)
    parts: list[Solid] = []
    pitch = 0.8
    for i in range(throws):
        angle = 2 * np.pi * i / max(throws, 2)
        y, z, x = offset * np.cos(angle), offset * np.sin(angle), i * pitch
        parts.append(rod((x, 0, 0), (x + 0.25, 0, 0), pin * 1.1))
        parts.append(rod((x + 0.25, y, z), (x + 0.75, y, z), pin))
        web = rounded(2 * offset + 0.25, 0.45, 0.15)
        turned = turn("x", np.rad2deg(angle)) @ turn("y", 90) @ turn("z", 90)
        parts += [put(Extrusion(web, 0.1), (x + s, 0, 0), turned) for s in (0.25, 0.75)]
    parts.append(rod((throws * pitch - 0.05, 0, 0), (throws * pitch + u(0.3, 0.7), 0, 0), pin * 1.1))
    has = [quantity(rng, throws, "crank pin", "crank pins"), grade(offset, 0.32, "short throws", 0.39, "long throws")]
    return join(*parts), caption(rng, ["crankshaft", "cranked shaft"], [], has)


def valve_wheel(rng: np.random.Generator) -> Made:
    u = rng.uniform
    spokes, grip, stem = int(rng.integers(3, 7)), u(0.06, 0.14), u(0.3, 1.2)
    dish = u(0.0, 0.3)
    bar = rod((0.05, 0, -dish), (1.0, 0, 0), grip * 0.8)
    solid = join(
        torus(1.0, grip),
        ring_of(bar, spokes),
        cylinder(0.2, 0.3, (0, 0, -dish)),
        rod((0, 0, -dish), (0, 0, -dish - stem), 0.09),
    )
    looks = [grade(grip, 0.08, "thin", 0.11, "thick"), grade(dish, 0.1, "flat", 0.2, "dished")]
    has = [quantity(rng, spokes, "spoke", "spokes"), grade(stem, 0.5, "a short stem", 0.9, "a long stem")]
    return solid, caption(rng, ["handwheel", "valve wheel", "steering wheel"], looks, has)


SECTIONS: dict[str, Maker] = {
    "I-beam": i_beam,
    "U-channel": u_channel,
    "angle profile": angle_profile,
    "pipe elbow": pipe_elbow,
    "T pipe joint": pipe_tee,
    "pipe": straight_pipe,
    "lattice block": lattice_block,
    "grid": grid,
    "key": key,
    "wrench": wrench,
    "hammer": hammer,
    "screwdriver": screwdriver,
    "drill bit": drill_bit,
    "anchor": anchor,
    "gear rack": rack_gear,
    "staircase": stairs,
    "crankshaft": crankshaft,
    "handwheel": valve_wheel,
}
"""Family name to maker."""

"""Beams and pipes."""

from __future__ import annotations

import numpy as np

from plane_anomalib.generation.shapes.combinations import Difference, Repeat
from plane_anomalib.generation.shapes.construction import (
    Made,
    Maker,
    box,
    caption,
    copies,
    grade,
    join,
    pipe,
    put,
    quantity,
    rod,
    slab,
    standing,
    turn,
)
from plane_anomalib.generation.shapes.outlines import (
    arc,
    circle,
    flat_curve,
    rectangle,
    regular,
    rounded,
)
from plane_anomalib.generation.shapes.solids import Array, Box, Solid
from plane_anomalib.generation.shapes.sweeps import Extrusion, Tube


def _lying(outline: object, length: float) -> Solid:
    """A section in y and z, pulled along x."""
    return put(Extrusion(outline, length), rotation=turn("z", 90) @ turn("x", 90))  # type: ignore[arg-type]


def _i_beam(generator: np.random.Generator) -> Made:
    u = generator.uniform
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
    return _lying(right + left, length), caption(generator, nouns, looks, has)


def _u_channel(generator: np.random.Generator) -> Made:
    u = generator.uniform
    width, rise, wall, length = u(0.5, 1.3), u(0.4, 1.0), u(0.05, 0.16), u(1.0, 4.0)
    w = width / 2
    outline = [(-w, 0), (w, 0), (w, rise), (w - wall, rise), (w - wall, wall)]
    outline += [(wall - w, wall), (wall - w, rise), (-w, rise)]
    looks = [grade(length, 1.8, "short", 3.0, "long"), grade(rise, 0.55, "shallow", 0.85, "deep")]
    has = [grade(wall, 0.08, "thin walls", 0.12, "thick walls") or "two side walls"]
    return _lying(outline, length), caption(generator, ["U-channel", "channel profile"], looks, has)


def _angle_profile(generator: np.random.Generator) -> Made:
    u = generator.uniform
    leg, wall, length = u(0.5, 1.2), u(0.06, 0.18), u(1.0, 4.0)
    tee = generator.random() < 0.4
    outline = [(0, 0), (1, 0), (1, wall), (wall, wall), (wall, leg), (0, leg)]
    if tee:
        outline = [(0, 0), (1, 0), (1, wall), (0.5 + wall / 2, wall), (0.5 + wall / 2, leg)]
        outline += [(0.5 - wall / 2, leg), (0.5 - wall / 2, wall), (0, wall)]
    looks = [grade(length, 1.8, "short", 3.0, "long"), grade(wall, 0.09, "thin", 0.14, "thick")]
    nouns = ["T-profile", "T-bar"] if tee else ["angle profile", "L-profile", "angle iron"]
    has = [grade(leg, 0.65, "a short leg", 0.95, "a long leg")]
    return _lying(outline, length), caption(generator, nouns, looks, has)


def _pipe_elbow(generator: np.random.Generator) -> Made:
    u = generator.uniform
    bend, angle, outer, collar = u(0.6, 1.2), u(45, 120), u(0.25, 0.4), generator.random() < 0.5
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
    looks = [
        grade(bend, 0.75, "tight", 1.05, "wide"),
        grade(inner / outer, 0, "", 0.84, "thin-walled"),
    ]
    has = [
        f"a bend of {round(angle / 15) * 15} degrees",
        "two flanges" if collar else "plain ends",
    ]
    return solid, caption(generator, ["pipe elbow", "pipe bend", "elbow fitting"], looks, has)


def _pipe_tee(generator: np.random.Generator) -> Made:
    u = generator.uniform
    run, branch, outer = u(0.7, 1.4), u(0.5, 1.1), u(0.25, 0.4)
    side, wall, cross = outer * u(0.6, 0.98), u(0.7, 0.88), generator.random() < 0.25
    reach = -branch if cross else 0.0
    bodies = [rod((-run, 0, 0), (run, 0, 0), outer), rod((0, 0, reach), (0, 0, branch), side)]
    collar = generator.random() < 0.4
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
    return Difference(join(*bodies), tools), caption(generator, nouns, [], has)


def _straight_pipe(generator: np.random.Generator) -> Made:
    u = generator.uniform
    length, bore, sides = u(0.8, 4.5), u(0.5, 0.93), int(generator.choice([0, 0, 4, 6, 8]))
    if sides:
        solid: Solid = Extrusion(regular(sides, 0.5), length, [regular(sides, 0.5 * bore)])
    else:
        solid = pipe(0.5, 0.5 * bore, -length / 2, length / 2)
    kind = {0: "round", 4: "square", 6: "hexagonal", 8: "octagonal"}[sides]
    looks = [kind, grade(length, 1.5, "short", 3.0, "long")]
    has = [grade(bore, 0.65, "thick walls", 0.83, "thin walls")]
    return solid, caption(generator, ["pipe", "tube", "hollow bar"], looks, has)


BEAMS: dict[str, Maker] = {
    "I-beam": _i_beam,
    "U-channel": _u_channel,
    "angle profile": _angle_profile,
    "pipe elbow": _pipe_elbow,
    "T pipe joint": _pipe_tee,
    "pipe": _straight_pipe,
}
"""Family name to maker."""


def _bracket(generator: np.random.Generator) -> Made:
    u = generator.uniform
    width, rise, thick = u(0.4, 1.0), u(0.5, 1.2), u(0.08, 0.18)
    holes = int(generator.integers(1, 4))
    ribbed = generator.random() < 0.5
    places = np.linspace(0.3, 0.85, holes) if holes > 1 else [0.6]
    r = min(0.08, width / 5)
    foot = slab(
        rectangle(1, width, (0.5, 0)), thick, (0, 0, thick / 2), [circle(r, (p, 0)) for p in places]
    )
    wall_holes = [circle(r, (0, rise * 0.6))] * int(generator.random() < 0.7)
    wall = put(
        Extrusion(rectangle(width, rise, (0, rise / 2)), thick, wall_holes),
        (thick / 2 + 1e-4, 0, 1e-4),
        turn("z", 90) @ turn("x", 90),
    )
    parts = [foot, wall]
    if ribbed:
        size = u(0.4, 0.7) * min(rise, 1)
        parts.append(
            standing([(0.01, 0.01), (size, 0.01), (0.01, size)], thick * 0.6, (thick, 0, 0))
        )
    total = holes + len(wall_holes)
    looks = [grade(rise, 0.7, "low", 1.0, "tall"), grade(width, 0.55, "narrow", 0.8, "wide")]
    has = [quantity(generator, total, "hole", "holes"), "a rib" if ribbed else ""]
    return join(*parts), caption(
        generator, ["bracket", "angle bracket", "mounting bracket"], looks, has
    )


def _plate_with_holes(generator: np.random.Generator) -> Made:
    u = generator.uniform
    width, thick = u(0.4, 1.0), u(0.04, 0.2)
    columns, rows = int(generator.integers(1, 6)), int(generator.integers(1, 4))
    pitch = min(1 / columns, width / rows)
    radius = pitch * u(0.15, 0.35)
    x = (np.arange(columns) + 0.5) / columns - 0.5
    y = ((np.arange(rows) + 0.5) / rows - 0.5) * width
    square = generator.random() < 0.25
    make = (
        (lambda c: rectangle(1.6 * radius, 1.6 * radius, c))
        if square
        else (lambda c: circle(radius, c, 32))
    )
    holes = [make((a, b)) for a in x for b in y]
    solid = Extrusion(rounded(1, width, u(0.005, 0.1)), thick, holes)
    kind = "square" if square else "round"
    looks = [grade(thick, 0.08, "thin", 0.14, "thick"), grade(width, 0.55, "long", 0.85, "square")]
    has = [quantity(generator, len(holes), f"{kind} hole", f"{kind} holes")]
    nouns = ["plate", "perforated plate", "metal plate"]
    return solid, caption(generator, nouns, looks, has)


def _ribbed_plate(generator: np.random.Generator) -> Made:
    u = generator.uniform
    width, thick, ribs, rise = (
        u(0.5, 1.0),
        u(0.06, 0.15),
        int(generator.integers(1, 7)),
        u(0.1, 0.4),
    )
    along = generator.random() < 0.5
    length, span = (1.0, width) if along else (width, 1.0)
    rib = Box((length * 0.98, span / ribs * u(0.15, 0.4), rise))
    places = ((np.arange(ribs) + 0.5) / ribs - 0.5) * span
    shifts = np.zeros((ribs, 3))
    shifts[:, 1], shifts[:, 2] = places, thick / 2 + rise / 2 - 0.01
    bars: Solid = Repeat(rib, shifts)
    bars = bars if along else put(bars, rotation=turn("z", 90))
    solid = join(box((1, width, thick)), bars)
    looks = [grade(width, 0.65, "long", 0.85, "square")]
    has = [quantity(generator, ribs, "rib", "ribs"), grade(rise, 0.2, "low ribs", 0.3, "high ribs")]
    return solid, caption(generator, ["ribbed plate", "plate", "stiffened plate"], looks, has)


def _heat_sink(generator: np.random.Generator) -> Made:
    u = generator.uniform
    fins, rise, width = int(generator.integers(5, 16)), u(0.25, 1.0), u(0.5, 1.1)
    base, gap = u(0.06, 0.2), u(0.4, 0.7)
    pitch = 1 / (fins - gap)
    x = np.arange(fins) * pitch
    corners = [(0.0, 0.0), (1.0, 0.0)]
    for start in x[::-1]:
        end = start + pitch * (1 - gap)
        corners += [(end, base), (end, base + rise), (start, base + rise), (start, base)]
    corners = corners[:2] + corners[3:-1]
    solid = standing(corners, width)
    looks = [grade(rise, 0.45, "low", 0.75, "tall"), grade(width, 0.65, "narrow", 0.9, "wide")]
    return solid, caption(
        generator, ["heat sink", "cooler"], looks, [quantity(generator, fins, "fin", "fins")]
    )


def _lattice_block(generator: np.random.Generator) -> Made:
    u = generator.uniform
    cells = [int(n) for n in generator.integers(1, 4, 3)]
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
    return join(*parts), caption(
        generator, ["lattice block", "cube lattice", "frame of bars"], looks, has
    )


def _grid(generator: np.random.Generator) -> Made:
    u = generator.uniform
    rows, columns, bar, thick = (
        int(generator.integers(2, 8)),
        int(generator.integers(2, 8)),
        u(0.1, 0.4),
        u(0.05, 0.5),
    )
    style = ["square", "round"][int(generator.integers(2))]
    places = [
        (c + 0.5 - columns / 2, r + 0.5 - rows / 2) for c in range(columns) for r in range(rows)
    ]
    gap = (1 - bar) / 2
    holes: list[Array] = [
        circle(gap, p, 24) if style == "round" else rounded(2 * gap, 2 * gap, 0.02, p)
        for p in places
    ]
    solid = Extrusion(rounded(columns + bar, rows + bar, 0.1), thick, holes)
    looks = [grade(thick, 0.15, "thin", 0.35, "thick"), "flat"]
    has = [
        f"{rows} by {columns} {style} openings",
        grade(bar, 0.17, "thin bars", 0.3, "broad bars"),
    ]
    return solid, caption(generator, ["grid", "grate", "grille"], looks, has)


def _crankshaft(generator: np.random.Generator) -> Made:
    u = generator.uniform
    throws, offset, pin = int(generator.integers(1, 5)), u(0.25, 0.45), u(0.1, 0.16)
    parts: list[Solid] = []
    pitch = 0.8
    for i in range(throws):
        angle = 2 * np.pi * i / max(throws, 2)
        y, z, x = offset * np.cos(angle), offset * np.sin(angle), i * pitch
        parts.append(rod((x - 0.03, 0, 0), (x + 0.25, 0, 0), pin * 1.1))
        parts.append(rod((x + 0.25, y, z), (x + 0.75, y, z), pin))
        web = rounded(2 * offset + 0.25, 0.45, 0.15)
        turned = turn("x", np.rad2deg(angle)) @ turn("y", 90) @ turn("z", 90)
        parts += [put(Extrusion(web, 0.1), (x + s, 0, 0), turned) for s in (0.25, 0.75)]
    parts.append(
        rod((throws * pitch - 0.05, 0, 0), (throws * pitch + u(0.3, 0.7), 0, 0), pin * 1.1)
    )
    has = [
        quantity(generator, throws, "crank pin", "crank pins"),
        grade(offset, 0.32, "short throws", 0.39, "long throws"),
    ]
    return join(*parts), caption(generator, ["crankshaft", "cranked shaft"], [], has)


PLATES: dict[str, Maker] = {
    "bracket": _bracket,
    "plate with holes": _plate_with_holes,
    "ribbed plate": _ribbed_plate,
    "heat sink": _heat_sink,
    "lattice block": _lattice_block,
    "grid": _grid,
    "crankshaft": _crankshaft,
}
"""Family name to maker."""

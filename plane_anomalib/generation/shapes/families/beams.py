"""Beams and pipes."""

from __future__ import annotations

import numpy as np

from plane_anomalib.generation.shapes.build import join, pipe, put, rod, turn
from plane_anomalib.generation.shapes.combine import Difference
from plane_anomalib.generation.shapes.families.kinds import Made, Maker
from plane_anomalib.generation.shapes.outlines import arc, flat_curve, regular
from plane_anomalib.generation.shapes.profiles import Extrusion
from plane_anomalib.generation.shapes.solid import Solid
from plane_anomalib.generation.shapes.tube import Tube
from plane_anomalib.generation.shapes.wording import caption, grade


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

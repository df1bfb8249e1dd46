"""Open containers and bottles: turned shells."""

from __future__ import annotations

import numpy as np

from plane_anomalib.generation.shapes.combinations import Difference
from plane_anomalib.generation.shapes.construction import (
    Made,
    Maker,
    ball,
    caption,
    cylinder,
    grade,
    join,
    lathe,
    loop_handle,
    pipe,
    put,
    quantity,
    rippled,
    turn,
    vessel,
    wall_words,
)
from plane_anomalib.generation.shapes.outlines import arc, flat_curve
from plane_anomalib.generation.shapes.solids import Solid
from plane_anomalib.generation.shapes.sweeps import Revolution, Tube


def _bottle(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, neck, start = u(1.8, 3.8), u(0.12, 0.42), u(0.5, 0.72)
    wall = u(0.02, 0.06)
    heights = np.array([0, 0.04, 0.08, start, start + u(0.08, 0.2), 0.95, 1]) * height
    radii = [0.4, 0.48, 0.5, 0.5 * u(0.9, 1.05), neck, neck, neck * u(1, 1.2)]
    body: Solid = vessel(heights, radii, wall)
    closed = generator.random() < 0.4
    if closed:
        body = join(body, cylinder(neck * 1.25, 0.3, (0, 0, height)))
    looks = [grade(height, 2.3, "short", 3.0, "tall"), grade(height, 2.2, "wide", 3.2, "slender")]
    has = [grade(neck, 0.2, "a narrow neck", 0.32, "a wide mouth"), "a cap" if closed else ""]
    return body, caption(generator, ["bottle", "bottle", "drinking bottle"], looks, has)


def _bowl(generator: np.random.Generator) -> Made:
    u = generator.uniform
    depth, wall, foot = u(0.25, 1.0), u(0.02, 0.1), u(0.2, 0.6)
    share = np.linspace(0, 1, 7)
    radii = foot + (1 - foot) * np.sin(share * np.pi / 2) ** u(0.5, 1.2)
    body: Solid = vessel(share * depth, radii, wall)
    footed = generator.random() < 0.4
    if footed:
        body = join(body, pipe(foot * 0.9, foot * 0.7, -u(0.06, 0.2), wall / 2))
    waves = int(generator.integers(6, 13)) if generator.random() < 0.3 else 0
    if waves:
        body = rippled(body, waves, u(0.02, 0.06), generator)
    looks = [grade(depth, 0.4, "shallow", 0.7, "deep"), "fluted" if waves else "round"]
    has = [wall_words(wall), "a foot ring" if footed else ""]
    return body, caption(generator, ["bowl", "bowl", "soup bowl"], looks, has)


def _jar(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, mouth, wall = u(0.9, 2.2), u(0.3, 0.46), u(0.02, 0.07)
    heights = np.array([0, 0.06, 0.3, 0.7, 0.86, 0.9, 1]) * height
    belly = u(0.5, 0.66)
    radii = [u(0.3, 0.45), 0.48, belly, belly * u(0.9, 1), mouth * 1.02, mouth, mouth]
    parts: list[Solid] = [vessel(heights, radii, wall)]
    lid = generator.random() < 0.5
    if lid:
        parts.append(cylinder(mouth * u(1.05, 1.25), 0.2, (0, 0, height + 0.02)))
        parts.append(ball(u(0.06, 0.12), (0, 0, height + 0.17)))
    looks = [grade(height, 1.3, "squat", 1.8, "tall")]
    has = ["a lid with a knob" if lid else "an open mouth", wall_words(wall)]
    return join(*parts), caption(generator, ["jar", "storage jar", "jar"], looks, has)


def _cup(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, base, wall = u(0.7, 2.0), u(0.3, 0.5), u(0.02, 0.06)
    body: Solid = vessel([0, 0.5 * height, height], [base, u(0.42, 0.5), 0.5], wall)
    waves = int(generator.integers(8, 25)) if generator.random() < 0.35 else 0
    if waves:
        body = rippled(body, waves, u(0.01, 0.03), generator)
    looks = [grade(height, 1.0, "low", 1.5, "tall"), "fluted" if waves else "plain"]
    looks.append(grade(base, 0.37, "tapered", 0.46, "straight"))
    has = [wall_words(wall), "no handle"]
    return body, caption(generator, ["cup", "cup", "drinking cup", "tumbler"], looks, has)


def _bucket(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, base, wall = u(0.7, 1.3), u(0.32, 0.45), u(0.015, 0.04)
    body = vessel([0, 0.93 * height, 0.95 * height, height], [base, 0.5, 0.53, 0.53], wall)
    rise = u(0.2, 0.6)
    path = [(0.5 * np.cos(a), rise * np.sin(a)) for a in np.linspace(0, np.pi, 30)]
    grip = Tube(flat_curve(np.array(path)) + np.array([0, 0, 0.93 * height]), u(0.015, 0.03))
    looks = [grade(height, 0.85, "low", 1.1, "deep"), grade(base, 0.37, "tapered", 2, "")]
    has = [grade(rise, 0.35, "a low handle", 0.45, "a high handle") or "a handle", wall_words(wall)]
    return join(body, grip), caption(generator, ["bucket", "pail", "bucket"], looks, has)


def _vase(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, neck, wall = u(1.0, 3.2), u(0.12, 0.4), u(0.02, 0.06)
    belly, lip, at = u(0.4, 0.65), u(1.0, 2.0), u(0.25, 0.55)
    heights = np.array([0, 0.03, at, u(0.72, 0.85), 1]) * height
    base = u(0.22, 0.4)
    body = vessel(heights, [base, base, belly, neck, neck * lip], wall)
    solid: Solid = body
    waves = int(generator.integers(5, 13)) if generator.random() < 0.25 else 0
    handles = 0 if waves else 2 * int(generator.random() < 0.3)
    if waves:
        solid = rippled(solid, waves, u(0.03, 0.08), generator)
    if handles:
        loop = loop_handle(body, 0.5 * height, 0.85 * height, u(0.3, 0.5), 0.05)
        solid = join(solid, loop, put(loop, rotation=turn("z", 180)))
    looks = [grade(height, 1.5, "squat", 2.2, "tall"), "fluted" if waves else ""]
    has = [
        grade(neck, 0.2, "a narrow neck", 0.3, "a wide neck"),
        grade(lip, 1.1, "a straight lip", 1.6, "a flared lip"),
        "two handles" if handles else "",
        grade(belly, 0.45, "a slim body", 0.58, "a round belly"),
    ]
    return solid, caption(generator, ["vase", "vase", "flower vase"], looks, has)


def _flower_pot(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, base, wall, rim = u(0.6, 1.4), u(0.28, 0.44), u(0.03, 0.07), u(0.1, 0.25)
    heights = [0, (1 - rim) * height - 0.01, (1 - rim) * height + 0.01, height]
    pot = vessel(heights, [base, 0.46, 0.54, 0.55], wall)
    drain = generator.random() < 0.5
    solid: Solid = pot
    if drain:
        solid = Difference(pot, [cylinder(u(0.05, 0.1), 0.4)])
    looks = [grade(height, 0.8, "low", 1.1, "tall"), grade(base, 0.34, "tapered", 2, "")]
    has = [grade(rim, 0.14, "a narrow rim", 0.18, "a broad rim"), "a drain hole" if drain else ""]
    return solid, caption(generator, ["flower pot", "plant pot", "flowerpot"], looks, has)


def _can(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, neck, ribs = u(0.5, 2.6), u(0.4, 0.5), int(generator.integers(0, 7))
    inset = u(0.02, 0.06)
    profile = [(0.0, 0.04), (0.4, 0.04), (0.42, 0.0), (0.46, 0.0), (0.5, 0.08)]
    for i in range(ribs):
        z = height * (0.3 + 0.4 * i / max(ribs, 1))
        profile += [(0.5, z), (0.48, z + 0.02), (0.48, z + 0.04), (0.5, z + 0.06)]
    profile += [(0.5, height - 0.1), (neck, height), (neck - 0.04, height)]
    profile += [(neck - 0.05, height - inset), (0.0, height - inset)]
    looks = [grade(height, 0.8, "flat", 1.7, "tall")]
    has = [
        quantity(generator, ribs, "groove", "grooves") if ribs else "smooth walls",
        grade(neck, 0.45, "a drawn-in top", 9, ""),
    ]
    return lathe(profile), caption(generator, ["can", "tin can", "can"], looks, has)


def _funnel(generator: np.random.Generator) -> Made:
    u = generator.uniform
    spout, length, depth, wall = u(0.08, 0.16), u(0.4, 1.2), u(0.4, 1.1), 0.03
    top = length + depth
    outer = [(spout * u(0.6, 1), 0.0), (spout, length), (0.7, top), (0.7, top + u(0.02, 0.2))]
    hollow = [(r - wall * (1.0 if i == 3 else 1.1), z) for i, (r, z) in enumerate(outer)][::-1]
    solid = Revolution([*outer, *hollow])
    looks = [grade(depth, 0.6, "shallow", 0.9, "steep")]
    has = [grade(length, 0.65, "a short spout", 0.9, "a long spout") or "a thin spout"]
    return solid, caption(generator, "funnel", looks, has)


def _wine_glass(generator: np.random.Generator) -> Made:
    u = generator.uniform
    stem, deep, wide, mouth = u(0.4, 1.2), u(0.5, 1.1), u(0.3, 0.5), u(0.6, 1.05)
    thin = u(0.03, 0.05)
    heights = np.array([0, 0.25, 0.6, 1]) * deep + stem
    cup_ = vessel(heights, [thin, 0.8 * wide, wide, wide * mouth], 0.02, 0.1)
    foot = lathe([(u(0.3, 0.42), 0), (0.36, 0.03), (thin, 0.1), (thin, stem + 0.05)])
    looks = [grade(stem + deep, 1.3, "small", 1.8, "tall"), ""]
    has = [
        grade(stem, 0.6, "a short stem", 0.9, "a long stem") or "a stem",
        grade(mouth, 0.75, "a narrow mouth", 0.95, "an open mouth"),
        grade(wide, 0.36, "a slim bowl", 0.44, "a wide bowl"),
    ]
    return join(cup_, foot), caption(
        generator, ["wine glass", "stemmed glass", "goblet"], looks, has
    )


def _test_tube(generator: np.random.Generator) -> Made:
    u = generator.uniform
    length, wall, lip = u(2.5, 7.0), u(0.04, 0.12), u(1.0, 1.3)
    end = arc(0.5, -np.pi / 2, 0, (0, 0.5), 12)
    inner = arc(0.5 - wall, 0, -np.pi / 2, (0, 0.5), 12)
    outer = [(0.5, length - 0.1), (0.5 * lip, length - 0.08), (0.5 * lip, length)]
    solid = lathe([*end, *outer, (0.5 - wall, length), *inner])
    looks = [grade(length, 3.5, "short", 5.5, "long"), grade(wall, 0.06, "thin-walled", 2, "")]
    has = ["a round bottom", grade(lip, 1.05, "", 1.15, "a rim")]
    return solid, caption(generator, "test tube", looks, has)


def _barrel(generator: np.random.Generator) -> Made:
    u = generator.uniform
    height, bulge, hoops = u(1.0, 1.8), u(1.05, 1.35), int(generator.integers(2, 5))
    z = np.linspace(0, 1, 25)
    r = 0.5 * (1 + (bulge - 1) * 4 * z * (1 - z))
    body = lathe(np.stack([r, z * height], axis=1))
    places = np.linspace(0.08, 0.92, hoops)
    radii = np.interp(places, z, r)
    hoop = [
        pipe(radius + 0.03, radius - 0.04, place * height - 0.04, place * height + 0.04)
        for place, radius in zip(places, radii, strict=True)
    ]
    looks = [
        grade(height, 1.2, "squat", 1.5, "tall"),
        grade(bulge, 1.12, "straight", 1.25, "bulging"),
    ]
    has = [quantity(generator, hoops, "hoop", "hoops")]
    return join(body, *hoop), caption(generator, ["barrel", "cask", "barrel"], looks, has)


VESSELS: dict[str, Maker] = {
    "bottle": _bottle,
    "bowl": _bowl,
    "jar": _jar,
    "cup": _cup,
    "bucket": _bucket,
    "vase": _vase,
    "flower pot": _flower_pot,
    "can": _can,
    "funnel": _funnel,
    "wine glass": _wine_glass,
    "test tube": _test_tube,
    "barrel": _barrel,
}
"""Family name to maker."""

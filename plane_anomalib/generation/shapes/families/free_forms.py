"""Stones and polyhedra."""

from __future__ import annotations

import numpy as np

from plane_anomalib.generation.shapes.construction import (
    Made,
    Maker,
    caption,
    cylinder,
    grade,
    join,
    lifted,
    put,
    quantity,
    rod,
    slab,
    standing,
    torus,
    towards,
    turn,
    twisted,
)
from plane_anomalib.generation.shapes.outlines import (
    arc,
    circle,
    gear,
    helix,
    oval,
    petals,
    rectangle,
    regular,
    rounded,
    star,
)
from plane_anomalib.generation.shapes.solids import (
    Array,
    Box,
    Convex,
    Ellipsoid,
    Solid,
    Star,
    superquadric,
    unit,
)
from plane_anomalib.generation.shapes.sweeps import Extrusion, Tube


def _gemstone(generator: np.random.Generator) -> Made:
    u = generator.uniform
    sides, tall, table = int(generator.integers(5, 11)), u(0.3, 0.9), u(0.3, 0.8)
    kind = ["emerald cut", "step cut", "drop"][int(generator.integers(3))]
    girdle = (
        oval(1, u(0.5, 1), 2.0, sides)
        if kind != "emerald cut"
        else rounded(2, u(0.9, 1.6), 0.5)[::7]
    )
    layers = [(1.0, 0.0), (1.0, 0.12), (table, 0.35 * tall + 0.1), (0.55, -0.5 * tall)]
    if kind == "drop":
        layers = [(1.0, 0.0), (0.7, 0.4 * tall), (0.05, 1.6 * tall), (0.5, -0.4 * tall)]
    corners = [np.column_stack([girdle * s, np.full(len(girdle), z)]) for s, z in layers]
    solid = Convex(np.concatenate([*corners, [(0, 0, -tall)]]))
    looks = ["faceted", grade(tall, 0.45, "flat", 0.7, "deep")]
    has = [
        f"a girdle of {len(girdle)} sides",
        grade(table, 0.45, "a small table", 0.65, "a broad table")
        if kind != "drop"
        else "a pointed top",
    ]
    return solid, caption(generator, ["gemstone", "cut gem", "jewel"], looks, has)


def _diamond(generator: np.random.Generator) -> Made:
    u = generator.uniform
    sides, crown, deep, table = (
        int(generator.choice([6, 8, 12])),
        u(0.15, 0.45),
        u(0.6, 1.2),
        u(0.4, 0.7),
    )
    girdle = np.column_stack([regular(sides, 1), np.zeros(sides)])
    rim = girdle + np.array((0, 0, -u(0.02, 0.08)))
    top = np.column_stack([regular(sides, table, np.pi / sides), np.full(sides, crown)])
    solid = Convex(np.concatenate([girdle, rim, top, [(0, 0, -deep)]]))
    looks = ["faceted", grade(deep, 0.75, "shallow", 1.0, "deep")]
    has = [
        quantity(generator, sides, "side", "sides"),
        "a pointed bottom",
        grade(table, 0.5, "a small table", 0.6, "a large table"),
    ]
    return solid, caption(generator, ["diamond", "brilliant-cut diamond"], looks, has)


def _crystal(generator: np.random.Generator) -> Made:
    u = generator.uniform
    count, sides = int(generator.integers(1, 6)), int(generator.choice([4, 5, 6]))
    parts: list[Solid] = []
    for i in range(count):
        tall, fat = u(0.8, 1.6) * (1 if i == 0 else 0.7), u(0.15, 0.3)
        base = np.column_stack([regular(sides, fat), np.zeros(sides)])
        prism = Convex(
            np.concatenate(
                [
                    base,
                    base * (0.95, 0.95, 1) + (0, 0, tall),
                    [(0, 0, tall + fat * 1.3), (0, 0, -fat)],
                ]
            )
        )
        lean = np.array([0, 0, 1.0]) if i == 0 else np.array([*generator.normal(size=2) * 0.6, 1.0])
        parts.append(put(prism, rotation=towards(lean)))
    looks = ["pointed", "" if count > 1 else "single"]
    has = [quantity(generator, count, "point", "points"), f"{sides} sides"]
    return join(*parts), caption(
        generator,
        ["crystal", "quartz crystal"] if count == 1 else ["crystal cluster", "crystal"],
        looks,
        has,
    )


def _rock(generator: np.random.Generator) -> Made:
    u = generator.uniform
    rough = u(0.03, 0.16)
    axes = unit(generator.normal(size=(7, 3)))
    waves, phase, size = u(2, 7, 7), u(0, 6, 7), u(0.3, 1.0, 7)

    def radius(d: Array) -> Array:
        return 1 + rough * np.sin((d @ axes.T) * waves + phase) @ size * 0.7

    stretch = u(0.45, 1.0, 3)
    angular = generator.random() < 0.35
    solid: Solid = Star(radius, stretch)
    if angular:
        solid = Convex(unit(generator.normal(size=(int(generator.integers(12, 30)), 3))) * stretch)
    looks = [
        "angular" if angular else grade(rough, 0.07, "smooth", 0.12, "lumpy"),
        grade(float(stretch[2] / stretch.max()), 0.65, "flat", 1, ""),
    ]
    return solid, caption(
        generator, ["rock", "stone", "pebble" if not angular else "rock"], looks, []
    )


def _polyhedron(generator: np.random.Generator) -> Made:
    u = generator.uniform
    kind = ["pyramid", "prism", "octahedron", "tetrahedron", "icosahedron", "wedge"][
        int(generator.integers(6))
    ]
    sides, tall = int(generator.integers(3, 8)), u(0.6, 1.8)
    base = np.column_stack([regular(sides, 0.7), np.zeros(sides)])
    golden = (1 + 5**0.5) / 2
    corners = {
        "pyramid": np.concatenate([base, [(0, 0, tall)]]),
        "prism": np.concatenate([base, base + np.array((0, 0, tall))]),
        "octahedron": np.concatenate([np.eye(3), -np.eye(3)]) * (1, 1, tall),
        "tetrahedron": np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1.0)]),
        "icosahedron": np.array(
            [np.roll((0, a, b * golden), k) for a in (-1, 1) for b in (-1, 1) for k in range(3)]
        ),
        "wedge": np.array(
            [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0), (0, 0, tall / 2), (0, 1, tall / 2.0)]
        ),
    }[kind]
    looks = [
        grade(tall, 0.9, "flat", 1.4, "tall") if kind in ("pyramid", "prism", "octahedron") else ""
    ]
    has = [f"a base of {sides} corners" if kind in ("pyramid", "prism") else "flat faces"]
    return Convex(corners), caption(generator, [kind], looks, has)


STONES: dict[str, Maker] = {
    "gemstone": _gemstone,
    "diamond": _diamond,
    "crystal": _crystal,
    "rock": _rock,
    "polyhedron": _polyhedron,
}
"""Family name to maker."""


def _spikes(outline: Array, inner: float, thick: float) -> list[Solid]:
    """The double pyramid over a star, as one convex piece per tip."""
    apexes = [(0, 0, thick), (0, 0, -thick)]
    pieces: list[Solid] = []
    for i in range(0, len(outline), 2):
        # Each piece reaches beyond the middle, or its flat back would count as surface.
        base = [outline[i - 1], outline[i], outline[(i + 1) % len(outline)]]
        corners = np.array([*base, -0.2 * inner * outline[i]])
        pieces.append(Convex(np.concatenate([np.column_stack([corners, np.zeros(4)]), apexes])))
    return pieces


def _simple(kind: str, size: float, generator: np.random.Generator) -> Solid:
    """A simple solid of about a size."""
    if kind == "box":
        return Box(size * generator.uniform(0.7, 1.8, 3), 0.03)
    if kind == "ball":
        return Ellipsoid(size * generator.uniform(0.7, 1.1, 3))
    if kind == "ring":
        return torus(size, 0.3 * size)
    if kind == "gear":
        return Extrusion(gear(9, 1.1 * size, 0.85 * size), 0.5 * size)
    return cylinder(0.7 * size, 2 * size, top=0.05 if kind == "cone" else None)


def _heart(generator: np.random.Generator) -> Made:
    u = generator.uniform
    thick, wide = u(0.15, 0.8), u(0.8, 1.15)
    t = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    outline = (
        np.stack(
            [
                16 * np.sin(t) ** 3 * wide,
                13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t),
            ],
            axis=1,
        )
        / 16
    )
    holed = generator.random() < 0.25
    solid = standing(outline, thick, holes=[circle(0.12, (0, 0.05), 24)] if holed else ())
    looks = [grade(thick, 0.3, "flat", 0.6, "thick"), grade(wide, 0.9, "narrow", 1.05, "wide")]
    return solid, caption(generator, ["heart", "heart shape"], looks, ["a hole" if holed else ""])


def _star_shape(generator: np.random.Generator) -> Made:
    u = generator.uniform
    tips, inner, thick = int(generator.integers(4, 13)), u(0.3, 0.75), u(0.1, 0.6)
    pointed = generator.random() < 0.35
    outline = star(tips, 1.0, inner, np.pi / 2)
    solid: Solid = standing(outline, thick)
    if pointed:
        solid = put(join(*_spikes(outline, inner, thick)), rotation=turn("x", 90))
    looks = ["faceted" if pointed else "flat", grade(inner, 0.42, "spiky", 0.6, "blunt")]
    return solid, caption(
        generator, ["star", "star shape"], looks, [quantity(generator, tips, "point", "points")]
    )


def _moon(generator: np.random.Generator) -> Made:
    u = generator.uniform
    bite, thick = u(0.25, 0.7), u(0.15, 0.6)
    inner = (1 + bite**2 - 0.15) ** 0.5
    outer_start = np.arccos(
        np.clip((1 + bite**2 - inner**2 * 0.64) / (2 * bite + 1e-9), -0.95, 0.95)
    )
    outer = arc(1.0, outer_start, 2 * np.pi - outer_start, count=60)
    start = np.arctan2(outer[0, 1], outer[0, 0] - bite)
    radius = float(np.hypot(outer[0, 0] - bite, outer[0, 1]))
    cut = arc(radius, 2 * np.pi - start, start, (bite, 0), 50)[1:-1]
    solid = standing(np.concatenate([outer, cut]), thick)
    looks = [grade(bite, 0.4, "slim", 0.55, "fat"), grade(thick, 0.25, "flat", 0.45, "thick")]
    return solid, caption(
        generator, ["crescent", "crescent moon", "half moon"], looks, ["two pointed ends"]
    )


def _superquadric_body(generator: np.random.Generator) -> Made:
    u = generator.uniform
    axes = u(0.35, 1.0, 3)
    flat, upright = np.exp(u(np.log(1.0), np.log(8.0), 2))
    shape = (
        "boxy"
        if min(flat, upright) > 3.5
        else "diamond-like"
        if max(flat, upright) < 1.5
        else "rounded"
    )
    looks = [shape, grade(float(axes[2] / axes[:2].min()), 0.6, "flat", 1.5, "tall")]
    return superquadric(axes, flat, upright), caption(
        generator, ["superquadric", "smooth solid body", "abstract blob"], looks, []
    )


def _blend(generator: np.random.Generator) -> Made:
    u = generator.uniform
    count = int(generator.integers(2, 5))
    words: list[str] = []
    parts: list[Solid] = []
    for _ in range(count):
        kind = ["box", "ball", "cylinder", "cone", "ring", "gear"][int(generator.integers(6))]
        solid = _simple(kind, u(0.35, 0.8), generator)
        words.append(kind)
        parts.append(put(solid, generator.normal(size=3) * 0.35, towards(generator.normal(size=3))))
    names = sorted(set(words))
    has = ["a " + " and a ".join(names[:3])]
    return join(*parts), caption(
        generator, ["blend of parts", "abstract sculpture", "blend of simple solids"], [], has
    )


def _wavy_sheet(generator: np.random.Generator) -> Made:
    u = generator.uniform
    waves, height, thick, cross = (
        u(1.0, 4.0),
        u(0.05, 0.25),
        u(0.02, 0.07),
        generator.random() < 0.5,
    )
    outline = [rectangle(2, u(1.0, 2.0)), circle(1.0), oval(1, 0.8, 4.0)][
        int(generator.integers(3))
    ]
    phase = u(0, 6, 2)

    def rise(x: Array, y: Array) -> Array:
        other = np.cos(waves * np.pi * y * 0.7 + phase[1]) if cross else 1.0
        return height * np.sin(waves * np.pi * x + phase[0]) * other

    looks = [
        grade(height, 0.1, "slightly wavy", 0.18, "strongly wavy"),
        grade(thick, 0.035, "thin", 0.055, "thick"),
    ]
    has = [
        "waves in two directions"
        if cross
        else f"about {quantity(generator, round(waves), 'wave', 'waves')}"
    ]
    return lifted(slab(outline, thick), rise, generator), caption(
        generator, ["wavy sheet", "corrugated sheet", "curved plate"], looks, has
    )


def _twisted_bar(generator: np.random.Generator) -> Made:
    u = generator.uniform
    sides, tall, turns = int(generator.integers(3, 7)), u(1.2, 3.0), u(0.15, 0.9)
    kind = generator.random() < 0.35
    outline = petals(sides, 0.45, 0.1, 96) if kind else regular(sides, 0.5)
    fine = (
        outline
        if kind
        else np.concatenate(
            [
                np.linspace(a, b, 12, endpoint=False)
                for a, b in zip(outline, np.roll(outline, -1, axis=0), strict=True)
            ]
        )
    )
    solid = twisted(Extrusion(fine, tall), 2 * np.pi * turns / tall, generator)
    looks = [
        grade(turns, 0.3, "slightly twisted", 0.6, "strongly twisted"),
        grade(tall, 1.7, "short", 2.4, "tall"),
    ]
    return solid, caption(
        generator,
        ["twisted bar", "twisted column"],
        looks,
        [quantity(generator, sides, "side", "sides")],
    )


def _knot(generator: np.random.Generator) -> Made:
    u = generator.uniform
    p, q = [(2, 3), (3, 2), (2, 5), (3, 4), (3, 5)][int(generator.integers(5))]
    thick = u(0.08, 0.16) * (1 if p + q < 7 else 0.7)
    t = np.linspace(0, 2 * np.pi, 160, endpoint=False)
    r = 1 + 0.42 * np.cos(q * t)
    path = np.stack([r * np.cos(p * t), r * np.sin(p * t), 0.42 * np.sin(q * t)], axis=1)
    looks = [grade(thick, 0.09, "thin", 0.13, "thick"), "closed"]
    return Tube(path, thick, closed=True, up=(0.03, 0.05, 1)), caption(
        generator, ["knot", "knotted ring", "rope knot"], looks, [f"{q} loops around {p} turns"]
    )


def _screw_helix(generator: np.random.Generator) -> Made:
    u = generator.uniform
    turns, pitch, core = u(2, 6), u(0.4, 0.8), u(0.1, 0.25)
    path = helix(0.5 * (core + 0.85), pitch, turns, int(32 * turns))
    blade = Tube(path, 0.035, (0.9 - core) / 2, power=6, up=(0, 0, 1))
    solid = join(blade, rod((0, 0, -0.2), (0, 0, pitch * turns + 0.2), core))
    looks = [grade(pitch * turns, 1.8, "short", 3.0, "long")]
    has = [
        f"about {quantity(generator, round(turns), 'turn', 'turns')}",
        grade(core, 0.15, "a thin core", 0.2, "a thick core"),
    ]
    return solid, caption(generator, ["screw conveyor", "auger", "helical screw"], looks, has)


ABSTRACT: dict[str, Maker] = {
    "heart": _heart,
    "star": _star_shape,
    "crescent": _moon,
    "superquadric": _superquadric_body,
    "blend of parts": _blend,
    "wavy sheet": _wavy_sheet,
    "twisted bar": _twisted_bar,
    "knot": _knot,
    "screw conveyor": _screw_helix,
}
"""Family name to maker."""

"""Stones and polyhedra."""

from __future__ import annotations

import numpy as np

from plane_anomalib.generation.shapes.build import join, put, towards
from plane_anomalib.generation.shapes.families.kinds import Made, Maker
from plane_anomalib.generation.shapes.outlines import oval, regular, rounded
from plane_anomalib.generation.shapes.primitives import Convex, Star
from plane_anomalib.generation.shapes.solid import Array, Solid, unit
from plane_anomalib.generation.shapes.wording import caption, grade, quantity


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

"""Extended defects of point clouds: surfaces pushed, grooves, parts bent, broken off or holed.

All lengths are in the unit sphere of the cloud.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.generation.defects.corruption import (
    Action,
    Labelled,
    random_direction,
    unlabelled,
)
from plane_anomalib.generation.defects.patches import SurfacePatch, displace, grow_patch
from plane_anomalib.generation.defects.profiles import (
    KINDS,
    distance_to_path,
    falloff,
    flattened,
    fracture,
    groove,
    ripple,
    smoothstep,
    uneven,
    walk,
)
from plane_anomalib.geometry.points import FloatArray

Array = NDArray[np.float64]
Range = tuple[float, float]

LABEL_THRESHOLD = 0.1
"""Share of a defect's height below which a point counts as normal."""


def skewed(limits: Range, generator: np.random.Generator) -> float:
    """Draw from Beta(2, 5) over (low, high): small is more frequent than large, as in practice."""
    low, high = limits
    return low + (high - low) * float(generator.beta(2, 5))


@dataclass(frozen=True)
class Push:
    """A family of displacements.

    Attributes:
        radius: Greater half axis of the ellipsoidal support, Beta(2, 5) over (low, high).
        aspect: Smaller half axis over greater, uniform.
        height: Greatest displacement, Beta(2, 5).
        falloffs: One of them is drawn.
        tilt: Degrees between the direction and the normal, uniform.
        waves: Crests from the center to the edge, uniform; 0 for none.
    """

    radius: Range
    aspect: Range
    height: Range
    falloffs: tuple[str, ...]
    tilt: Range = (0.0, 0.0)
    waves: Range = (0.0, 0.0)


_SMOOTH = ("cosine", "gaussian", "quartic")

PUSHES: dict[str, Push] = {
    "bulge": Push((0.14, 0.55), (0.6, 1.0), (0.03, 0.16), (*_SMOOTH, "flat_top")),
    "concavity": Push((0.14, 0.55), (0.6, 1.0), (0.03, 0.16), (*_SMOOTH, "flat_top")),
    "ridge": Push((0.25, 0.8), (0.15, 0.4), (0.02, 0.1), _SMOOTH),
    "trench": Push((0.25, 0.8), (0.15, 0.4), (0.02, 0.1), _SMOOTH),
    "dent": Push((0.1, 0.4), (0.5, 1.0), (0.03, 0.12), ("linear", "flat_top"), (0, 45)),
    "step": Push((0.12, 0.4), (0.4, 1.0), (0.03, 0.08), ("step",)),
    "lump": Push((0.1, 0.35), (0.7, 1.0), (0.08, 0.25), ("quartic", "flat_top"), (0, 20)),
    "ripple": Push((0.2, 0.6), (0.5, 1.0), (0.02, 0.06), ("cosine",), waves=(1.5, 4.0)),
}
"""Ellipsoidal presets by name."""


def push(cloud: FloatArray, generator: np.random.Generator, *, kind: str) -> Labelled:
    """Displace an ellipsoidal support around a random center.

    Args:
        cloud: (N, 3) in the unit sphere.
        generator: The only source of randomness.
        kind: A key of `PUSHES`.
    """
    preset = PUSHES[kind]
    radius = skewed(preset.radius, generator)
    patch = grow_patch(cloud, int(generator.integers(len(cloud))), radius, generator)
    minor = radius * generator.uniform(*preset.aspect)
    r = np.hypot(patch.local[:, 0] / radius, patch.local[:, 1] / minor)
    sign = KINDS[kind].outward or int(generator.choice([-1, 1]))
    name = preset.falloffs[int(generator.integers(len(preset.falloffs)))]
    peak = sign * skewed(preset.height, generator)
    waved = preset.waves[1] > 0
    profile = ripple(r, generator.uniform(*preset.waves)) if waved else falloff(name, r)
    tilt = np.deg2rad(generator.uniform(*preset.tilt))
    direction = np.cos(tilt) * patch.frame[2] + np.sin(tilt) * patch.frame[0]
    return displace(
        cloud,
        patch,
        peak * profile,
        direction,
        generator,
        label_threshold=LABEL_THRESHOLD,
        # A step has no slope a scanner could see: its wall is at right angles to the surface.
        resample=name != "step",
    )


def flat_spot(cloud: FloatArray, generator: np.random.Generator) -> Labelled:
    """Press everything that stands above a plane just below the surface onto that plane."""
    radius = skewed((0.15, 0.5), generator)
    patch = grow_patch(cloud, int(generator.integers(len(cloud))), radius, generator)
    depth = skewed((0.02, 0.1), generator)
    inside = np.hypot(patch.local[:, 0], patch.local[:, 1]) < 0.95 * radius
    heights = np.where(inside, flattened(patch.local[:, 2], depth), 0.0)
    return displace(
        cloud,
        patch,
        heights,
        patch.frame[2],
        generator,
        label_threshold=LABEL_THRESHOLD,
        resample=False,
    )


@dataclass(frozen=True)
class Carving:
    """A narrow groove along a random walk in the surface.

    Attributes:
        length: Of the walk, uniform.
        width: Half the width, uniform; at least two gaps between points, else nothing shows.
        depth: Beta(2, 5).
        wander: Standard deviation of the change of heading per step, in degrees.
        gape: Share of the points in the middle that are lost (a crack returns no light).
        branch: Probability of a second arm.
        section: Of the groove, a key of `FALLOFFS`.
    """

    length: Range
    width: Range
    depth: Range
    wander: float
    gape: float
    branch: float
    section: str


CARVINGS: dict[str, Carving] = {
    "scratch": Carving((0.4, 1.1), (0.015, 0.05), (0.015, 0.06), 4.0, 0.0, 0.0, "cosine"),
    "crack": Carving((0.4, 1.0), (0.01, 0.03), (0.03, 0.12), 28.0, 0.5, 0.5, "linear"),
}
"""Presets that follow a path."""

_STEPS = 24


def carve(cloud: FloatArray, generator: np.random.Generator, *, preset: Carving) -> Labelled:
    """Carve a groove along a random walk, each point along its own normal.

    Args:
        cloud: (N, 3) in the unit sphere.
        generator: The only source of randomness.
        preset: What to draw from.
    """
    length = generator.uniform(*preset.length)
    patch = grow_patch(cloud, int(generator.integers(len(cloud))), 0.55 * length, generator)
    distance, along = _distance_to_walk(patch, length, preset, generator)
    width = max(generator.uniform(*preset.width), 2.0 * patch.spacing)
    depth = skewed(preset.depth, generator)
    carved = displace(
        cloud,
        patch,
        -depth * groove(distance, along, width, preset.section),
        patch.normals(cloud),
        generator,
        label_threshold=LABEL_THRESHOLD,
        resample=preset.gape == 0,
    )
    if preset.gape == 0:
        return carved
    middle = patch.indices[distance < 0.5 * width]
    lost = middle[generator.random(len(middle)) < preset.gape]
    keep = np.ones(len(carved.points), dtype=np.bool_)
    keep[lost] = False
    return Labelled(carved.points[keep], carved.mask[keep])


def _distance_to_walk(
    patch: SurfacePatch, length: float, preset: Carving, generator: np.random.Generator
) -> tuple[Array, Array]:
    """Distance of each patch point to the walk and position along it (0..1)."""
    wander = np.deg2rad(preset.wander)
    u, v = patch.local[:, 0], patch.local[:, 1]
    path = walk(generator.normal(0, wander, _STEPS), length)
    path = path - path[_STEPS // 2]
    distance, along = distance_to_path(u, v, path)
    if generator.random() < preset.branch:
        arm = walk(generator.normal(0, wander, _STEPS), 0.4 * length)
        turn = np.deg2rad(generator.uniform(25, 60)) * generator.choice([-1, 1])
        spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        start = path[int(generator.integers(_STEPS // 3, 2 * _STEPS // 3))]
        second, second_along = distance_to_path(u, v, arm @ spin.T + start)
        along = np.where(second < distance, 0.5 + 0.5 * second_along, along)
        distance = np.minimum(distance, second)
    return distance, along


_LEAST_BEND = 0.01
"""A point of a bent part counts as anomalous from this displacement on."""


def bend(cloud: FloatArray, generator: np.random.Generator) -> Labelled:
    """Rotate what lies beyond a random plane by 5 to 20 degrees, smoothly over a short stretch."""
    direction, beyond = _cut(cloud, (0.06, 0.25), generator)
    near = np.abs(beyond) <= max(0.05, float(np.abs(beyond).min()))
    pivot = cloud[near].mean(0, dtype=np.float64)
    axis = np.cross(direction, random_direction(generator))
    axis /= max(float(np.linalg.norm(axis)), 1e-9)
    ramp = smoothstep(beyond / generator.uniform(0.15, 0.4))
    angles = np.deg2rad(generator.uniform(5, 20)) * ramp
    arms = cloud - pivot
    cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
    # Rodrigues' formula, one angle per point.
    turned = (
        arms * cosine + np.cross(axis, arms) * sine + axis * (arms @ axis)[:, None] * (1 - cosine)
    )
    moved = np.where(angles[:, None] > 0, turned + pivot, cloud)
    mask = np.linalg.norm(moved - cloud, axis=1) > _LEAST_BEND
    return Labelled(moved.astype(np.float32), mask)


def broken(cloud: FloatArray, generator: np.random.Generator) -> Labelled:
    """Break off what lies beyond a rough plane; the rim of the break is the label."""
    direction, beyond = _cut(cloud, (0.03, 0.15), generator)
    waves, phases = np.zeros((3, 4)), np.zeros((1, 4))
    for wave in range(4):
        across = np.cross(direction, random_direction(generator))
        phases[0, wave] = generator.uniform(0, 2 * np.pi)
        waves[:, wave] = generator.uniform(5, 20) * across
    beyond = beyond + fracture(cloud.astype(np.float64), waves, phases, 0.015)
    keep = beyond < 0
    if 2 * keep.sum() < len(cloud):
        return unlabelled(cloud)
    rim = beyond[keep] > -generator.uniform(0.015, 0.05)
    return Labelled(cloud[keep], rim)


def hole(cloud: FloatArray, generator: np.random.Generator) -> Labelled:
    """Cut an irregular ellipse out of the surface; what borders on it is the label."""
    radius = 0.07 + 0.25 * float(generator.beta(2, 5))
    margin = generator.uniform(1.25, 1.4)
    patch = grow_patch(cloud, int(generator.integers(len(cloud))), 1.6 * radius, generator)
    minor = radius * generator.uniform(0.5, 1.0)
    u, v = patch.local[:, 0] / radius, patch.local[:, 1] / minor
    r = np.hypot(u, v) / uneven(np.arctan2(v, u), generator.uniform(0, 6.3, 2))
    mask = np.zeros(len(cloud), dtype=np.bool_)
    # As wide as the rim of a round hole of the smaller axis, and never thinner than the sampling.
    mask[patch.indices] = r < max(margin, 1 + 2 * patch.spacing / minor)
    keep = np.ones(len(cloud), dtype=np.bool_)
    keep[patch.indices[r < 1]] = False
    if 2 * keep.sum() < len(cloud):
        return unlabelled(cloud)
    return Labelled(cloud[keep], mask[keep])


def _cut(
    cloud: FloatArray, share: tuple[float, float], generator: np.random.Generator
) -> tuple[Array, Array]:
    """A random plane with a share of the points beyond: direction, signed distances (N,)."""
    direction = random_direction(generator)
    along = cloud @ direction
    return direction, along - np.quantile(along, 1 - generator.uniform(*share))


POINT_DEFECTS: dict[str, Action] = {
    **{kind: partial(push, kind=kind) for kind in PUSHES},
    **{kind: partial(carve, preset=preset) for kind, preset in CARVINGS.items()},
    "flat_spot": flat_spot,
    "bend": bend,
    "broken": broken,
    "hole": hole,
}
"""Kind to what makes it in a cloud in the unit sphere."""

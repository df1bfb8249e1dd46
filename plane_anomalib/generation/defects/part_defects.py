"""Defects of a whole part: bent, broken off, holed. Lengths in the unit sphere of the cloud."""

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.generation.defects.corruption import Action, Labelled, unlabelled
from plane_anomalib.generation.defects.patches import grow_patch
from plane_anomalib.geometry.points import FloatArray

Array = NDArray[np.float64]

_LEAST_BEND = 0.01
"""A point of a bent part counts as anomalous from this displacement on."""


def bend(cloud: FloatArray, generator: np.random.Generator) -> Labelled:
    """Rotate what lies beyond a random plane by 5 to 20 degrees, smoothly over a short stretch."""
    direction, beyond = _cut(cloud, (0.06, 0.25), generator)
    near = np.abs(beyond) <= max(0.05, float(np.abs(beyond).min()))
    pivot = cloud[near].mean(0, dtype=np.float64)
    axis = np.cross(direction, _unit(generator))
    axis /= max(float(np.linalg.norm(axis)), 1e-9)
    ramp = np.clip(beyond / generator.uniform(0.15, 0.4), 0, 1)
    angles = np.deg2rad(generator.uniform(5, 20)) * ramp**2 * (3 - 2 * ramp)
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
    for _ in range(4):
        across = np.cross(direction, _unit(generator))
        phase = generator.uniform(0, 2 * np.pi)
        beyond = beyond + 0.015 * np.sin(generator.uniform(5, 20) * (cloud @ across) + phase)
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
    around = np.arctan2(v, u)
    wobble = 1 + 0.15 * np.sin(2 * around + generator.uniform(0, 6.3))
    wobble += 0.1 * np.sin(5 * around + generator.uniform(0, 6.3))
    r = np.hypot(u, v) / wobble
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
    direction = _unit(generator)
    along = cloud @ direction
    return direction, along - np.quantile(along, 1 - generator.uniform(*share))


def _unit(generator: np.random.Generator) -> Array:
    vector = generator.normal(size=3)
    return vector / np.linalg.norm(vector)


PART_DEFECTS: dict[str, Action] = {"bend": bend, "broken": broken, "hole": hole}
"""Every defect of this module by name."""

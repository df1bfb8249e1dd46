"""One-sided scans: what of a surface, defect included, a scanner sees from one direction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from plane_anomalib.generation.procedural.fields import Array
from plane_anomalib.generation.procedural.planning import unit_vector
from plane_anomalib.generation.procedural.surface import Patch, Surface, gradient

_GRAZING = 0.2
"""Smallest cosine between the normal and the view at which a scanner still measures: 78 degrees."""
_LIFT = 0.006
_TOUCH = 0.0008
_LEAST_STEP = 0.004
_MOST_STEPS = 80
_TRIES = 8
_TURN = 0.6


def seen(surface: Surface, patch: Patch | None, points: Array, toward: Array) -> NDArray[np.bool_]:
    """Which points face the scanner with nothing between.

    A ray goes from each point to the scanner, in steps as long as the distance to the surface
    allows.

    Args:
        surface: The nominal object.
        patch: A defect, or none.
        points: On the surface, `(N, 3)`.
        toward: Unit direction to the scanner, far away, `(3,)`.

    Returns:
        `(N,)`.
    """

    def solid(p: Array) -> Array:
        value = surface.field(p)
        if patch is not None:
            inside = ((p > patch.low) & (p < patch.high)).all(axis=1)
            value[inside] = patch.solid(p[inside]) / patch.steepness
        return value

    slope = gradient(solid, points)
    normal = slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-12)
    visible = normal @ toward > _GRAZING
    rays = np.flatnonzero(visible)
    at = points[rays] + _LIFT * (normal[rays] + toward)
    for _ in range(_MOST_STEPS):
        if not len(rays):
            break
        gap = solid(at)
        visible[rays[gap < _TOUCH]] = False
        at = at + np.maximum(gap, _LEAST_STEP)[:, None] * toward
        away = (((at > surface.high) & (toward > 0)) | ((at < surface.low) & (toward < 0))).any(1)
        goes_on = (gap >= _TOUCH) & ~away
        rays, at = rays[goes_on], at[goes_on]
    return visible


def view_of(surface: Surface, patch: Patch, generator: np.random.Generator) -> Array:
    """A direction from which most of a defect can be seen, `(3,)`.

    Args:
        surface: The nominal object.
        patch: The defect.
        generator: Generator.
    """
    # About 400 points tell where a defect is and which way it faces.
    points = surface.sample_patch(patch, 12_000.0, generator)
    points = points[patch.label(points)]
    if not len(points):
        return unit_vector(generator)
    facing = gradient(patch.solid, points)
    facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-12)
    mean = facing.mean(axis=0)
    best, most = unit_vector(generator), -1.0
    for _ in range(_TRIES):
        toward = mean + _TURN * unit_vector(generator)
        toward /= max(float(np.linalg.norm(toward)), 1e-12)
        share = float(seen(surface, patch, points, toward).mean())
        if share > most:
            best, most = toward, share
        if share > 0.8:
            break
    return best


def random_pose(extent: float, generator: np.random.Generator) -> Array:
    """A rigid motion with a uniform rotation, from the object's frame to a scan's, `(4, 4)`.

    Args:
        extent: The object's largest side, for the size of the shift.
        generator: Generator.
    """
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(random_state=generator).as_matrix()
    pose[:3, 3] = generator.normal(0.0, extent / 2, 3)
    return pose

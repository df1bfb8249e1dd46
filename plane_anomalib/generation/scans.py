"""What tells one scan of a good object from the next: the specimen, the scanner and its view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from plane_anomalib.generation.defects.corruption import random_direction
from plane_anomalib.generation.shapes.fields import Array
from plane_anomalib.generation.surfaces import ChangedRegion, Surface, gradient
from plane_anomalib.geometry.neighbours import knn
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.geometry.sampling import seen_from

_LEAST_SHARE = 0.2
"""No augmentation leaves fewer of the points than this."""
_RESAMPLE_NEIGHBOURS = 5
_LEAST_SEEN = 0.5
"""Share of a defect that a view of a cloud must show, or nobody could find it."""


def deform_specimen(points: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Warp the object by a few long waves of up to 2 % of its radius: specimens differ."""
    return points + _waves(points, generator.uniform(0.002, 0.02), 3, generator)


def another_specimen(
    points: FloatArray, deviation: float, generator: np.random.Generator
) -> FloatArray:
    """Warp a cloud as its category's specimens differ, in two of three draws.

    Args:
        points: (N, 3) in any units.
        deviation: Size of the smooth deviations among specimens, as a share of the longest side.
        generator: The only source of randomness.
    """
    size = float(np.ptp(points, 0).max())
    amplitude = generator.uniform(0, 1.5) * deviation
    if generator.random() < 1 / 3 or not size > 0:
        return points
    return points + np.float32(size) * _waves(
        points / np.float32(size), amplitude, 4, generator, frequency=5.0
    )


def nearly_registered(points: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Move a cloud by what a registration may leave: a third of a degree, 0.2 % of its size."""
    center = points.mean(0)
    size = float(np.ptp(points, 0).max())
    turn = Rotation.from_rotvec(generator.normal(0, np.deg2rad(0.2), 3)).as_matrix()
    moved = (points - center) @ turn.T.astype(np.float32) + center
    return (moved + size * generator.normal(0, 0.001, 3)).astype(np.float32)


def resample(points: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Move every point some way towards a near neighbour: another draw from the same surface.

    Training clouds are few and seen thousands of times; without this a model learns where their
    very points are, and takes those of any other scan for defects.
    """
    neighbours = knn(points, points, min(_RESAMPLE_NEIGHBOURS, len(points)))[1]
    rows = np.arange(len(points))
    chosen = neighbours[rows, generator.integers(0, neighbours.shape[1], len(points))]
    way = generator.random((len(points), 1), dtype=np.float32)
    moved = points + way * (points[chosen] - points)
    order = generator.permutation(len(points))
    keep = np.zeros(len(points), np.bool_)
    keep[order[: round(generator.uniform(0.7, 1) * len(points))]] = True
    return _enough(moved, keep)


def vary_density(points: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Drop up to two thirds of the points, more on one side than on the other."""
    wave = generator.normal(0, 1.5, 3)
    field = np.sin(points @ wave + generator.uniform(0, 2 * np.pi))
    chance = np.exp(generator.uniform(0, 0.6) * (field - 1)) * generator.uniform(0.6, 1.0)
    return _enough(points, generator.random(len(points)) < chance)


def view_from_one_side(points: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Keep what is seen from one random direction, by a depth buffer."""
    return _enough(points, seen_from(points, random_direction(generator)))


def seen_from_one_side(
    points: FloatArray, mask: NDArray[np.bool_], generator: np.random.Generator
) -> NDArray[np.bool_]:
    """What one direction shows; of several the first that shows the defect, else the best.

    Args:
        points: (N, 3) in any units.
        mask: (N,), true on the defect; it may be empty.
        generator: The only source of randomness.

    Returns:
        (N,), true where a point is seen.
    """
    best, most = np.ones(len(points), np.bool_), -1.0
    for _ in range(_TRIES):
        seen = seen_from(points, random_direction(generator))
        share = float(seen[mask].mean()) if mask.any() else 1.0
        if share > most:
            best, most = seen, share
        if share >= _LEAST_SEEN:
            break
    return best


def posed_anyhow(points: FloatArray, generator: np.random.Generator) -> FloatArray:
    """A cloud (N, 3) in a random pose, shifted by about half of its size."""
    pose = random_pose(float(np.ptp(points, 0).max()), generator)
    return np.asarray(points @ pose[:3, :3].T + pose[:3, 3], np.float32)


def jitter(points: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Add scanner noise of up to 0.4 % of the radius."""
    noise = generator.normal(0, generator.uniform(0, 0.004), points.shape)
    return points + noise.astype(np.float32)


def _waves(
    points: FloatArray,
    amplitude: float,
    count: int,
    generator: np.random.Generator,
    frequency: float = 2.0,
) -> FloatArray:
    """A displacement (N, 3) that is the sum of a few waves of random direction and length."""
    field = np.zeros_like(points)
    for _ in range(count):
        wave = generator.normal(0, frequency, 3)
        shift = generator.normal(size=3)
        shift *= amplitude / (np.sqrt(count) * np.linalg.norm(shift))
        swing = np.sin(points @ wave + generator.uniform(0, 2 * np.pi))
        field += (swing[:, None] * shift).astype(np.float32)
    return field


def _enough(points: FloatArray, keep: np.ndarray) -> FloatArray:
    return points[keep] if keep.sum() >= _LEAST_SHARE * len(points) else points


_WAVES = 3
_OUTLIER = 10.0


@dataclass(frozen=True)
class Deviation:
    """A smooth deviation from the nominal shape: a few waves about as long as the object.

    Attributes:
        waves: Wave vectors, `(K, 3)`.
        phases: `(K,)`.
        shifts: Displacement at a wave's crest, `(K, 3)`.
    """

    waves: Array
    phases: Array
    shifts: Array

    @classmethod
    def draw(cls, size: float, generator: np.random.Generator) -> Deviation:
        """One specimen's.

        Args:
            size: Root mean square of the displacement, in extents.
            generator: Generator.
        """
        waves = generator.normal(0.0, 4.0, (_WAVES, 3))
        shifts = generator.normal(size=(_WAVES, 3))
        # A wave's mean square is half that of its crest.
        shifts *= size * np.sqrt(2 / _WAVES) / np.linalg.norm(shifts, axis=1, keepdims=True)
        return cls(waves, generator.uniform(0.0, 2 * np.pi, _WAVES), shifts)

    @staticmethod
    def largest(size: float) -> float:
        """The farthest that a deviation of root mean square `size` can move a point."""
        return float(size * np.sqrt(2 * _WAVES))

    def __call__(self, points: Array) -> Array:
        """The specimen's points for nominal ones `(N, 3)`, in extents."""
        return points + np.sin(points @ self.waves.T + self.phases) @ self.shifts


def scanned(points: Array, noise: float, outliers: float, generator: np.random.Generator) -> Array:
    """Points `(N, 3)` as a scanner measures them.

    Args:
        points: In extents.
        noise: Standard deviation along each axis, in extents.
        outliers: Share of points whose noise is ten times as large.
        generator: Generator.
    """
    size = np.where(generator.random(len(points)) < outliers, _OUTLIER * noise, noise)
    return points + size[:, None] * generator.normal(size=points.shape)


_GRAZING = 0.2
"""Smallest cosine between the normal and the view at which a scanner still measures: 78 degrees."""
_LIFT = 0.006
_TOUCH = 0.0008
_LEAST_STEP = 0.004
_MOST_STEPS = 80
_TRIES = 8
_TURN = 0.6


def seen(
    surface: Surface, patch: ChangedRegion | None, points: Array, toward: Array
) -> NDArray[np.bool_]:
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


def view_of(surface: Surface, patch: ChangedRegion, generator: np.random.Generator) -> Array:
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
        return random_direction(generator)
    facing = gradient(patch.solid, points)
    facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-12)
    mean = facing.mean(axis=0)
    best, most = random_direction(generator), -1.0
    for _ in range(_TRIES):
        toward = mean + _TURN * random_direction(generator)
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

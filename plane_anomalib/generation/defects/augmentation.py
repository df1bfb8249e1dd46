"""What normal specimens and scanners do: variation that must not be taken for a defect.

Every function maps (N, 3) float32 points in the unit sphere to new points; none writes into its
input.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from plane_anomalib.geometry.neighbours import knn
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.geometry.sampling import seen_from

_LEAST_SHARE = 0.2
"""No augmentation leaves fewer of the points than this."""
_RESAMPLE_NEIGHBOURS = 5


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
    direction = generator.normal(size=3)
    direction /= np.linalg.norm(direction)
    return _enough(points, seen_from(points, direction))


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

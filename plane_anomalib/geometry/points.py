"""What a point array is, and the two frames that every cloud has: unit sphere and own axes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plane_anomalib.core.errors import ConfigurationError

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


def as_points(points: ArrayLike, *, name: str = "points", minimum: int = 1) -> FloatArray:
    """Check and convert to a contiguous float32 array of points.

    Args:
        points: Anything numpy reads as (N, 3).
        name: How the argument is called in the error message.
        minimum: Least number of points that makes sense for the caller.

    Returns:
        (N, 3) float32, C-contiguous; the input itself where it already is that.

    Raises:
        ConfigurationError: If the shape is not (N, 3) or there are fewer than `minimum` points.
    """
    array = np.ascontiguousarray(points, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] != 3:
        msg = f"{name} must have the shape (N, 3), not {array.shape}: give x, y and z per point."
        raise ConfigurationError(msg)
    if len(array) < minimum:
        msg = f"{name} has {len(array)} points; at least {minimum} needed: give a larger cloud."
        raise ConfigurationError(msg)
    return array


class UnitSphere(NamedTuple):
    """A normalised cloud and the way back: `points * scale + center`.

    Attributes:
        points: (N, 3) float32 within the unit sphere.
        center: (3,) float64 centroid of the original points.
        scale: Largest distance from the centroid, in original units; 1.0 where all coincide.
    """

    points: FloatArray
    center: NDArray[np.float64]
    scale: float


def unit_sphere(points: ArrayLike) -> UnitSphere:
    """Center a cloud on its centroid and scale it into the unit sphere.

    Args:
        points: (N, 3), N >= 1.

    Returns:
        Normalised points, center and scale.

    Raises:
        ConfigurationError: If the cloud is empty or not (N, 3).
    """
    cloud = as_points(points)
    center = cloud.mean(0, dtype=np.float64)
    centered = cloud - center
    radius = float(np.sqrt(np.einsum("ij,ij->i", centered, centered).max()))
    scale = radius if radius > 0 else 1.0
    return UnitSphere((centered / scale).astype(np.float32), center, scale)


def principal_frame(points: ArrayLike) -> FloatArray:
    """The object's own axes: principal directions, each towards its longer tail.

    Rotates with the cloud. Where two spreads are alike (a bowl) or a side is like its opposite,
    the frame is one of several that serve equally, which symmetric objects do not notice.

    Args:
        points: (N, 3).

    Returns:
        (3, 3) float32, one axis per column, the widest first; not always right-handed.
    """
    cloud = as_points(points).astype(np.float64)
    centered = cloud - cloud.mean(0)
    _, vectors = np.linalg.eigh(centered.T @ centered)
    axes = vectors[:, ::-1]
    tails = np.mean((centered @ axes) ** 3, 0)
    signs = np.where(tails < 0, -1.0, 1.0)
    return np.asarray(axes * signs, np.float32)

"""Into the unit sphere and back."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plane_anomalib.geometry.validation import FloatArray, as_points


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
    centerd = cloud - center
    radius = float(np.sqrt(np.einsum("ij,ij->i", centerd, centerd).max()))
    scale = radius if radius > 0 else 1.0
    return UnitSphere((centerd / scale).astype(np.float32), center, scale)

"""One place that says what a point array is."""

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

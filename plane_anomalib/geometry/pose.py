"""Which way an object lies."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from plane_anomalib.geometry.validation import FloatArray, as_points


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
    centerd = cloud - cloud.mean(0)
    _, vectors = np.linalg.eigh(centerd.T @ centerd)
    axes = vectors[:, ::-1]
    tails = np.mean((centerd @ axes) ** 3, 0)
    signs = np.where(tails < 0, -1.0, 1.0)
    return np.asarray(axes * signs, np.float32)

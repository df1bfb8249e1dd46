"""Where a point is on its object, whatever way the object lies."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from plane_anomalib.geometry.validation import FloatArray, as_points

_WAVES = 1.5 * 2.0 ** np.arange(4, dtype=np.float32)
_AXES = ("major", "middle", "minor")


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
    centred = cloud - cloud.mean(0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1]
    tails = np.mean((centred @ axes) ** 3, 0)
    signs = np.where(tails < 0, -1.0, 1.0)
    return np.asarray(axes * signs, np.float32)


def pose_channels() -> tuple[str, ...]:
    """Names of the columns of `pose_features`, in order."""
    waves = [f"{axis}_{wave}{i}" for axis in _AXES for i in range(len(_WAVES)) for wave in "sc"]
    return (*_AXES, *waves)


def pose_features(points: ArrayLike, queries: ArrayLike) -> FloatArray:
    """Coordinates in the principal frame with sines and cosines of several wavelengths.

    Args:
        points: (N, 3), the whole cloud in its unit sphere.
        queries: (Q, 3) in the same frame.

    Returns:
        (Q, C) float32, columns named by `pose_channels`.
    """
    own = as_points(queries, name="queries", minimum=0) @ principal_frame(points)
    phases = own[:, :, None] * _WAVES
    waves = np.stack([np.sin(phases), np.cos(phases)], -1).reshape(len(own), -1)
    return np.concatenate([own, waves], 1).astype(np.float32)

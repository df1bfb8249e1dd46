"""Where a complete scan should have points and has none: holes and broken parts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.points import FloatArray, IntArray
from plane_anomalib.geometry.sampling import typical_spacing

_ORDER = 3
"""The gap is the distance to the third nearest point: steadier than that to the nearest."""
_SPREAD = 16
_SMOOTH = 12


def squared_gaps(places: FloatArray, cloud: FloatArray) -> tuple[FloatArray, IntArray]:
    """Squared distance to the third nearest point, times the number of points.

    Args:
        places: (Q, 3) where to look.
        cloud: (N, 3) the scan.

    Returns:
        (Q,) float32, independent of how many points a scan has in all, and (Q,) int64, the nearest
        point of each place.
    """
    distances, indices = NeighbourIndex(cloud).query(places, min(_ORDER, len(cloud)))
    return np.square(distances[:, -1]) * len(cloud), indices[:, 0]


def usual_gaps(places: FloatArray, gaps: list[FloatArray], floor: float) -> FloatArray:
    """Mean squared gap at each place in normal scans, smoothed over neighbouring places.

    Args:
        places: (Q, 3).
        gaps: (Q,) per normal scan, NaN where the place was taken from that very scan.
        floor: Least value.

    Returns:
        (Q,) float32.
    """
    stacked = np.stack(gaps)
    known = ~np.isnan(stacked)
    mean = np.where(known, stacked, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    around = NeighbourIndex(places).query(places, min(_SMOOTH, len(places)))[1]
    return np.maximum(mean[around].mean(1), floor).astype(np.float32)


def gap_significance(gaps: FloatArray, usual: FloatArray) -> NDArray[np.float32]:
    """How unlikely a gap is, as a number of standard deviations.

    The area around a place that holds three points of a random scan has a gamma distribution of
    shape three. The probability p of so large a gap is given as sqrt(-2 log p), the deviation of
    about the same probability of a normal variable, so that it can be set beside a residual.

    Args:
        gaps: (Q,) squared gaps.
        usual: (Q,) their normal means.

    Returns:
        (Q,) float32.
    """
    area = _ORDER * gaps.astype(np.float64) / usual
    surprise = area - np.log1p(area + area**2 / 2.0)
    return np.sqrt(2.0 * np.maximum(surprise, 0.0)).astype(np.float32)


def spread_to_points(
    significance: FloatArray, nearest: IntArray, neighbours: IntArray
) -> FloatArray:
    """Hand gaps to the points at their rim.

    Args:
        significance: (Q,) of each place.
        nearest: (Q,) its nearest point.
        neighbours: (N, K) neighbours of each point, the point itself first.

    Returns:
        (N,) float32, the largest significance that a point or one of its neighbours was handed.
    """
    handed = np.zeros(len(neighbours), np.float32)
    np.maximum.at(handed, nearest, significance)
    return handed[neighbours[:, :_SPREAD]].max(1)


def gap_floor(cloud: FloatArray) -> float:
    """A squared gap far below the usual one, positive even where all points coincide."""
    return max(0.01 * typical_spacing(cloud) ** 2 * len(cloud), 1e-12)

"""Bins of the angles between the normals of pairs of points, for point feature histograms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.geometry.neighbour_sets import SetArray
from plane_anomalib.geometry.validation import IntArray

Array = NDArray[np.float64]
Angles = tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]
Mask = NDArray[np.bool_]

_BINS = 11
_MARGIN = 2e-5
"""Bins from an edge, over the squared sine, within which float32 is not trusted; its errors stay
below a tenth of this."""
_CLOSE = 1e-6
"""Cosines that differ by less may be in either order in float32."""
_STEEP = 0.998
"""Beyond this cosine to the frame's middle axis the angle about it is poorly determined."""

_ALONG = 1e-4
"""Squared sine below which the direction to the neighbour and the normal are too near parallel."""


class PairAngles:
    """The three angles of a Darboux frame between two points with normals, as bins.

    Computed in float32, and again in float64 where that could be in doubt: the bins are those of
    float64 in half the time.

    Args:
        axes: (6, N) float64 positions, exact in float32, and unit normals.
    """

    BINS = _BINS

    def __init__(self, axes: Array) -> None:
        self._exact = axes
        # At most 1, by a power of two, so that no square under- or overflows.
        exponent = np.frexp(np.abs(axes[:3]).max())[1]
        self._axes = axes.astype(np.float32)
        self._axes[:3] = np.ldexp(self._axes[:3], -exponent)

    def bins(self, rows: IntArray, sets: SetArray) -> list[NDArray[np.int32]]:
        """Where the three angles of each pair fall among 11 bins.

        Args:
            rows: (M,) where the pairs begin.
            sets: (M, k) where they end.

        Returns:
            Three (M, k) int32 arrays in 0..10; the middle for equal points.
        """
        ends = sets.astype(np.int64)
        places, doubtful = _places(
            [axis.take(rows)[:, None] for axis in self._axes],
            [axis.take(ends, mode="clip") for axis in self._axes],
        )
        bins = [values.astype(np.int32) for values in places]
        again = np.flatnonzero(doubtful)
        if len(again):
            starts, ends = rows.take(again // sets.shape[1]), ends.reshape(-1).take(again)
            places, _ = _places(
                [axis.take(starts) for axis in self._exact],
                [axis.take(ends) for axis in self._exact],
            )
            for found, values in zip(bins, places, strict=True):
                found.reshape(-1)[again] = values.astype(np.int32)
        return bins


def _places(
    start: list[NDArray[np.floating]], end: list[NDArray[np.floating]]
) -> tuple[Angles, Mask]:
    """The angles in bins, 0..11, 11 excluded, and where float32 would leave them in doubt.

    With unit normals the angles need little: d is the unit vector to the neighbour, a and b its
    cosines with the two normals, c theirs. The frame stands at the point whose normal is nearer to
    d. The arrays of the ends are overwritten.
    """
    x, y, z, nx, ny, nz = start
    dx, dy, dz, mx, my, mz = end
    dx -= x
    dy -= y
    dz -= z
    length = np.sqrt(dx * dx + dy * dy + dz * dz)
    a = dx * nx + dy * ny + dz * nz
    b = dx * mx + dy * my + dz * mz
    c = mx * nx + my * ny + mz * nz
    side = (dy * nz - dz * ny) * mx + (dz * nx - dx * nz) * my + (dx * ny - dy * nx) * mz
    with np.errstate(divide="ignore", invalid="ignore"):
        a /= length
        b /= length
        swapped = np.abs(a) < np.abs(b)
        # Either order gives the same where the cosines are opposite, or both next to nothing.
        doubtful = (np.abs(a - b) < _CLOSE) & (np.abs(a) > 10 * _CLOSE)
        cosine = np.where(swapped, -b, a)
        squared = 1 - np.minimum(cosine * cosine, 1)
        sine = np.sqrt(squared)
        across = np.where(swapped, b * c - a, b - a * c)
        across /= sine
        length *= sine
        side /= length
        margin = _MARGIN / squared
        doubtful |= (np.abs(side) > _STEEP) | (squared < _ALONG)
        angles = (np.arctan2(across, c), side, cosine)
        for values, scale in zip(angles, (_BINS / (2 * np.pi), _BINS / 2, _BINS / 2), strict=True):
            values *= scale
            values += _BINS / 2
            doubtful |= np.abs(values - np.rint(values)) < margin
            np.minimum(values, _BINS - 0.5, out=values)
    empty = np.flatnonzero(~(length > 0))  # not a number where two points are equal
    for values in angles:
        values.reshape(-1)[empty] = _BINS / 2
    return angles, doubtful

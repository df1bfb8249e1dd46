"""Clouds as the detector works on them: without repeated points, in an order of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.geometry.neighbours import interpolate_to_points
from plane_anomalib.geometry.points import FloatArray, IntArray, as_points
from plane_anomalib.geometry.sampling import shuffled_order


@dataclass(frozen=True)
class WorkingCloud:
    """The distinct points of a cloud in an order that does not depend on the file, at most so many.

    Attributes:
        points: (M, 3) float32; the first n are a random subsample of the cloud for any n.
        cloud: (N, 3) float32 as given.
        place: (N,) int64 index into `points` of each given point, -1 where it was left out.
    """

    points: FloatArray
    cloud: FloatArray
    place: IntArray

    @classmethod
    def of(cls, cloud: FloatArray, most: int, seed: int) -> WorkingCloud:
        """Order a cloud and leave out what repeats or exceeds the bound.

        Args:
            cloud: (N, 3), N >= 1.
            most: Largest number of points to work on.
            seed: Of the order.

        Returns:
            The cloud.
        """
        given = as_points(cloud)
        order = shuffled_order(given, seed)
        ordered = given[order]
        # Equal points have equal hashes, hence are neighbours in this order.
        fresh = np.ones(len(given), np.bool_)
        fresh[1:] = np.any(ordered[1:] != ordered[:-1], axis=1)
        number = np.cumsum(fresh) - 1
        place = np.empty(len(given), np.int64)
        place[order] = np.where(number < most, number, -1)
        return cls(ordered[fresh][:most], given, place)

    def to_given(self, scores: FloatArray) -> NDArray[np.float32]:
        """Bring scores back to every point as given; those left out are interpolated.

        Args:
            scores: (M,).

        Returns:
            (N,) float32.
        """
        result = np.asarray(scores[np.maximum(self.place, 0)], np.float32)
        left_out = self.place < 0
        if left_out.any():
            result[left_out] = interpolate_to_points(self.points, scores, self.cloud[left_out])
        return result

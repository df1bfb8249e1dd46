"""A scan as the detector works on it: in an order of its own, and laid onto the template."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.geometry.neighbours import NeighbourIndex, interpolate_to_points
from plane_anomalib.geometry.points import FloatArray, IntArray, as_points
from plane_anomalib.geometry.registration import RegistrationTarget, RigidTransform
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


_IN_PLACE = 0.008
"""Mean distance (capped at 3 %) up to which a scan lies on the template as it is."""
_CLEARLY_BETTER = 0.6
_PROBED = 1_500
_CAP = 0.03
_COMPLETE = 0.85


@dataclass(frozen=True)
class Placement:
    """Where a scan lies.

    Attributes:
        transform: From its frame to the template's.
        complete: Whether it shows all sides of the object.
        moved: Whether its pose had to be searched for.
    """

    transform: RigidTransform
    complete: bool
    moved: bool


def place(
    points: FloatArray, target: RegistrationTarget, *, search: bool, in_place: bool
) -> Placement:
    """Find how a scan lies, disturbing one that lies right as little as possible.

    Args:
        points: (N, 3) scan in random order.
        target: The template.
        search: Whether its pose may be searched for at all.
        in_place: Whether it may lie in the template's frame already.

    Returns:
        Its placement.
    """
    resting = _distance(points, target, RigidTransform.identity())
    if not search or (in_place and resting < _IN_PLACE):
        transform = RigidTransform.identity()
        if search:
            settled = target.refine(points, transform)
            if _distance(points, target, settled.transform) < _CLEARLY_BETTER * resting:
                transform = settled.transform
        return Placement(transform, _covers(points, target, transform), moved=False)
    found = target.register(points)
    return Placement(found.transform, found.complete, moved=True)


def _distance(points: FloatArray, target: RegistrationTarget, transform: RigidTransform) -> float:
    surface = target.surface
    probed = surface.to_unit(transform.apply(points[:_PROBED])).astype(np.float64)
    return float(np.minimum(surface.distances(probed), _CAP).mean())


def _covers(points: FloatArray, target: RegistrationTarget, transform: RigidTransform) -> bool:
    surface = target.surface
    index = NeighbourIndex(surface.to_unit(transform.apply(points[:6_000])))
    gaps = index.query(surface.view_points, 1)[0]
    return float(np.mean(gaps < 0.05)) >= _COMPLETE

"""Laying a scan onto the template: leave it, settle it or look for its pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.geometry.registration import RegistrationTarget, RigidTransform

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

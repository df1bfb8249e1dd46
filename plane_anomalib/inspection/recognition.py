"""What scans tell of themselves: their unit of length, their pose, whether they show one side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.geometry.sampling import most_seen, random_subsample, typical_spacing

_UNITS = ((5.0, 3_000.0, "millimetres"), (0.005, 0.5, "metres"))
"""Longest sides of parts that people scan; what lies between may be either, or inches."""

_ONE_SIDED_FROM = {1_000: 0.755, 2_000: 0.72, 4_000: 0.675, 8_000: 0.645}
"""Share of the points that one direction shows, by the number of points: what lies in front hides
less where it is sparse. Among clouds made as Real3D-AD's and Anomaly-ShapeNet's are, whole objects
show up to 0.59 of 8,000 points and 0.70 of 2,000, single views at least 0.69 and 0.74; of 1,000
points the two overlap where walls are thin."""

_PROBED = 2_000
_TREE = 20_000
_CAP = 0.03
"""Distances beyond this share of the longest side count as this much: a defect outvotes nothing."""
_ALIKE = 0.004
"""Mean distance, as a share of the longest side, up to which scans lie alike: specimens in a
fixture reach 0.001, some five degrees of turning go beyond, any other pose brings 0.013 or more."""


def unit_of(extent: float) -> str:
    """Guess the unit of length of a scanned part.

    Args:
        extent: Its longest side.

    Returns:
        In words; "" where it cannot be told.
    """
    return next((name for low, high, name in _UNITS if low <= extent <= high), "")


def is_one_sided(points: FloatArray) -> bool:
    """Whether a cloud is what a scanner saw from one side, rather than a whole object.

    Plates and vessels with walls thinner than a few times the distance of their points look
    one-sided: their two faces cannot be told apart.

    Args:
        points: `(N, 3)` in any units.
    """
    numbers, limits = np.log(list(_ONE_SIDED_FROM)), list(_ONE_SIDED_FROM.values())
    return most_seen(points) >= float(np.interp(np.log(len(points)), numbers, limits))


def lie_alike(clouds: Sequence[FloatArray], *, seed: int = 0) -> bool:
    """Whether scans of one part overlap as they lie, so that a fixture must have held them.

    Compared with the first: the mean distance to its points, less what the distance of its own
    points from each other brings. A part that looks the same turned about an axis lies alike in
    every such pose.

    Args:
        clouds: `(N_i, 3)`; one alone lies alike.
        seed: Of the points that are looked at.
    """
    generator = np.random.default_rng(seed)
    thinned = [_drawn(cloud, _TREE, generator) for cloud in clouds]
    extent = float(np.ptp(thinned[0].astype(np.float64), 0).max())
    if len(clouds) < 2 or not extent > 0:
        return True
    index = NeighbourIndex(thinned[0])
    free = typical_spacing(thinned[0]) / extent
    for cloud in thinned[1:]:
        probed = _drawn(cloud, _PROBED, generator)
        distances = index.query(probed, 1)[0][:, 0].astype(np.float64) / extent
        if float(np.minimum(distances, _CAP).mean()) - free > _ALIKE:
            return False
    return True


def _drawn(cloud: FloatArray, num: int, generator: np.random.Generator) -> FloatArray:
    return cloud[random_subsample(len(cloud), min(num, len(cloud)), generator)]

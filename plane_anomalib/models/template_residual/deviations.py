"""A scan laid onto the template, and how far it is there from what normal specimens show."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.geometry.neighbours import NeighbourIndex, interpolate_to_points
from plane_anomalib.geometry.points import FloatArray, IntArray, as_points
from plane_anomalib.geometry.registration import RegistrationTarget, RigidTransform
from plane_anomalib.geometry.sampling import shuffled_order
from plane_anomalib.models.template_residual.template import (
    Learnt,
    Measurement,
    gap_significance,
    spread_to_points,
    squared_gaps,
)

_FEW_SPECIMENS = 4.0
_SEEN = 9.0
"""A place was seen where the gap is less than three times as wide as usual."""
_ROUNDS = 12
_LEAST_SHARE = 1e-3


@dataclass(frozen=True)
class Deviations:
    """How far each point of a scan is from normal, in standard deviations of normal specimens.

    Attributes:
        raw: (N, S) signed, at each scale, the specimen as it is.
        free: (N, S) signed, after its low-frequency deviation was removed.
        missing: (N,) what the gaps beside the point amount to; zero where none were looked for.
        total: (N,) all of it as one number, the score of TemplateResidual.
        seen: Share of the specimens' surface that the scan shows.
        spread: (N, 2, S) one standard deviation, raw and free, as a share of the longest side.
        noise: Typical noise of the templates, as a share of the longest side.
        measurement: The residuals themselves.
    """

    raw: FloatArray
    free: FloatArray
    missing: FloatArray
    total: FloatArray
    seen: float
    spread: FloatArray
    noise: float
    measurement: Measurement


def measure_deviations(
    learnt: Learnt, points: FloatArray, specimens: int, *, gaps: bool, partial: bool = False
) -> Deviations:
    """Measure a scan that lies on the template.

    Args:
        learnt: The template and the spread of normal specimens.
        points: (N, 3) in random order, in the template's frame of unit size.
        specimens: How many specimens the template was learnt from.
        gaps: Whether what the scan does not show is missing.
        partial: Whether it shows clearly less than the specimens do.

    Returns:
        The deviations, in the order of the points.
    """
    measured = learnt.template.measure(points)
    spread = learnt.spread[measured.nearest]
    # Few specimens understate how much the next one deviates.
    trust = math.sqrt(specimens / (specimens + _FEW_SPECIMENS))
    raw, free = trust * measured.raw / spread[:, 0], measured.free / spread[:, 1]
    largest = np.abs(raw).max(1)
    if learnt.template.field is not None:
        largest = np.maximum(np.abs(free).max(1), largest)
    missing = np.zeros_like(largest)
    squared, rim = squared_gaps(learnt.places, measured.points)
    if partial:
        squared = squared / _seen(squared, learnt.usual)
    significance = gap_significance(squared, learnt.usual)
    if gaps:
        missing = spread_to_points(significance, rim, measured.neighbours)
    total = np.sqrt(np.square(largest) + np.square(missing))
    noise = learnt.template.sheets.noise
    seen = float(np.mean(squared < _SEEN * learnt.usual))
    return Deviations(raw, free, missing, total, seen, spread, noise, measured)


def _seen(squared: FloatArray, usual: FloatArray) -> float:
    """The share of the places that a partial scan shows.

    Gaps go by how many points a whole scan would have, which follows from that share.
    """
    share = 1.0
    for _ in range(_ROUNDS):
        share = max(float(np.mean(squared < share * _SEEN * usual)), _LEAST_SHARE)
    return share


_SURROUNDINGS = 2
_STRIDE = 4
"""Of the neighbours' neighbours every fourth is enough."""
_LEAST_NOISE = 1e-6


def num_context_channels(scales: int) -> int:
    """How many channels `context_channels` gives for residuals at so many scales."""
    return 2 + 2 * scales + 6 + 4 * _SURROUNDINGS + 5


def context_channels(deviations: Deviations) -> FloatArray:
    """Deviations of each point, of its surroundings and of the whole specimen.

    Deviations go through asinh: linear about zero, logarithmic where they are large.

    Args:
        deviations: Of one scan, N points at S scales.

    Returns:
        (N, `num_context_channels(S)`) float32: total and missing; sizes of the free and raw
        deviations at each scale; both with their sign at the middle scale; logarithms of their
        spread there, of the free one's at the finest scale and of the noise; among its neighbours
        and again among theirs the mean size and the size of the mean of the free deviation, the
        largest total and the largest gap (a defect is many points that deviate together); of the
        whole specimen the medians of the free deviation at the finest and the coarsest scale, of
        the raw one at the coarsest and of the gaps, and the 90th percentile of the free one at
        the middle scale.
    """
    d = deviations
    middle = d.free.shape[1] // 2
    spread = d.spread
    noise = np.full(len(d.total), d.noise + _LEAST_NOISE)
    own = [d.total, d.missing, *np.abs(d.free).T, *np.abs(d.raw).T]
    own += [d.free[:, middle], d.raw[:, middle]]
    spreads = [spread[:, 0, middle], spread[:, 1, middle], spread[:, 1, 0], noise]
    whole = [np.median(np.abs(z)) for z in (d.free[:, 0], d.free[:, -1], d.raw[:, -1])]
    whole += [np.quantile(np.abs(d.free[:, middle]), 0.9), np.median(d.missing)]
    columns = [np.arcsinh(each) for each in own]
    columns += [np.log(each) for each in spreads]
    columns += [np.arcsinh(each) for each in _surroundings(d, middle)]
    columns += [np.full(len(d.total), np.arcsinh(each)) for each in whole]
    return np.stack(columns, 1).astype(np.float32)


def total_deviation(channels: FloatArray) -> FloatArray:
    """Read back the total deviation, in standard deviations of normal specimens.

    Args:
        channels: (N, C) of `context_channels`.

    Returns:
        (N,) float32.
    """
    return np.sinh(channels[:, 0])


def _surroundings(deviations: Deviations, scale: int) -> list[FloatArray]:
    """Pooled over the neighbours, then over their neighbours: two sizes from one search."""
    neighbours = deviations.measurement.neighbours
    pooled = [deviations.free[:, scale], deviations.total, deviations.missing]
    pooled.insert(0, np.abs(pooled[0]))
    found = []
    for stride in (1, _STRIDE):
        around = neighbours[:, ::stride]
        size, signed, total, missing = pooled
        pooled = [
            size[around].mean(1),
            signed[around].mean(1),
            total[around].max(1),
            missing[around].max(1),
        ]
        found += [pooled[0], np.abs(pooled[1]), *pooled[2:]]
    return found


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

"""Which points of a judged cloud are anomalous, as connected parts with place, size and height."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.geometry.points import FloatArray, even_directions
from plane_anomalib.geometry.sampling import typical_spacing
from plane_anomalib.metrics.aupro import find_regions


@dataclass(frozen=True, eq=False)
class Heights:
    """What a good scan that a cloud was laid beside says of heights.

    Attributes:
        heights: `(N,) float32` signed distance of each point of the cloud from the good scan's
            surface: positive outside of the material, or towards where it was seen from.
        usual: Median of their sizes.
        stands: `(M,) float32` how far each point of the good scan stands out of the cloud's
            surface, where that is what the cloud lacks; nan where nothing can be told.
        beside: `(M,) int64` the point of the cloud that each is nearest to.
        signed: Whether it is known which way the surface looks.
        assumed: Whether that is an assumption: that it was seen from where z is larger.
    """

    heights: NDArray[np.float32]
    usual: float
    stands: NDArray[np.float32]
    beside: NDArray[np.int64]
    signed: bool = True
    assumed: bool = False


@dataclass(frozen=True)
class Region:
    """A connected anomalous part of a cloud.

    Attributes:
        center: `(x, y, z)` mean of its points, in the object's units.
        size: `(x, y, z)` extents along the axes, in the object's units.
        diameter: Largest distance between two of its points, roughly, in the object's units.
        num_points: How many points it has.
        share: Its share of the cloud's points.
        peak: Its highest point score.
        mean: Its mean point score.
        height: Signed distance from the nearest good scan at the place where it is largest, in the
            object's units: positive where material was added, negative where it is missing;
            `None` where that cannot be told (noise, or a thin wall that moved as a whole).

    Examples:
        >>> region = detector(cloud).regions[0]
        >>> len(region.center), region.diameter < 12, region.share < 0.5
        (3, True, True)
    """

    center: tuple[float, float, float]
    size: tuple[float, float, float]
    diameter: float
    num_points: int
    share: float
    peak: float
    mean: float
    height: float | None = None


LEAST_POINTS = 5
"""Fewer points above the threshold, alone among others below it, are noise and no region."""
_RADIUS = 4.0
"""Points hang together over so many spacings of the cloud."""
_PEAK_SHARE = 0.05
_FOOT = 0.15
"""A region ends where scores fall below this share of its peak."""
_ABOVE_USUAL = 1.3
"""One in a hundred good points lies above the usual scores, and these hang together: a region that
grew down to them would wander off."""
_LEVELS = 12
_HEIGHT_SHARE = 0.05
_HEIGHT_TELLS = 3.0
"""A region is called higher or lower only beyond so many usual distances,"""
_ONE_SIGN = 0.35
"""and only if nothing in it moved the other way by more than this share of it: a dent in a thin
wall is material missing on one side and added on the other."""
_DIRECTIONS = 100


def anomalous_regions(
    points: FloatArray,
    scores: NDArray[np.float32],
    threshold: float,
    usual: float | None = None,
) -> tuple[tuple[Region, ...], NDArray[np.int32]]:
    """Split what lies above a threshold into connected parts.

    Where the usual scores of good points are known, a part reaches down to a share of its own
    peak, but not below those: so that its size does not depend on how deep a defect is.

    Args:
        points: `(N, 3) float32`.
        scores: `(N,) float32`.
        threshold: A score equal to it is anomalous.
        usual: What nearly all points of good scans stay below.

    Returns:
        The regions, the one with most points first, and `(N,) int32` the region of each point, -1
        outside of all.
    """
    region_of_point = np.full(len(points), -1, np.int32)
    above = np.flatnonzero(scores >= threshold)
    if len(above) < LEAST_POINTS:
        return (), region_of_point
    radius = _RADIUS * typical_spacing(points)
    parts = _connected(points, above, radius)
    if usual is not None:
        parts = _grown(points, scores, parts, usual, radius)
    regions = []
    for number, members in enumerate(sorted(parts, key=len, reverse=True)):
        region_of_point[members] = number
        regions.append(_region(points[members], scores[members], len(points)))
    return tuple(regions), region_of_point


def counted_anew(
    regions: Sequence[Region], region_of_point: NDArray[np.int32]
) -> tuple[Region, ...]:
    """Regions with the numbers and shares of the points of a whole cloud.

    Args:
        regions: Found among some of its points.
        region_of_point: `(N,) int32` of all of them.
    """
    numbers = np.bincount(region_of_point[region_of_point >= 0], minlength=len(regions)).tolist()
    return tuple(
        replace(region, num_points=number, share=number / len(region_of_point))
        for region, number in zip(regions, numbers, strict=True)
    )


def region_level(
    points: FloatArray, scores: NDArray[np.float32], threshold: float, usual: float
) -> float | None:
    """A lower threshold by which an anomalous object has a region at all.

    Args:
        points: `(N, 3) float32`.
        scores: `(N,) float32`, of which no part is above the threshold.
        threshold: Of points.
        usual: What nearly all points of good scans stay below.

    Returns:
        The highest of some levels between the two with a region; `None` if there is none.
    """
    radius = _RADIUS * typical_spacing(points)
    highest = min(threshold, float(np.sort(scores)[-min(LEAST_POINTS, len(scores))]))
    for level in np.linspace(highest, usual, _LEVELS):
        above = np.flatnonzero(scores >= level)
        if len(above) >= LEAST_POINTS and _connected(points, above, radius):
            return float(level)
    return None


def _connected(
    points: FloatArray, chosen: NDArray[np.int64], radius: float
) -> list[NDArray[np.int64]]:
    """Connected parts of some points, by their indices; without specks of a few points."""
    if not radius > 0:
        return [chosen]
    labels = find_regions(points[chosen], radius=radius)
    order = np.argsort(labels, kind="stable")
    parts = np.split(chosen[order], np.cumsum(np.bincount(labels))[:-1])
    return [part for part in parts if len(part) >= LEAST_POINTS]


def _grown(
    points: FloatArray,
    scores: NDArray[np.float32],
    seeds: list[NDArray[np.int64]],
    usual: float,
    radius: float,
) -> list[NDArray[np.int64]]:
    """Seeds with what hangs together with them above a share of their peak, the highest first."""
    free = np.ones(len(points), np.bool_)
    grown = []
    for seed in sorted(seeds, key=lambda part: -float(scores[part].max())):
        if not free[seed].all():
            continue
        few = max(LEAST_POINTS, round(_PEAK_SHARE * len(seed)))
        level = max(_ABOVE_USUAL * usual, _FOOT * float(np.sort(scores[seed])[-few:].mean()))
        around = _connected(points, np.flatnonzero(free & (scores >= level)), radius)
        top = seed[np.argmax(scores[seed])]
        part = next((each for each in around if top in each), seed)
        free[part] = False
        grown.append(part)
    return grown


def with_heights(
    regions: Sequence[Region], region_of_point: NDArray[np.int32], against: Heights
) -> tuple[Region, ...]:
    """Say how far each region stands out, where it can be told from noise.

    Args:
        regions: From `anomalous_regions`, with `region_of_point`.
        region_of_point: `(N,) int32`.
        against: What the nearest good scan says of heights.
    """
    if not against.signed:
        return tuple(regions)
    region_of_good = region_of_point[against.beside]
    told = []
    for number, region in enumerate(regions):
        inside = against.heights[region_of_point == number].astype(np.float64)
        raised, sunken = _highest(inside), _highest(-inside)
        stands = against.stands[region_of_good == number].astype(np.float64)
        stands = stands[np.isfinite(stands)]
        if len(stands) >= LEAST_POINTS:
            sunken = max(sunken, _highest(stands))
        size = max(raised, sunken)
        clear = size > _HEIGHT_TELLS * against.usual and min(raised, sunken) < _ONE_SIGN * size
        height = raised if raised > sunken else -sunken
        told.append(replace(region, height=height if clear else None))
    return tuple(told)


def _highest(heights: NDArray[np.float64]) -> float:
    """Mean of the largest: one stray point is no height."""
    few = max(3, round(_HEIGHT_SHARE * len(heights)))
    return float(np.sort(heights)[-few:].mean())


def _region(points: FloatArray, scores: NDArray[np.float32], total: int) -> Region:
    exact = points.astype(np.float64)
    center, size = exact.mean(0), np.ptp(exact, axis=0)
    return Region(
        center=_triple(center),
        size=_triple(size),
        diameter=_diameter(exact),
        num_points=len(points),
        share=len(points) / total,
        peak=float(scores.max()),
        mean=float(scores.mean(dtype=np.float64)),
    )


def _diameter(points: NDArray[np.float64]) -> float:
    """The longest way between points that are outermost in one of many directions."""
    along = points @ even_directions(_DIRECTIONS).T
    ends = points[np.unique([along.argmin(0), along.argmax(0)])]
    return float(np.linalg.norm(ends[:, None] - ends, axis=2).max())


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z

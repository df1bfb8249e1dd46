"""Which points of a judged cloud are anomalous, as connected parts with place, size and height."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.geometry.points import FloatArray, even_directions
from plane_anomalib.metrics.aupro import find_regions


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
_HEIGHT_SHARE = 0.05
_HEIGHT_TELLS = 3.0
"""A region is called higher or lower only beyond so many usual distances,"""
_ONE_SIGN = 0.35
"""and only if nothing in it moved the other way by more than this share of it: a dent in a thin
wall is material missing on one side and added on the other."""
_DIRECTIONS = 100


def anomalous_regions(
    points: FloatArray, scores: NDArray[np.float32], threshold: float
) -> tuple[tuple[Region, ...], NDArray[np.int32]]:
    """Split what lies above a threshold into connected parts.

    Args:
        points: `(N, 3) float32`.
        scores: `(N,) float32`.
        threshold: A score equal to it is anomalous.

    Returns:
        The regions, the one with most points first, and `(N,) int32` the region of each point, -1
        outside of all.
    """
    region_of_point = np.full(len(points), -1, np.int32)
    above = np.flatnonzero(scores >= threshold)
    if len(above) < LEAST_POINTS:
        return (), region_of_point
    labels = find_regions(points[above])
    sizes = np.bincount(labels)
    order = [each for each in np.argsort(-sizes, kind="stable") if sizes[each] >= LEAST_POINTS]
    regions = []
    for number, label in enumerate(order):
        members = above[labels == label]
        region_of_point[members] = number
        regions.append(_region(points[members], scores[members], len(points)))
    return tuple(regions), region_of_point


def with_heights(
    regions: Sequence[Region],
    region_of_point: NDArray[np.int32],
    heights: NDArray[np.float32],
    usual: float,
) -> tuple[Region, ...]:
    """Say how far each region stands out, where it can be told from noise.

    Args:
        regions: From `anomalous_regions`, with `region_of_point`.
        region_of_point: `(N,) int32`.
        heights: `(N,) float32` signed distances from a good scan.
        usual: Median size of those.
    """
    told = []
    for number, region in enumerate(regions):
        inside = heights[region_of_point == number].astype(np.float64)
        few = max(3, round(_HEIGHT_SHARE * len(inside)))
        # Means of the largest: one stray point is no height.
        raised, sunken = (float(np.sort(side)[-few:].mean()) for side in (inside, -inside))
        size = max(raised, sunken)
        clear = size > _HEIGHT_TELLS * usual and min(raised, sunken) < _ONE_SIGN * size
        height = raised if raised > sunken else -sunken
        told.append(replace(region, height=height if clear else None))
    return tuple(told)


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

"""Residuals and gaps of a scan, set against what normal specimens show at the same place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from plane_anomalib.geometry.points import FloatArray
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

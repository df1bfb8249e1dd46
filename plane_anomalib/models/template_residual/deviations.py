"""Residuals and gaps of a scan, set against what normal specimens show at the same place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.models.template_residual.coverage import (
    gap_significance,
    spread_to_points,
    squared_gaps,
)
from plane_anomalib.models.template_residual.template import Learnt, Measurement

_FEW_SPECIMENS = 4.0


@dataclass(frozen=True)
class Deviations:
    """How far each point of a scan is from normal, in standard deviations of normal specimens.

    Attributes:
        raw: (N, S) signed, at each scale, the specimen as it is.
        free: (N, S) signed, after its low-frequency deviation was removed.
        missing: (N,) what the gaps beside the point amount to; zero where none were looked for.
        total: (N,) all of it as one number, the score of TemplateResidual.
        spread: (N, 2, S) one standard deviation, raw and free, as a share of the longest side.
        noise: Typical noise of the templates, as a share of the longest side.
        measurement: The residuals themselves.
    """

    raw: FloatArray
    free: FloatArray
    missing: FloatArray
    total: FloatArray
    spread: FloatArray
    noise: float
    measurement: Measurement


def measure_deviations(
    learnt: Learnt, points: FloatArray, specimens: int, *, gaps: bool
) -> Deviations:
    """Measure a scan that lies on the template.

    Args:
        learnt: The template and the spread of normal specimens.
        points: (N, 3) in random order, in the template's frame of unit size.
        specimens: How many specimens the template was learnt from.
        gaps: Look for missing points, too: the scan is complete.

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
    if gaps:
        squared, rim = squared_gaps(learnt.places, measured.points)
        significance = gap_significance(squared, learnt.usual)
        missing = spread_to_points(significance, rim, measured.neighbours)
    total = np.sqrt(np.square(largest) + np.square(missing))
    noise = learnt.template.sheets.noise
    return Deviations(raw, free, missing, total, spread, noise, measured)

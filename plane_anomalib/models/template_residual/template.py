"""What is learnt from normal specimens: the mean shape and how much they differ from it, where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.points import FloatArray, IntArray
from plane_anomalib.geometry.sampling import typical_spacing
from plane_anomalib.models.template_residual.sheets import Sheets, smooth_residuals
from plane_anomalib.models.template_residual.smooth_field import (
    SmoothField,
    field_centers,
    fit_deviation,
)

_FIRST_GUESS = 0.008
_LONE_DEVIATION = 0.002
"""Assumed deviation of specimens where a single template says nothing about it."""
_LEAST_DEVIATION = 1e-4
_SPREAD_NEIGHBOURS = 48
_LOCAL_SHARE = 0.8
_PLACES = 16_000
_LEAST_WIDTH = 1e-4


@dataclass(frozen=True)
class Measurement:
    """Residuals of one scan; lengths are shares of the template's longest side.

    Attributes:
        raw: (N, S) signed distance at each scale, the specimen as it is.
        free: (N, S) the same after its low-frequency deviation was removed.
        points: (N, 3) the points after that removal.
        nearest: (N,) nearest points of the sheets to those.
        neighbours: (N, K) nearest points of the scan, each point itself first.
    """

    raw: FloatArray
    free: FloatArray
    points: FloatArray
    nearest: NDArray[np.int64]
    neighbours: NDArray[np.int64]


@dataclass(frozen=True)
class Template:
    """The mean specimen, in a frame whose unit is its longest side.

    Attributes:
        sheets: Its surface.
        field: The smooth displacements that specimens may have; None where none are removed.
        deviation: Their expected size.
        affine: Expected size of their affine part.
        scales: Numbers of neighbours that residuals are averaged over.
    """

    sheets: Sheets
    field: SmoothField | None
    deviation: float
    affine: float
    scales: tuple[int, ...]

    @cached_property
    def width(self) -> float:
        """Height difference from which on two points are in different sheets."""
        return max(3.0 * self.sheets.noise, _LEAST_WIDTH)

    def measure(self, points: FloatArray) -> Measurement:
        """Take the residuals of a scan that lies on the template.

        Args:
            points: (N, 3) in random order.

        Returns:
            Its residuals, before and after its low-frequency deviation is removed.
        """
        most = min(max(*self.scales, 16), len(points))
        neighbours = NeighbourIndex(points).query(points, most)[1]
        raw, nearest = self._smoothed(points, neighbours)
        if self.field is None:
            return Measurement(raw, raw, points, nearest, neighbours)
        moved = self.straightened(points)
        free, nearest = self._smoothed(moved, neighbours)
        return Measurement(raw, free, moved, nearest, neighbours)

    def straightened(self, points: FloatArray) -> FloatArray:
        """Remove a specimen's low-frequency deviation.

        Args:
            points: (N, 3) in random order.

        Returns:
            (N, 3) float32.
        """
        if self.field is None:
            return points
        fitted = fit_deviation(points, self.sheets, self.field, self.deviation, self.affine)
        return points + self.field.displacement(points, fitted)

    def _smoothed(
        self, points: FloatArray, neighbours: NDArray[np.int64]
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        residuals, normals, nearest = self.sheets.residuals(points)
        smoothed = smooth_residuals(points, residuals, normals, neighbours, self.scales, self.width)
        return smoothed, nearest


@dataclass(frozen=True)
class Learnt:
    """A template and what normal specimens measure on it.

    Attributes:
        template: The mean specimen.
        spread: (P, 2, S) float32 RMS residual around each point of the sheets, raw and free.
        places: (Q, 3) float32 where gaps are looked for.
        usual: (Q,) float32 mean squared gap there.
    """

    template: Template
    spread: FloatArray
    places: FloatArray
    usual: FloatArray


def learn(
    specimens: Sequence[FloatArray],
    scales: tuple[int, ...],
    wavelength: float,
    pose_error: float,
    *,
    remove_deviation: bool,
) -> Learnt:
    """Learn from specimens that lie in one frame of unit size.

    Args:
        specimens: (N_i, 3) each, in random order, at least one.
        scales: Numbers of neighbours to average residuals over.
        wavelength: Of the deviation that is removed, as a share of the longest side.
        pose_error: What registration may leave, zero where clouds come in one pose.
        remove_deviation: Whether deviations are removed at all.

    Returns:
        Mean shape, spread and usual gaps.
    """
    field = SmoothField(field_centers(specimens[0]), wavelength) if remove_deviation else None
    deviation, shapes = _mean_shape(specimens, field, pose_error)
    affine = max(deviation, pose_error)
    sheets = Sheets.fit(np.concatenate(shapes))
    template = Template(sheets, field, deviation, affine, scales)
    rehearsed, shapes = _rehearsal(specimens, shapes)
    measured = []
    for left_out, specimen in enumerate(rehearsed):
        others = [shape for number, shape in enumerate(shapes) if number != left_out]
        without = Sheets.fit(np.concatenate(others))
        measured.append(Template(without, field, deviation, affine, scales).measure(specimen))
    spread = _spread(template, shapes, measured)
    places, usual = _usual(shapes, measured)
    return Learnt(template, spread, places, usual)


def _mean_shape(
    specimens: Sequence[FloatArray], field: SmoothField | None, pose_error: float
) -> tuple[float, list[FloatArray]]:
    """Size of the deviations among specimens, and all specimens brought to their mean shape."""
    if field is None or len(specimens) == 1:
        return _LONE_DEVIATION, list(specimens)
    first, rest = specimens[0], specimens[1:]
    sheets = Sheets.fit(first)
    guess = [fit_deviation(x, sheets, field, _FIRST_GUESS, _FIRST_GUESS) for x in rest]
    squares = []
    for specimen, fitted in zip(rest, guess, strict=True):
        normals = sheets.residuals(specimen)[1]
        along = np.einsum("ni,ni->n", field.displacement(specimen, fitted), normals)
        squares.append(float(np.mean(np.square(along))))
    # Three directions of which one shows; the difference of two specimens counts twice.
    deviation = max(float(np.sqrt(1.5 * np.mean(squares))), _LEAST_DEVIATION)
    pair = deviation * np.sqrt(2.0)
    affine = max(pair, pose_error)
    fields = [fit_deviation(x, sheets, field, pair, affine) for x in rest]
    moved = [first]
    moved += [x + field.displacement(x, fit) for x, fit in zip(rest, fields, strict=True)]
    mean = np.sum(fields, axis=0) / len(specimens)
    return deviation, [x - field.displacement(x, mean) for x in moved]


def _rehearsal(
    specimens: Sequence[FloatArray], shapes: list[FloatArray]
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Specimens to be left out in turn; a single one is split into halves."""
    if len(specimens) > 1 or len(specimens[0]) < 2:
        return list(specimens) if len(specimens) > 1 else [specimens[0]] * 2, (
            shapes if len(specimens) > 1 else shapes * 2
        )
    only = specimens[0]
    halves = [only[0::2], only[1::2]]
    return halves, halves


def _spread(
    template: Template, shapes: list[FloatArray], measured: list[Measurement]
) -> FloatArray:
    squares = np.concatenate([np.square(np.stack([m.raw, m.free], axis=1)) for m in measured])
    overall = squares.mean(0, dtype=np.float64)
    index = NeighbourIndex(np.concatenate(shapes))
    spread = np.empty((len(template.sheets.points), *squares.shape[1:]), np.float32)
    noise = np.square(0.5 * template.sheets.noise) / np.asarray(template.scales)
    most = min(_SPREAD_NEIGHBOURS, len(squares))
    for start in range(0, len(spread), 8_192):
        part = slice(start, start + 8_192)
        around = index.query(template.sheets.points[part], most)[1]
        local = squares[around].mean(1)
        spread[part] = np.sqrt(_LOCAL_SHARE * local + (1 - _LOCAL_SHARE) * overall + noise)
    return np.maximum(spread, 1e-7)


def _usual(shapes: list[FloatArray], measured: list[Measurement]) -> tuple[FloatArray, FloatArray]:
    per_shape = -(-_PLACES // len(shapes))
    taken = [shape[:per_shape] for shape in shapes]
    owner = np.repeat(np.arange(len(taken)), [len(part) for part in taken])
    places = np.concatenate(taken)
    gaps = []
    for number, measurement in enumerate(measured):
        found = squared_gaps(places, measurement.points)[0]
        gaps.append(np.where(owner == number, np.float32(np.nan), found))
    return places, usual_gaps(places, gaps, gap_floor(places))


_ORDER = 3
"""The gap is the distance to the third nearest point: steadier than that to the nearest."""
_SPREAD = 16
_SMOOTH = 12


def squared_gaps(places: FloatArray, cloud: FloatArray) -> tuple[FloatArray, IntArray]:
    """Squared distance to the third nearest point, times the number of points.

    Args:
        places: (Q, 3) where to look.
        cloud: (N, 3) the scan.

    Returns:
        (Q,) float32, independent of how many points a scan has in all, and (Q,) int64, the nearest
        point of each place.
    """
    distances, indices = NeighbourIndex(cloud).query(places, min(_ORDER, len(cloud)))
    return np.square(distances[:, -1]) * len(cloud), indices[:, 0]


def usual_gaps(places: FloatArray, gaps: list[FloatArray], floor: float) -> FloatArray:
    """Mean squared gap at each place in normal scans, smoothed over neighbouring places.

    Args:
        places: (Q, 3).
        gaps: (Q,) per normal scan, NaN where the place was taken from that very scan.
        floor: Least value.

    Returns:
        (Q,) float32.
    """
    stacked = np.stack(gaps)
    known = ~np.isnan(stacked)
    mean = np.where(known, stacked, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    around = NeighbourIndex(places).query(places, min(_SMOOTH, len(places)))[1]
    return np.maximum(mean[around].mean(1), floor).astype(np.float32)


def gap_significance(gaps: FloatArray, usual: FloatArray) -> NDArray[np.float32]:
    """How unlikely a gap is, as a number of standard deviations.

    The area around a place that holds three points of a random scan has a gamma distribution of
    shape three. The probability p of so large a gap is given as sqrt(-2 log p), the deviation of
    about the same probability of a normal variable, so that it can be set beside a residual.

    Args:
        gaps: (Q,) squared gaps.
        usual: (Q,) their normal means.

    Returns:
        (Q,) float32.
    """
    area = _ORDER * gaps.astype(np.float64) / usual
    surprise = area - np.log1p(area + area**2 / 2.0)
    return np.sqrt(2.0 * np.maximum(surprise, 0.0)).astype(np.float32)


def spread_to_points(
    significance: FloatArray, nearest: IntArray, neighbours: IntArray
) -> FloatArray:
    """Hand gaps to the points at their rim.

    Args:
        significance: (Q,) of each place.
        nearest: (Q,) its nearest point.
        neighbours: (N, K) neighbours of each point, the point itself first.

    Returns:
        (N,) float32, the largest significance that a point or one of its neighbours was handed.
    """
    handed = np.zeros(len(neighbours), np.float32)
    np.maximum.at(handed, nearest, significance)
    return handed[neighbours[:, :_SPREAD]].max(1)


def gap_floor(cloud: FloatArray) -> float:
    """A squared gap far below the usual one, positive even where all points coincide."""
    return max(0.01 * typical_spacing(cloud) ** 2 * len(cloud), 1e-12)

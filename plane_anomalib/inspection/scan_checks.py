"""Whether a scan can be judged at all, by what the good scans were like; what is left out of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.units import MILLIMETRES, in_words
from plane_anomalib.formats.raw_cloud import about_fill, fill_rows, too_coarse
from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.points import FloatArray, IntArray
from plane_anomalib.geometry.sampling import random_subsample, typical_spacing, voxel_downsample
from plane_anomalib.inspection.card import ScanCard

_LEAST_POINTS = 50
"""A cloud of fewer shows no surface."""
_SIXTH = 6
_LONELY = 4.0
_MOST_STRAYS = 0.005
"""More points than this share are no strays, but something that was scanned."""
_LARGER = 1.5
"""How much larger than the largest good scan a scan may be: a part that is bent reaches 1.2."""
_SMALLER, _DENSER = 0.15, 0.4
"""A scan so much smaller whose points lie closer by as much is one in another unit; a piece of a
part is smaller, but as dense."""
_SAME = 0.35
"""Logarithm by which size and spacing may differ where a scan is in another unit."""
_SPARSER = 3.0
_THIN = 0.6
"""Three times as many points on a surface lie 0.58 as far apart: such a scan is thinned."""
_THINNED, _DRAWN = 1.8, 0.54
"""Edge of the cells that a scan is counted in, in spacings of the good ones, and how many points
are drawn for each cell that has any: as many then lie on an area as points of a good scan do."""
_AROUND, _UNEVEN = 12, 6.0
"""Points of a scan lie up to four times as densely in one place as in another; four times as many
on one half of it bring nine."""
_ON_A_LINE = 0.004
_FLATTER = 4.0
_FLAT_SHARE = 0.02
_CLOSE = 0.12
_SMALLER_UNITS = {
    1_000.0: "metres?", 100.0: "metres where they have centimetres?", 39.37: "metres where they "
    "have inches?", 25.4: "inches?", 10.0: "centimetres?", 304.8: "feet?",
}  # fmt: skip
_LARGER_UNITS = {
    1_000.0: "micrometres, or millimetres where they have metres?", 25.4: "millimetres where they "
    "have inches?", 10.0: "millimetres where they have centimetres?", 100.0: "centimetres where "
    "they have metres?", 39.37: "inches where they have metres?",
}  # fmt: skip


def size_of(points: FloatArray) -> float:
    """Root mean square distance from the middle: the same in every pose.

    Args:
        points: `(N, 3)`.
    """
    return float(np.sqrt(points.astype(np.float64).var(axis=0).sum()))


def strays(points: FloatArray) -> NDArray[np.bool_]:
    """Which points belong to nothing that was scanned: pixels in mid-air, a point at the camera.

    A stray is farther from its sixth neighbour than four times what all but a fiftieth of the
    points are, and there are few of them; where many points lie like that, it is how the scan is.

    Args:
        points: `(N, 3)`, finite.

    Returns:
        `(N,)`.
    """
    count = len(points)
    none = np.zeros(count, np.bool_)
    if count < _LEAST_POINTS:
        return none
    reach = NeighbourIndex(points).query(points, min(_SIXTH + 1, count))[0][:, -1]
    lonely = np.asarray(reach > _LONELY * np.quantile(reach, 0.98))
    return lonely if lonely.sum() <= max(_MOST_STRAYS * count, 2) else none


@dataclass(frozen=True)
class ScanProfile:
    """What the good scans were like, in their units.

    Attributes:
        size: Root mean square distance of the points from their middle, of each.
        thickness: Least standard deviation along a principal axis, of any.
        spacing: Typical distance between neighbouring points, the median of all.
        units: A key of `core.units.MILLIMETRES`; "" where nobody states one.
    """

    size: tuple[float, ...]
    thickness: float
    spacing: float
    units: str = ""

    @classmethod
    def of(cls, scans: Sequence[ScanCard], units: str) -> ScanProfile | None:
        """What cards say; `None` where there is none."""
        if not scans:
            return None
        spacing = float(np.median([scan.spacing for scan in scans]))
        thickness = min(scan.thickness for scan in scans)
        return cls(tuple(scan.size for scan in scans), thickness, spacing, units)


Values = TypeVar("Values", NDArray[np.float32], NDArray[np.int32])


@dataclass(frozen=True, eq=False)
class CheckedScan:
    """A scan that was looked at before it is judged.

    Attributes:
        kept: `(N,)`, the points to judge.
        strays: `(N,)`, points that belong to nothing that was scanned.
        notes: A sentence for whatever was left out or is odd.
        reason: Why it cannot be judged and what to do, in a sentence; "" where it can.
    """

    kept: NDArray[np.bool_]
    strays: NDArray[np.bool_]
    notes: tuple[str, ...] = ()
    reason: str = ""

    def for_all(self, points: FloatArray, values: Values, of_strays: Any) -> Values:
        """What was found of the judged points, for all of them.

        Args:
            points: `(N, 3)`.
            values: One for each point that is kept.
            of_strays: For each stray.

        Returns:
            `(N,)`; points that were left out for their number take that of the nearest kept one.
        """
        if self.kept.all():
            return values
        full = np.full(len(points), of_strays, values.dtype)
        full[self.kept] = values
        others = ~self.kept & ~self.strays
        if others.any():
            nearest = NeighbourIndex(points[self.kept]).query(points[others], 1)[1][:, 0]
            full[others] = values[nearest]
        return full


def check_scan(points: FloatArray, profile: ScanProfile | None) -> CheckedScan:
    """Look at a scan before it is judged.

    Args:
        points: `(N, 3) float32`, finite, in the units of the good scans.
        profile: Of the good scans; `None` where they are not known, and only what needs no
            comparison is looked at.

    Returns:
        Which points to judge, or why there is nothing to judge.
    """
    if reason := _nothing_there(points):
        every = np.ones(len(points), np.bool_)
        return CheckedScan(every, ~every, reason=reason)
    fill = fill_rows(points)
    alone = fill.copy()
    alone[~fill] = strays(points[~fill])
    kept, notes = ~alone, (*about_fill(points, fill), *about_strays(points, alone & ~fill))
    if profile is None:
        return CheckedScan(kept, alone, notes)
    body = points[kept]
    spacing = typical_spacing(body)
    reason = _other_size(size_of(body), spacing, profile) or _flat(body, profile)
    if not reason and spacing > _SPARSER * profile.spacing > 0:
        reason = (
            f"Its points lie {_times(spacing / profile.spacing)} as far apart as those of the good "
            "scans, which shows too little of the surface: scan it as the good ones were."
        )
    if reason:
        return CheckedScan(kept, alone, notes, reason)
    if 0 < spacing < _THIN * profile.spacing:
        thin = np.zeros(len(points), np.bool_)
        thin[np.flatnonzero(kept)[_drawn(body, profile.spacing)]] = True
        note = (
            f"Its points lie {_times(spacing / profile.spacing)} as far apart as those of the good "
            f"scans: {thin.sum():,} of {len(points):,} were judged, the others take their scores."
        )
        return CheckedScan(thin, alone, (*notes, note))
    return CheckedScan(kept, alone, notes)


def _drawn(points: FloatArray, spacing: float) -> IntArray:
    """Points as far apart as usual: drawn as they come, or evenly where they come very unevenly."""
    cells = voxel_downsample(points, _THINNED * spacing)
    pool = np.arange(len(points))
    if len(cells) > _AROUND:
        index = NeighbourIndex(points[cells])
        numbers = np.bincount(index.query(points, 1)[1][:, 0], minlength=len(cells))
        around = numbers[index.query(points[cells], _AROUND)[1]].mean(1)
        if np.quantile(around, 0.9) > _UNEVEN * np.quantile(around, 0.1):
            pool = cells
    number = max(round(_DRAWN * len(cells)), 1)
    return pool[random_subsample(len(pool), number, np.random.default_rng(0))]


def _nothing_there(points: FloatArray) -> str:
    count = len(points)
    what = f"It has {count} point{'s' if count != 1 else ''}"
    if count < _LEAST_POINTS:
        return (
            f"{what}, which show no surface ({_LEAST_POINTS} are needed at least): was there a "
            "part, and did the scanner see it?"
        )
    spread = spread_of(points)
    if spread[0] <= 0:
        return f"{what}, all in one place: was there a part, and did the scanner see it?"
    if spread[1] < _ON_A_LINE * spread[0]:
        return f"{what}, all on a line: was there a part, and did the scanner see it?"
    if reason := too_coarse(points):
        return f"{reason[0].upper()}{reason[1:]}: subtract one common offset."
    return ""


def about_strays(points: FloatArray, alone: NDArray[np.bool_]) -> tuple[str, ...]:
    """A sentence about the strays of a cloud, or none.

    Args:
        points: `(N, 3)`.
        alone: `(N,)`, see `strays`.
    """
    if not alone.any():
        return ()
    away = points[alone].astype(np.float64) - np.median(points, axis=0)
    farthest = points[alone][np.argmax(np.linalg.norm(away, axis=1))]
    where = ", ".join(f"{value:.4g}" for value in farthest.tolist())
    count = int(alone.sum())
    if count == 1:
        return (f"1 stray point, at ({where}), was left out.",)
    return (f"{count} stray points were left out, the farthest at ({where}).",)


def _other_size(size: float, spacing: float, profile: ScanProfile) -> str:
    """Why a scan of another size cannot be judged."""
    larger, smaller = size / max(profile.size), size / min(profile.size)
    sparser = spacing / profile.spacing if profile.spacing > 0 else 1.0
    guess, unit = _guess(larger if larger > 1 else smaller, profile.units)
    same_scale = bool(guess) and abs(math.log(max(sparser, 1e-9) / smaller)) < _SAME
    tiny = smaller < _SMALLER and sparser < _DENSER
    if larger <= _LARGER and not tiny and not (smaller < 1 / _LARGER and same_scale):
        return ""
    factor = larger if larger > 1 else 1 / smaller
    way = "larger" if larger > 1 else "smaller"
    to_do = f"State its unit with --units{unit}"
    if not profile.units:
        to_do = "Convert it, or train with --units and judge with the scan's --units"
    what_else = guess or ("more in view than the part?" if larger > 1 else "another part?")
    return (
        f"It is {_times(factor)} {way} than the good scans: {what_else} {to_do}, or scan the part "
        "alone."
    )


def _guess(larger: float, units: str) -> tuple[str, str]:
    """The unit that a scan which is so many times larger may be in, and its short name."""
    if units:
        for unit, millimetres in MILLIMETRES.items():
            if abs(larger * millimetres / MILLIMETRES[units] - 1) < _CLOSE:
                return f"{in_words(unit)} instead of {in_words(units)}?", f" {unit}"
        return "", ""
    for factor, words in _SMALLER_UNITS.items():
        if abs(larger * factor - 1) < _CLOSE:
            return words, ""
    for factor, words in _LARGER_UNITS.items():
        if abs(larger / factor - 1) < _CLOSE:
            return words, ""
    return "", ""


def _flat(points: FloatArray, profile: ScanProfile) -> str:
    """Why a scan of something flat is no scan of a part that is not."""
    spread = spread_of(points)
    thin = spread[2] < profile.thickness / _FLATTER and spread[2] < _FLAT_SHARE * spread[0]
    if not thin or size_of(points) < min(profile.size) / 2:
        return ""
    return (
        "It shows a flat surface, which the good scans are not: only the table? Was there a part, "
        "and did the scanner see it?"
    )


def spread_of(points: FloatArray) -> NDArray[np.float64]:
    """Standard deviations along the principal axes, the largest first.

    Args:
        points: `(N, 3)`.

    Returns:
        `(3,)`.
    """
    exact = points.astype(np.float64)
    offsets = exact - exact.mean(0)
    values = np.linalg.eigvalsh(offsets.T @ offsets / len(points))[::-1]
    return np.sqrt(np.maximum(values, 0.0))


def _times(factor: float) -> str:
    return f"{float(f'{factor:.3g}'):,g} times"

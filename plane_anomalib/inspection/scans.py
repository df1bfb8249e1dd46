"""Good scans: read, in one unit, without tables, checked; what they tell of pose and sides."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from plane_anomalib.core.errors import DatasetError, PlaneAnomalibError, PointCloudFileError
from plane_anomalib.core.units import conversion, in_words
from plane_anomalib.formats.raw_cloud import ReadOptions
from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.geometry.sampling import is_one_sided, random_subsample, typical_spacing
from plane_anomalib.inspection.card import ScanCard
from plane_anomalib.inspection.comparison import EXPLAINED, shares_of_most
from plane_anomalib.inspection.inputs import CloudFile
from plane_anomalib.inspection.scan_checks import about_strays, size_of, spread_of, strays
from plane_anomalib.inspection.supporting_plane import tables_of

_LEAST_POINTS = 50
"""A cloud of fewer shows no surface."""
_FEW_POINTS = 500
_OTHER_SIZE = 1.25
_OTHER_DENSITY = 2.0
_CONVERSIONS = {10.0: "centimetres and millimetres", 25.4: "inches and millimetres",
                1000.0: "metres and millimetres"}  # fmt: skip
_CLOSE = 0.15


@dataclass(frozen=True, eq=False)
class GoodScan:
    """A good scan.

    Attributes:
        card: Its name and measures.
        points: `(N, 3) float32`, finite, in file order.
        digest: SHA-256 of the file.
        units: Unit of length of the points, a key of `core.units.MILLIMETRES`; "" if not known.
        without_table: Whether the plane that the part stood on was taken out.
    """

    card: ScanCard
    points: FloatArray
    digest: str
    units: str = ""
    without_table: bool = False

    def with_points(self, points: FloatArray, *, without_table: bool = False) -> GoodScan:
        """The same scan with other points, `(M, 3)`, measured anew."""
        card = _measured(self.card.name, self.card.path, points)
        return replace(self, card=card, points=points, without_table=without_table)


@dataclass(frozen=True, eq=False)
class ScansRead:
    """What a look at files brought.

    Attributes:
        scans: The usable scans, in the order of their files; no two of the same bytes.
        warnings: A sentence for each thing that their owner should know.
        failed: A sentence for each file that cannot be used.
        decided: A sentence for whatever was converted, taken out or left out.
    """

    scans: list[GoodScan]
    warnings: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    decided: list[str] = field(default_factory=list)


def read_good_scans(
    sources: Sequence[CloudFile],
    report: Callable[[int, int], None] | None = None,
    *,
    units: str | None = None,
    remove_table: bool | None = None,
    anyway: bool = False,
    options: ReadOptions | None = None,
) -> ScansRead:
    """Read scans and say what is odd about them; a bad file does not stop the rest.

    Args:
        sources: Clouds and meshes, see `inputs.find_clouds`; meshes are sampled.
        report: Is told how many of how many files have been read.
        units: See `TrainOptions`, as the next two.
        remove_table: Likewise.
        anyway: Likewise: keep scans that fit none of the others.
        options: What files do not say of themselves.

    Returns:
        The scans, warnings and failures.

    Raises:
        DatasetError: No scan is usable, or it cannot be told which of them are of the part.
    """
    look = _usable(sources, report or (lambda done, total: None), options)
    scans = _in_one_unit(look.scans, units, look.decided)
    scans = _without_tables(scans, remove_table, look.decided)
    look.warnings.extend(_unlike_the_others(scans))
    scans = without_odd_ones(scans, look.decided, anyway=anyway)
    return replace(look, scans=scans)


def _usable(
    sources: Sequence[CloudFile],
    report: Callable[[int, int], None],
    options: ReadOptions | None,
) -> ScansRead:
    look = ScansRead([])
    seen: dict[str, Path] = {}
    for number, source in enumerate(sources, 1):
        file = source.path
        try:
            scan = _read(source, look.warnings, options)
        except PlaneAnomalibError as error:
            look.failed.append(str(error))
        else:
            if scan.digest in seen:
                look.warnings.append(
                    f"{file} is the same file as {seen[scan.digest]} and counts once."
                )
            else:
                seen[scan.digest] = file
                look.scans.append(scan)
        report(number, len(sources))
    if not look.scans:
        raise DatasetError(
            "No good scan can be used: " + " ".join(look.failed or ["no file was given."])
        )
    return look


def _read(source: CloudFile, warnings: list[str], options: ReadOptions | None) -> GoodScan:
    file = source.path
    data, digest = source.read(options)
    total = len(data.points) + data.dropped
    alone = strays(data.points)
    points = data.points[~alone]
    warnings.extend(f"{file}: {note}" for note in (*data.notes, *about_strays(data.points, alone)))
    card = _measured(source.name, str(file), points)
    extent = card.extent
    if len(points) < _LEAST_POINTS or not extent > 0:
        raise PointCloudFileError(
            file,
            f"has {len(points)} points{'' if extent > 0 else ' in one place'}, which show no "
            "surface",
            f"scans need at least {_LEAST_POINTS}",
        )
    if data.dropped:
        warnings.append(
            f"{file}: {data.dropped} of {total} points are left out, since their coordinates are "
            "not finite."
        )
    if len(points) < _FEW_POINTS:
        warnings.append(
            f"{file} has {len(points)} points only; small defects will not show in so few."
        )
    return GoodScan(card, points, digest, data.units)


def _measured(name: str, path: str, points: FloatArray) -> ScanCard:
    extent = float(np.ptp(points.astype(np.float64), axis=0).max()) if len(points) else 0.0
    if not extent > 0:
        return ScanCard(name, path, len(points), 0.0, 0.0, 0.0, 0.0)
    spacing, thickness = typical_spacing(points), float(spread_of(points)[2])
    return ScanCard(name, path, len(points), spacing, extent, size_of(points), thickness)


def _in_one_unit(
    scans: Sequence[GoodScan], units: str | None, decided: list[str]
) -> list[GoodScan]:
    """Scans in the unit that their owner states, or else in the one that most files declare."""
    declared = Counter(scan.units for scan in scans if scan.units)
    wanted = units or (declared.most_common(1)[0][0] if declared else "")
    if not wanted:
        return list(scans)
    silent = sum(not scan.units for scan in scans)
    if silent and units is None:
        decided.append(
            f"{silent} of {len(scans)} good scans declare no unit of length, and the others do: "
            f"they are taken for {in_words(wanted)} (--units states another)."
        )
    result = []
    for scan in scans:
        if scan.units not in ("", wanted):
            factor = conversion(scan.units, wanted)
            decided.append(
                f"{scan.card.path} declares {in_words(scan.units)}: converted to "
                f"{in_words(wanted)}, {factor:.6g} times the numbers."
            )
            scan = scan.with_points((scan.points.astype(np.float64) * factor).astype(np.float32))
        result.append(replace(scan, units=wanted))
    return result


def _without_tables(
    scans: Sequence[GoodScan], remove: bool | None, decided: list[str]
) -> list[GoodScan]:
    """Scans without the plane that the part stands on, where one is sure or its owner says so."""
    found = tables_of([scan.points for scan in scans], remove)
    if found.said:
        decided.append(found.said)
    if not found.planes:
        return list(scans)
    result, bare = [], []
    for scan, plane in zip(scans, found.planes, strict=True):
        left = scan.points if plane is None else scan.points[~plane.own]
        left = left[~strays(left)]
        if len(left) < _LEAST_POINTS:
            bare.append(scan.card.path)
        else:
            result.append(scan.with_points(left, without_table=plane is not None))
    if not result:
        raise DatasetError(
            "Nothing is left of the good scans without the plane in them: leave out --remove-table."
        )
    decided.extend(f"{path} shows a table only and is left out." for path in bare)
    return result


def _unlike_the_others(scans: Sequence[GoodScan]) -> list[str]:
    """A sentence for each scan that is larger, smaller, denser or sparser than the others are."""
    if len(scans) < 2:
        return []
    sizes = [scan.card.size for scan in scans]
    gaps = [scan.card.spacing / size for scan, size in zip(scans, sizes, strict=True)]
    sentences = []
    for number, scan in enumerate(scans):
        larger = sizes[number] / statistics.median(sizes[:number] + sizes[number + 1 :])
        sparser = gaps[number] / (statistics.median(gaps[:number] + gaps[number + 1 :]) or 1.0)
        if max(larger, 1 / larger) > _OTHER_SIZE:
            sentences.append(_other_size(scan.card, larger))
        elif sparser > _OTHER_DENSITY or 0 < sparser < 1 / _OTHER_DENSITY:
            sentences.append(
                f"{scan.card.path}: its points lie {_times(sparser)} as far apart as the others', "
                "so small defects weigh differently in it."
            )
    return sentences


def _other_size(card: ScanCard, larger: float) -> str:
    factor = max(larger, 1 / larger)
    units = next(
        (name for known, name in _CONVERSIONS.items() if abs(factor / known - 1) < _CLOSE), None
    )
    guess = f"{units} mixed" if units else "another part, or a part of it only"
    return (
        f"{card.path} is {_times(larger)} as large as the others ({card.extent:.4g} across): "
        f"{guess}? Leave it out or put it right if so."
    )


def _times(factor: float) -> str:
    return f"{factor:.3g} times"


_PROBED = 2_000
_TREE = 20_000
_CAP = 0.03
"""Distances beyond this share of the longest side count as this much: a defect outvotes nothing."""
_ALIKE = 0.004
"""Mean distance, as a share of the longest side, up to which scans lie alike: specimens in a
fixture reach 0.001, some five degrees of turning go beyond, any other pose brings 0.013 or more."""


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


_LEAVE_OUT_FROM = 3
"""So many scans that agree outvote those that do not."""


def without_odd_ones(
    scans: Sequence[GoodScan], decided: list[str], *, anyway: bool = False, seed: int = 0
) -> list[GoodScan]:
    """Leave out scans of another part, or of a piece of it, where most others agree.

    Args:
        scans: Good scans, in one unit.
        decided: Gets a sentence for each that fits none of the others.
        anyway: Keep them all, and only say so.
        seed: Of the points that are looked at.

    Raises:
        DatasetError: It cannot be told which of them are of the part.
    """
    if len(scans) < 2:
        return list(scans)
    shares = shares_of_most([scan.points for scan in scans], seed=seed)
    odd = [i for i, share in enumerate(shares) if share < EXPLAINED]
    if not odd:
        return list(scans)
    agreeing = len(scans) - len(odd)
    names = _named([f"{scans[i].card.path} ({shares[i]:.0%} shown by both)" for i in odd])
    others = _named([scan.card.path for i, scan in enumerate(scans) if i not in odd])
    sides = sum(is_one_sided(scan.points) for scan in scans)
    views = 2 * sides >= len(scans) and (len(odd) > 1 or agreeing < _LEAVE_OUT_FROM)
    if anyway or views:
        why = "--anyway" if anyway else "they may show other sides of it"
        decided.append(f"Not alike the other good scans: {names}; kept ({why}).")
        return list(scans)
    what = "another part, or a piece or another side of it"
    if agreeing >= _LEAVE_OUT_FROM and 2 * agreeing > len(scans):
        decided.append(
            f"Left out, since they do not fit the {agreeing} good scans that agree: {names}: "
            f"{what}? --anyway uses them all the same."
        )
        return [scan for i, scan in enumerate(scans) if i not in odd]
    raise DatasetError(
        f"The good scans are not all of one part: {names} against {others}: {what}? "
        "Take the wrong ones out, or give --anyway to use them all the same."
    )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LEAVE_OUT_FROM} more" if len(names) > _LEAVE_OUT_FROM else ""
    return ", ".join(names[:_LEAVE_OUT_FROM]) + more

"""Good scans as their owner has them: found, read and looked at before anything is learnt."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from plane_anomalib.core.errors import DatasetError, PlaneAnomalibError, PointCloudFileError
from plane_anomalib.core.hashes import sha256_of
from plane_anomalib.formats.io import read_points
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.geometry.sampling import typical_spacing
from plane_anomalib.inspection.card import ScanCard
from plane_anomalib.inspection.inputs import Source

_LEAST_POINTS = 50
"""A cloud of fewer shows no surface."""
_FEW_POINTS = 500
_OTHER_SIZE = 1.25
_OTHER_DENSITY = 2.0
_CONVERSIONS = {10.0: "centimetres and millimetres", 25.4: "inches and millimetres",
                1000.0: "metres and millimetres"}  # fmt: skip
_CLOSE = 0.15


@dataclass(frozen=True, eq=False)
class Scan:
    """A good scan.

    Attributes:
        card: Its name and measures.
        points: `(N, 3) float32`, finite, in file order.
        digest: SHA-256 of the file.
    """

    card: ScanCard
    points: FloatArray
    digest: str


@dataclass(frozen=True, eq=False)
class Look:
    """What a look at files brought.

    Attributes:
        scans: The usable scans, in the order of their files; no two of the same bytes.
        warnings: A sentence for each thing that their owner should know.
        failed: A sentence for each file that cannot be used.
    """

    scans: list[Scan]
    warnings: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def look_at(sources: Sequence[Source], report: Callable[[int, int], None] | None = None) -> Look:
    """Read scans and say what is odd about them; a bad file does not stop the rest.

    Args:
        sources: Clouds and meshes, see `inputs.find_clouds`; meshes are sampled.
        report: Is told how many of how many files have been read.

    Returns:
        The scans, warnings and failures.

    Raises:
        DatasetError: No scan is usable.
    """
    look = Look([])
    seen: dict[str, Path] = {}
    for number, source in enumerate(sources, 1):
        file = source.path
        try:
            scan = _read(file, source.name, look.warnings)
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
        if report is not None:
            report(number, len(sources))
    if not look.scans:
        raise DatasetError(
            "No good scan can be used: " + " ".join(look.failed or ["no file was given."])
        )
    look.warnings.extend(_unlike_the_others(look.scans))
    return look


def _read(file: Path, name: str, warnings: list[str]) -> Scan:
    data = read_points(file)
    points, total = data.points, len(data.points) + data.dropped
    extent = float(np.ptp(points.astype(np.float64), axis=0).max())
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
    card = ScanCard(name, str(file), len(points), typical_spacing(points), extent)
    return Scan(card, points, sha256_of(file))


def _unlike_the_others(scans: Sequence[Scan]) -> list[str]:
    """A sentence for each scan that is larger, smaller, denser or sparser than the others are."""
    if len(scans) < 2:
        return []
    sizes = [_size(scan.points) for scan in scans]
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


def _size(points: FloatArray) -> float:
    """Root mean square distance from the middle: the same in every pose."""
    return float(np.sqrt(points.astype(np.float64).var(axis=0).sum()))


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

"""Good scans: read, checked, and what they tell of units, pose and sides."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from plane_anomalib.core.errors import DatasetError, PlaneAnomalibError, PointCloudFileError
from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.geometry.sampling import most_seen, random_subsample, typical_spacing
from plane_anomalib.inspection.card import ScanCard
from plane_anomalib.inspection.inputs import CloudFile

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
    """

    card: ScanCard
    points: FloatArray
    digest: str


@dataclass(frozen=True, eq=False)
class ScansRead:
    """What a look at files brought.

    Attributes:
        scans: The usable scans, in the order of their files; no two of the same bytes.
        warnings: A sentence for each thing that their owner should know.
        failed: A sentence for each file that cannot be used.
    """

    scans: list[GoodScan]
    warnings: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def read_good_scans(
    sources: Sequence[CloudFile], report: Callable[[int, int], None] | None = None
) -> ScansRead:
    """Read scans and say what is odd about them; a bad file does not stop the rest.

    Args:
        sources: Clouds and meshes, see `inputs.find_clouds`; meshes are sampled.
        report: Is told how many of how many files have been read.

    Returns:
        The scans, warnings and failures.

    Raises:
        DatasetError: No scan is usable.
    """
    look = ScansRead([])
    seen: dict[str, Path] = {}
    for number, source in enumerate(sources, 1):
        file = source.path
        try:
            scan = _read(source, look.warnings)
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


def _read(source: CloudFile, warnings: list[str]) -> GoodScan:
    file = source.path
    data, digest = source.read()
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
    card = ScanCard(source.name, str(file), len(points), typical_spacing(points), extent)
    return GoodScan(card, points, digest)


def _unlike_the_others(scans: Sequence[GoodScan]) -> list[str]:
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

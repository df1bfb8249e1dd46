"""Good scans beside a cloud: which it resembles most, how far off it is, and how both lie."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.normals import point_normals, surface_side_normals
from plane_anomalib.geometry.points import FloatArray, RigidTransform, as_points
from plane_anomalib.geometry.registration import RegistrationTarget
from plane_anomalib.geometry.sampling import (
    Viewer,
    is_one_sided,
    random_subsample,
    toward_viewer,
    typical_spacing,
)
from plane_anomalib.inspection.card import CARD_FILE, GOOD_FOLDER, DetectorCard, DetectorError
from plane_anomalib.inspection.regions import Heights
from plane_anomalib.models.template_residual.deviations import place

_PROBED = 6_000
_FAR = 0.03
"""Distances beyond this share of the longest side count as this much: a defect outvotes nothing."""
_LIES = 0.02
"""Mean distance, as a share of the longest side, beyond which a cloud is no scan of the part."""
_PLANES = 6
_BESIDE = 4.0
_GRAZING = 0.1
_ALIKE_NORMALS = 0.7


@dataclass(frozen=True, eq=False)
class NearestScan:
    """The good scan that a cloud resembles most.

    Attributes:
        name: Of the scan.
        points: `(M, 3) float32` its points, laid onto the cloud.
        against: Heights of the cloud beside it, in the object's units.
    """

    name: str
    points: FloatArray
    against: Heights


class GoodScans:
    """Good scans of one part, prepared when they are first asked for.

    Args:
        scans: Names and points `(M_i, 3) float32`, in common units.
        common_pose: Whether they, and the clouds that are compared, lie the same way.
        seed: Of every draw.
    """

    def __init__(
        self, scans: Mapping[str, FloatArray], *, common_pose: bool = False, seed: int = 0
    ) -> None:
        self.scans = dict(scans)
        self.common_pose = common_pose
        self.seed = seed

    @classmethod
    def read(cls, folder: Path, *, common_pose: bool = False) -> GoodScans:
        """Read the `.npz` files of a folder; of none, or no folder, there are no scans.

        Args:
            folder: Where they lie.
            common_pose: Whether they lie the same way.

        Raises:
            DetectorError: A file is damaged.
        """
        files = sorted(folder.glob("*.npz"))
        return cls({file.stem: _points(file) for file in files}, common_pose=common_pose)

    def nearest(self, cloud: FloatArray) -> NearestScan | None:
        """Lay a cloud onto the good scans and take the one it is nearest to.

        Args:
            cloud: `(N, 3)`, whole or one side, in the units of the scans.

        Returns:
            The scan; `None` without scans, or if the cloud fits none of them.
        """
        if not self.scans:
            return None
        points = as_points(cloud)
        probe = self._probe(points)
        onto_first = self._onto(self._goods[0].target, probe)
        best: tuple[float, _Good, RigidTransform] | None = None
        for good in self._goods:
            onto = good.from_first.compose(onto_first)
            distances = np.minimum(good.index.query(onto.apply(probe), 1)[0], _FAR * good.extent)
            cost = float(distances.mean()) / good.extent
            if best is None or cost < best[0]:
                best = cost, good, onto
        if best is None or best[0] > _LIES:
            return None
        _, good, onto = best
        onto = good.target.refine(probe, onto).transform
        heights = good.heights(onto.apply(points))
        back = onto.inverse()
        laid = back.apply(good.points)
        stands, beside = _standing_out(
            laid, good.normals @ back.rotation.T.astype(np.float32), points
        )
        usual = float(np.median(np.abs(heights)))
        against = Heights(heights, usual, stands, beside, good.signed, good.assumed)
        return NearestScan(good.name, laid, against)

    def _probe(self, points: FloatArray) -> FloatArray:
        generator = np.random.default_rng(self.seed)
        return points[random_subsample(len(points), min(len(points), _PROBED), generator)]

    def _onto(self, target: RegistrationTarget, probe: FloatArray) -> RigidTransform:
        return place(probe, target, search=True, in_place=self.common_pose).transform

    @cached_property
    def _goods(self) -> list[_Good]:
        goods: list[_Good] = []
        for name, points in self.scans.items():
            good = _Good(name, as_points(points), self.seed)
            if goods:
                onto_first = self._onto(goods[0].target, self._probe(good.points))
                good.from_first = onto_first.inverse()
            goods.append(good)
        return goods


def _points(file: Path) -> FloatArray:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return as_points(arrays["points"])
    except (OSError, ValueError, KeyError) as error:
        raise DetectorError(f"{file}: cannot be read ({error}); train again.") from error


class _Good:
    """A good scan with its trees."""

    def __init__(self, name: str, points: FloatArray, seed: int) -> None:
        self.name = name
        self.points = points
        self.extent = float(np.ptp(points, axis=0).max()) or 1.0
        self.target = RegistrationTarget(points, seed=seed)
        self.index = NeighbourIndex(points)
        self.from_first = RigidTransform.identity()

    @cached_property
    def normals(self) -> FloatArray:
        """They look out of the material; of a scan of one side, to where it was seen from."""
        normals = surface_side_normals(self.points)
        viewer = self._viewer
        if viewer is None:
            return normals
        facing = np.einsum("ni,ni->n", normals, viewer)
        return np.where((facing < -_GRAZING)[:, None], -normals, normals).astype(np.float32)

    @cached_property
    def signed(self) -> bool:
        """Whether it is known which way the surface looks."""
        return self._viewer is not None or not self._one_sided

    @cached_property
    def _one_sided(self) -> bool:
        return is_one_sided(self.points)

    @cached_property
    def _viewer(self) -> FloatArray | None:
        return self._seen_from.toward if self._one_sided else None

    @property
    def assumed(self) -> bool:
        """Whether it was assumed which way the surface looks."""
        return self._one_sided and self._seen_from.assumed

    @cached_property
    def _seen_from(self) -> Viewer:
        return toward_viewer(self.points)

    def heights(self, cloud: FloatArray) -> NDArray[np.float32]:
        """Mean distance from the planes of the nearest points: the scan's noise averages out."""
        near, around = self.index.query(cloud, min(_PLANES, len(self.points)))
        normals = self.normals[around]
        distances = np.einsum("nki,nki->nk", cloud[:, None] - self.points[around], normals)
        # The other side of a thin wall does not count.
        same = np.einsum("nki,ni->nk", normals, normals[:, 0]) > 0.5
        heights = (distances * same).sum(1) / same.sum(1)
        beside = np.sqrt(np.maximum(np.square(near[:, 0]) - np.square(distances[:, 0]), 0))
        # Beyond an edge a plane goes on where the surface does not.
        sizes = np.where(beside > _BESIDE * self.spacing, near[:, 0], np.abs(heights))
        return np.copysign(sizes, heights).astype(np.float32)

    @cached_property
    def spacing(self) -> float:
        return float(np.median(self.index.query(self.points[:2_000], 2)[0][:, 1]))


def _standing_out(
    good: FloatArray, normals: FloatArray, cloud: FloatArray
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """How far the points of a good scan `(M, 3)` stand out of a cloud's surface, and where.

    The boss that a scan lacks is seen in the good scan alone: its top stands above the surface
    that was scanned in its place. Surfaces that look another way are not compared.
    """
    index = NeighbourIndex(cloud)
    near, around = index.query(good, min(_PLANES, len(cloud)))
    surface = point_normals(cloud)[around]
    facing = np.einsum("mki,mi->mk", surface, normals)
    offsets = good[:, None] - cloud[around]
    distances = np.einsum("mki,mki->mk", offsets, surface) * np.sign(facing)
    alike = np.abs(facing) > _ALIKE_NORMALS
    counted = alike.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        heights = np.where(counted > 0, (distances * alike).sum(1) / counted, np.nan)
        aslant = np.square(near[:, 0]) - np.square(heights)
        # What lies far beside is not in place of anything, but beyond what was seen.
        reach = np.maximum(np.abs(heights), _BESIDE * typical_spacing(cloud))
        heights[aslant > np.square(reach)] = np.nan
    return heights.astype(np.float32), around[:, 0]


@dataclass(frozen=True, eq=False)
class LaidScan:
    """A good scan as it lies beside a cloud.

    Attributes:
        name: Of the good scan.
        points: `(M, 3) float32`, in the frame of the cloud.
        note: How it was laid there, in words.
    """

    name: str
    points: NDArray[np.float32]
    note: str


class GoodScanOverlay:
    """Lays the good scans of a detector onto clouds.

    Args:
        run: The detector's folder; `None` if no one knows it.
        weights_hash: Of the detector that judged; `None` where it is not known.
    """

    def __init__(self, run: Path | None, weights_hash: str | None = None) -> None:
        self._scans: GoodScans | None = None
        self._why = ""
        # Of the scan that `predict` has named, alone: finding it again would cost more.
        self._single: dict[str, GoodScans] = {}
        try:
            self._scans = _opened(run, weights_hash)
        except DetectorError as error:
            self._why = f"No good scan to compare with: {error}"

    def beside(self, points: NDArray[np.float32], name: str | None) -> LaidScan | str:
        """Lay the nearest good scan onto a cloud.

        Args:
            points: `(N, 3) float32`.
            name: The nearest scan if it is known; `None` finds it.

        Returns:
            The scan, or a sentence why there is none.
        """
        if self._scans is None:
            return self._why
        scans = self._scans if name is None else self._alone(self._scans, name)
        found = scans.nearest(points)
        if found is None:
            return "No good scan to compare with: the cloud fits none of them."
        way = "starting as they lie" if scans.common_pose else "by registration"
        return LaidScan(found.name, found.points, f"laid onto the cloud, {way}")

    def _alone(self, scans: GoodScans, name: str) -> GoodScans:
        if name not in scans.scans:
            return scans
        if name not in self._single:
            one = {name: scans.scans[name]}
            self._single[name] = type(scans)(one, common_pose=scans.common_pose)
        return self._single[name]


def _opened(run: Path | None, weights_hash: str | None) -> GoodScans:
    """The good scans of a detector's folder.

    Raises:
        DetectorError: There are none, or they are not of the detector that judged.
    """
    if run is None or not (run / CARD_FILE).is_file():
        missing = "the detector's folder is not known" if run is None else f"{run} is no detector"
        raise DetectorError(f"{missing}; name its folder with --run.")
    card = DetectorCard.read(run)
    if weights_hash is not None and card.weights_hash != weights_hash:
        raise DetectorError(f"{run} holds another detector than the one that judged.")
    scans = GoodScans.read(run / GOOD_FOLDER, common_pose=card.common_pose)
    if not scans.scans:
        raise DetectorError(f"{run / GOOD_FOLDER} holds none.")
    return scans


EXPLAINED = 0.88
"""Share of a scan's points that another one of the same part comes near to, both ways round: whole
scans of one part reach 0.98, another part 0.2 to 0.6, and a piece of it what it is of the whole."""
_NEAR_SHARE = 0.01
_SPACINGS = 2.5
"""Of points drawn at random, 1 in 100 has its nearest neighbour further away than so many times
what is usual."""
_PROBED = 2_000
_TREE = 20_000


def shares_of_most(scans: Sequence[FloatArray], *, seed: int = 0) -> list[float]:
    """How far scans of one part explain each other.

    Each is laid on the one of them that most agree with, unless it lies there already.

    Args:
        scans: `(N_i, 3)`, in one unit.
        seed: Of the points that are looked at.

    Returns:
        The lesser of two shares for each: of its points, those that the one shows, and of the
        one's, those that it shows.
    """
    generator = np.random.default_rng(seed)
    clouds = [_drawn(scan, _TREE, generator) for scan in scans]
    sizes = [float(np.sqrt(cloud.var(axis=0).sum())) for cloud in clouds]
    middle = statistics.median(sizes)
    best: list[float] = []
    for number in sorted(range(len(scans)), key=lambda i: abs(sizes[i] - middle)):
        shares = _explained(clouds, number, generator, seed)
        if sum(share >= EXPLAINED for share in shares) > sum(s >= EXPLAINED for s in best):
            best = shares
        if 2 * sum(share >= EXPLAINED for share in best) > len(scans):
            break
    return best


def _explained(
    clouds: Sequence[FloatArray], number: int, generator: np.random.Generator, seed: int
) -> list[float]:
    one, target, shares = clouds[number], None, []
    for i, cloud in enumerate(clouds):
        share = 1.0 if i == number else _both_ways(cloud, one, generator)
        if share < EXPLAINED:
            target = target or RegistrationTarget(one, seed=seed)
            laid = target.register(cloud).transform.apply(cloud)
            share = max(share, _both_ways(laid, one, generator))
        shares.append(share)
    return shares


def _both_ways(cloud: FloatArray, one: FloatArray, generator: np.random.Generator) -> float:
    spacing = max(typical_spacing(cloud), typical_spacing(one))
    near = _SPACINGS * spacing + _NEAR_SHARE * float(np.ptp(one.astype(np.float64), axis=0).max())
    shares = []
    for probed, shown in ((cloud, one), (one, cloud)):
        distances = NeighbourIndex(shown).query(_drawn(probed, _PROBED, generator), 1)[0]
        shares.append(float(np.mean(distances < near)))
    return min(shares)


def _drawn(cloud: FloatArray, num: int, generator: np.random.Generator) -> FloatArray:
    return cloud[random_subsample(len(cloud), min(num, len(cloud)), generator)]

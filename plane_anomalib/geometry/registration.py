"""Rigid registration of a scan, complete or one-sided and in any pose, to a complete template.

No features are matched. Even rotations are tried at once by ICP on a lookup grid; the translation
of each comes from where the centroid of what a camera sees would lie. The best are refined and told
apart by how far the scan is off the template and by what the scan should show but does not.
`match_features` is how the reference code of the published baselines registers instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plane_anomalib.core.errors import ConfigurationError, MissingDependencyError
from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.points import FloatArray, RigidTransform, as_points
from plane_anomalib.geometry.pose_candidates import (
    approximate_symmetries,
    local_minima,
    nearby_poses,
    starting_poses,
)
from plane_anomalib.geometry.pose_search import Poses, refine
from plane_anomalib.geometry.posed_surface import PosedSurface, coarse_points, covariance
from plane_anomalib.geometry.sampling import random_subsample

Array = NDArray[np.float64]

_ALL = 1_500
"""Points of a scan that are compared; fewer while there are many poses."""
_NEAR = 0.03
"""Distances beyond this share of the longest side count as this much: a defect outvotes nothing."""
_GAP = 0.06
_ONE_SIDED_BELOW = 0.85
"""A scan that comes near to less than this share of the template shows one side of it."""
_GAP_WEIGHT = 0.1
_GOOD = 0.0015
_SHAKES = 2
_START_VIEWS = 4
_VIEWS = 2
"""Of 128, in which a one-sided scan of a pose may have been taken."""

_ITERATIONS = 100_000
_CONFIDENCE = 0.999
_EDGE_LENGTH = 0.9


@dataclass(frozen=True)
class Registration:
    """How a scan lies on its template.

    Attributes:
        transform: From the frame of the scan to that of the target.
        cost: Mean distance of the scan to the surface of the target, each cut off at 3 %, plus a
            tenth of the mean distance from where the scan should be seen to where it is; a share
            of the target's longest side. Some 0.001 where right, 0.005 and more where wrong.
        covered: Share of the target that the scan comes near to.
    """

    transform: RigidTransform
    cost: float
    covered: float

    @property
    def complete(self) -> bool:
        """Whether the scan shows the object from all sides."""
        return self.covered >= _ONE_SIDED_BELOW


class RegistrationTarget:
    """A template prepared once for many scans.

    Args:
        points: (N, 3) complete scan or sampled mesh, any units.
        seed: Of every draw; the same seed gives the same bits.
    """

    def __init__(self, points: ArrayLike, *, seed: int = 0) -> None:
        self.seed = seed
        self.surface = PosedSurface(points, np.random.default_rng(seed))

    @cached_property
    def symmetries(self) -> Poses:
        """Poses in which the template nearly covers itself, found by registering it to itself."""
        surface, generator = self.surface, np.random.default_rng(self.seed)
        starts = starting_poses(surface, surface.coarse, views=0)
        found = local_minima(surface, surface.coarse, starts, generator, keep=48)
        return approximate_symmetries(surface, found, generator)

    def register(self, source: ArrayLike) -> Registration:
        """Find the pose of a scan.

        Args:
            source: (M, 3) scan in the units of the target, anywhere.

        Returns:
            The transform onto the target and what it costs.

        Raises:
            ConfigurationError: If the cloud is empty or not (M, 3).
        """
        scan = _Scan.of(source, self.surface, self.seed)
        starts = starting_poses(self.surface, scan.coarse, views=_START_VIEWS)
        generator = np.random.default_rng(self.seed)
        poses = local_minima(self.surface, scan.coarse, starts, generator, keep=16)
        poses = self._refined(scan, poses, 300, np.geomspace(0.12, 0.03, 7))
        order = np.argsort(self._off(scan, poses, 300), kind="stable")
        poses = self._refined(scan, poses[order[:5]], 800, np.geomspace(0.1, 0.02, 10))
        covered = max(float(np.mean(gaps < 0.05)) for gaps in scan.gaps(self.surface, poses))
        complete = covered >= _ONE_SIDED_BELOW
        best = poses[[int(np.argmin(self._costs(scan, poses, complete)))]]
        if len(self.symmetries) > 1:
            turned = self.symmetries.after(best.rotations[0], best.translations[0])
            order = np.argsort(self._off(scan, turned, 300), kind="stable")[:4]
            best = best.joined(turned[order])
            best = best[np.argsort(self._costs(scan, best, complete), kind="stable")[:2]]
        best = self._refined(scan, best, _ALL, np.geomspace(0.05, 0.008, 8))
        best, costs = self._shaken(scan, best, complete)
        return self._result(scan, best[[int(np.argmin(costs))]], float(costs.min()), covered)

    def refine(self, source: ArrayLike, start: RigidTransform) -> Registration:
        """Settle a pose that is known to within some 3 % of the longest side.

        Args:
            source: (M, 3) scan in the units of the target.
            start: Where it lies, roughly.

        Returns:
            The transform onto the target and what it costs.

        Raises:
            ConfigurationError: If the cloud is empty or not (M, 3).
        """
        scan = _Scan.of(source, self.surface, self.seed)
        rotation = start.rotation
        shift = rotation @ scan.center + start.translation - self.surface.center
        poses = Poses(rotation[None], shift[None] / self.surface.extent)
        poses = self._refined(scan, poses, _ALL, np.geomspace(0.04, 0.008, 10))
        covered = float(np.mean(scan.gaps(self.surface, poses)[0] < 0.05))
        cost = self._costs(scan, poses, covered >= _ONE_SIDED_BELOW)[0]
        return self._result(scan, poses, float(cost), covered)

    def _refined(self, scan: _Scan, poses: Poses, num: int, cuts: Array) -> Poses:
        surface = self.surface
        points = scan.points[:num]
        return refine(surface.fine_index, surface.fine_normals, points, poses, cuts)

    def _shaken(self, scan: _Scan, poses: Poses, complete: bool) -> tuple[Poses, Array]:
        """Leave the minimum in which the outside of a wall lies on its inside, if there is one."""
        generator = np.random.default_rng(self.seed)
        for _ in range(_SHAKES):
            costs = self._costs(scan, poses, complete)
            if costs.min() < _GOOD:
                break
            poses = poses[np.argsort(costs, kind="stable")]
            moved = self._refined(
                scan, nearby_poses(poses, generator), 300, np.geomspace(0.03, 0.01, 6)
            )
            order = np.argsort(self._off(scan, moved, 300), kind="stable")[:3]
            moved = self._refined(scan, moved[order], _ALL, np.geomspace(0.02, 0.006, 8))
            poses = poses[[0]].joined(moved)
        return poses, self._costs(scan, poses, complete)

    def _off(self, scan: _Scan, poses: Poses, num: int) -> Array:
        """Mean distance of the scan from the template."""
        moved = poses.apply(scan.points[:num])
        distances = self.surface.distances(moved.reshape(-1, 3)).reshape(moved.shape[:2])
        return np.asarray(np.minimum(distances, _NEAR).mean(1))

    def _costs(self, scan: _Scan, poses: Poses, complete: bool) -> Array:
        gaps = np.minimum(scan.gaps(self.surface, poses), _GAP)
        if complete:
            missing = gaps.mean(1)
        else:
            turned = poses.rotations @ scan.spread @ poses.rotations.transpose(0, 2, 1)
            likely = self.surface.views_like(turned, _VIEWS)
            visible = self.surface.visible
            missing = np.array(
                [
                    min(row[visible[v]].mean() for v in views)
                    for row, views in zip(gaps, likely, strict=True)
                ]
            )
        return self._off(scan, poses, _ALL) + _GAP_WEIGHT * missing

    def _result(self, scan: _Scan, pose: Poses, cost: float, covered: float) -> Registration:
        surface, rotation = self.surface, pose.rotations[0]
        shift = pose.translations[0] * surface.extent + surface.center - rotation @ scan.center
        return Registration(RigidTransform(rotation, shift), cost, covered)


@dataclass(frozen=True)
class _Scan:
    """A scan centered on itself, in units of the target's longest side."""

    center: Array
    points: Array
    coarse: FloatArray
    spread: Array
    index: NeighbourIndex

    @classmethod
    def of(cls, source: ArrayLike, surface: PosedSurface, seed: int) -> _Scan:
        cloud = as_points(source, name="source")
        center = cloud.mean(0, dtype=np.float64)
        unit = np.asarray((cloud - center) / surface.extent, np.float32)
        generator = np.random.default_rng(seed)
        coarse = coarse_points(unit)
        drawn = unit[random_subsample(len(unit), min(len(unit), 6_000), generator)]
        points = drawn[:_ALL].astype(np.float64)
        return cls(center, points, coarse, covariance(coarse), NeighbourIndex(drawn))

    def gaps(self, surface: PosedSurface, poses: Poses) -> Array:
        """(S, V) distance of each view point of the template from the posed scan."""
        offsets = surface.view_points[None] - poses.translations[:, None]
        unposed = offsets @ poses.rotations
        gaps = self.index.query(unposed.reshape(-1, 3), 1)[0]
        return gaps.reshape(unposed.shape[:2]).astype(np.float64)


def register(source: ArrayLike, target: ArrayLike, *, seed: int = 0) -> Registration:
    """Find the rigid transform that lays a scan onto a template.

    Free of units; both clouds must have the same. For many scans of one object prepare a
    `RegistrationTarget` once.

    Args:
        source: (M, 3) complete or one-sided scan in any pose.
        target: (N, 3) complete template.
        seed: The same seed gives the same bits.

    Returns:
        The transform and its cost.

    Raises:
        ConfigurationError: If a cloud is empty or not (*, 3).
    """
    return RegistrationTarget(target, seed=seed).register(source)


def match_features(
    source: ArrayLike, target: ArrayLike, voxel: float, *, seed: int = 0
) -> RigidTransform:
    """RANSAC over matched FPFH of voxel-thinned clouds, with Open3D; no refinement.

    Normals within 2 voxels (at most 30 neighbours), FPFH within 5 (at most 100), mutual matches,
    three correspondences within 1.5 voxels per draw.

    Args:
        source: (M, 3).
        target: (N, 3), same units.
        voxel: Edge of the cells that the clouds are thinned to, in those units.
        seed: Of the draws; the reference code sets none.

    Returns:
        The motion of the source onto the target.

    Raises:
        MissingDependencyError: Open3D is not installed.
        ConfigurationError: If a cloud is empty or not (*, 3), or Open3D cannot be loaded.
    """
    o3d = _open3d()
    registration = o3d.pipelines.registration
    pairs = [_described(o3d, as_points(cloud), voxel) for cloud in (source, target)]
    (source_cloud, source_fpfh), (target_cloud, target_fpfh) = pairs
    o3d.utility.random.seed(seed)
    result = registration.registration_ransac_based_on_feature_matching(
        source_cloud,
        target_cloud,
        source_fpfh,
        target_fpfh,
        True,
        1.5 * voxel,
        registration.TransformationEstimationPointToPoint(False),
        3,
        _checks(registration, voxel),
        registration.RANSACConvergenceCriteria(_ITERATIONS, _CONFIDENCE),
    )
    motion = np.asarray(result.transformation, np.float64)
    return RigidTransform(motion[:3, :3], motion[:3, 3])


def _checks(registration: Any, voxel: float) -> list[Any]:
    return [
        registration.CorrespondenceCheckerBasedOnEdgeLength(_EDGE_LENGTH),
        registration.CorrespondenceCheckerBasedOnDistance(1.5 * voxel),
    ]


def _described(o3d: Any, points: FloatArray, voxel: float) -> tuple[Any, Any]:
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points.astype(np.float64)))
    thinned = cloud.voxel_down_sample(voxel)
    near = o3d.geometry.KDTreeSearchParamHybrid
    thinned.estimate_normals(near(radius=2 * voxel, max_nn=30))
    fpfh = o3d.pipelines.registration.compute_fpfh_feature(
        thinned, near(radius=5 * voxel, max_nn=100)
    )
    return thinned, fpfh


def _open3d() -> Any:
    try:
        import open3d
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "open3d", "open3d", "to register as the reference code does"
        ) from error
    except (ImportError, OSError) as error:
        raise ConfigurationError(
            f"Open3D is installed but cannot be loaded ({error}): on Debian, "
            "apt-get install libusb-1.0-0 libgl1 libgomp1 libx11-6."
        ) from error
    return open3d

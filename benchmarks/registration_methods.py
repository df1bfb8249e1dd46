"""Ways to register a scan to a template, ours and others', behind one signature.

Those of others end with the same point-to-plane ICP as ours (`RegistrationTarget.refine`), so that
what is compared is whether the right pose is found at all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType

import numpy as np

from plane_anomalib.geometry.pose_candidates import starting_poses
from plane_anomalib.geometry.pose_search import Poses
from plane_anomalib.geometry.posed_surface import PosedSurface, coarse_points
from plane_anomalib.geometry.registration import (
    Registration,
    RegistrationTarget,
    RigidTransform,
    match_features,
)

Method = Callable[[np.ndarray], Registration]

VOXELS = (0.02, 0.03, 0.04)
"""Shares of the longest side that the feature matchers thin to."""


def ours(template: np.ndarray) -> Method:
    """`RegistrationTarget.register`."""
    target = RegistrationTarget(template)
    len(target.symmetries)  # found once per object, not per scan
    return target.register


def open3d(template: np.ndarray, voxel: float) -> Method:
    """RANSAC over matched FPFH as in the published Reg3D-AD code, voxel scaled, then ICP.

    As there, the template's features are computed anew with every scan.
    """
    target = RegistrationTarget(template)
    edge = voxel * target.surface.extent

    def register(points: np.ndarray) -> Registration:
        return target.refine(points, match_features(points, template, edge))

    return register


def kiss_matcher(template: np.ndarray, voxel: float) -> Method:
    """KISS-Matcher (Lim et al. 2025: Faster-PFH, pruning by graph, robust solver), then ICP."""
    package = required("kiss_matcher", "kiss-matcher")
    target = RegistrationTarget(template)
    extent = target.surface.extent

    def register(points: np.ndarray) -> Registration:
        # In units of the longest side, centered: the package assumes metres near the origin.
        middle = points.mean(0, dtype=np.float64)
        matcher = package.KISSMatcher(package.KISSMatcherConfig(voxel_size=voxel))
        found = matcher.estimate(
            np.asarray((points - middle) / extent, np.float32),
            np.asarray((template - target.surface.center) / extent, np.float32),
        )
        rotation = nearest_rotation(np.asarray(found.rotation, np.float64))
        shift = np.asarray(found.translation, np.float64).reshape(3) * extent
        start = RigidTransform(rotation, shift + target.surface.center - rotation @ middle)
        return target.refine(points, start)

    return register


def small_gicp(template: np.ndarray) -> Method:
    """small_gicp (Koide 2024) from each of our 1,500 starting poses, then ICP.

    The package refines only. Each start goes through a dozen steps of its point-to-plane ICP on
    clouds thinned to 6 %, the 8 nearest to the template through its GICP on clouds thinned to 2 %;
    the nearest of them is taken.
    """
    package = required("small_gicp", "small_gicp")
    target = RegistrationTarget(template)
    surface = target.surface
    steps = ((0.06, "PLANE_ICP", 0.2, 12), (0.02, "GICP", 0.1, 40))
    targets = [package.preprocess_points(surface.fine.astype(np.float64), v) for v, *_ in steps]

    def register(points: np.ndarray) -> Registration:
        middle = points.mean(0, dtype=np.float64)
        unit = np.asarray((points - middle) / surface.extent, np.float32)
        thinned = coarse_points(unit)
        starts = starting_poses(surface, thinned, views=4)
        poses = homogeneous(starts)
        for (voxel, kind, reach, turns), (cloud, tree) in zip(steps, targets, strict=True):
            scan, _ = package.preprocess_points(unit.astype(np.float64), voxel)
            found = [
                package.align(
                    *(cloud, scan, tree, pose),
                    registration_type=kind,
                    max_correspondence_distance=reach,
                    max_iterations=turns,
                ).T_target_source
                for pose in poses
            ]
            order = np.argsort(truncated(surface, thinned[::3], np.stack(found)), kind="stable")
            poses = np.stack(found)[order[:8]]
        rotation = nearest_rotation(poses[0][:3, :3])
        shift = poses[0][:3, 3] * surface.extent + surface.center
        return target.refine(points, RigidTransform(rotation, shift - rotation @ middle))

    return register


def truncated(surface: PosedSurface, points: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(S,) mean distance of the points to the surface, each cut off at 3 %.

    The package's own error only sums over the points within reach: it favours poses that lose most.
    """
    costs = []
    for pose in found:
        moved = points @ pose[:3, :3].T + pose[:3, 3]
        near = surface.coarse_index.query(moved, 1)[0][:, 0]
        costs.append(float(np.minimum(near, 0.03).mean()))
    return np.asarray(costs)


def homogeneous(poses: Poses) -> np.ndarray:
    """(S, 4, 4) matrices."""
    matrices = np.tile(np.eye(4), (len(poses), 1, 1))
    matrices[:, :3, :3] = poses.rotations
    matrices[:, :3, 3] = poses.translations
    return matrices


def nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """Undo rounding in single precision."""
    left, _, right = np.linalg.svd(matrix)
    flip = np.diag([1.0, 1.0, np.linalg.det(left @ right)])
    return np.asarray(left @ flip @ right)


def required(module: str, package: str) -> ModuleType:
    """Import a package that only this comparison uses."""
    try:
        return __import__(module)
    except ModuleNotFoundError as error:
        raise SystemExit(f"This method needs {package}: pip install {package}.") from error


METHODS: dict[str, dict[str, Callable[[np.ndarray], Method]]] = {
    "ours": {"ours": ours},
    "open3d": {f"open3d, voxel {voxel:.0%}": partial(open3d, voxel=voxel) for voxel in VOXELS},
    "small_gicp": {"small_gicp": small_gicp},
    "kiss-matcher": {
        f"kiss-matcher, voxel {voxel:.0%}": partial(kiss_matcher, voxel=voxel) for voxel in VOXELS
    },
}
"""By name, the variants that are run."""

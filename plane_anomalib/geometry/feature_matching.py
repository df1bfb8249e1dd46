"""Registration by matched features, as the reference code of the published baselines does it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from plane_anomalib.core.errors import ConfigurationError, MissingDependencyError
from plane_anomalib.geometry.rigid import RigidTransform
from plane_anomalib.geometry.validation import FloatArray, as_points

_ITERATIONS = 100_000
_CONFIDENCE = 0.999
_EDGE_LENGTH = 0.9


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
        [
            registration.CorrespondenceCheckerBasedOnEdgeLength(_EDGE_LENGTH),
            registration.CorrespondenceCheckerBasedOnDistance(1.5 * voxel),
        ],
        registration.RANSACConvergenceCriteria(_ITERATIONS, _CONFIDENCE),
    )
    motion = np.asarray(result.transformation, np.float64)
    return RigidTransform(motion[:3, :3], motion[:3, 3])


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

"""Where a search for a pose starts, and which local minima the starts lead to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from plane_anomalib.geometry.pose_search import Poses, closest_point_steps, distinct, plane_steps
from plane_anomalib.geometry.posed_surface import PosedSurface, covariance
from plane_anomalib.geometry.rigid import even_rotations
from plane_anomalib.geometry.sampling import random_subsample
from plane_anomalib.geometry.validation import FloatArray

Array = NDArray[np.float64]

_ROTATIONS = 500
_MOVES = 32


def nearby_poses(poses: Poses, generator: np.random.Generator) -> Poses:
    """Small random moves about the best poses, to leave a minimum beside the right one.

    Args:
        poses: Best first; three in four moves start from the first, the rest from the second.
        generator: Draws the moves, of some 3 degrees and 2 % of the longest side.

    Returns:
        32 poses.
    """
    chosen = np.arange(_MOVES) % 4 // 3 * (len(poses) > 1)
    turns = generator.normal(0, np.radians(3.0), (_MOVES, 3))
    shifts = generator.normal(0, 0.02, (_MOVES, 3))
    turned = Rotation.from_rotvec(turns).as_matrix()
    rotations = turned @ poses.rotations[chosen]
    moved = np.einsum("sij,sj->si", turned, poses.translations[chosen])
    return Poses(rotations, moved + shifts)


def starting_poses(surface: PosedSurface, coarse: FloatArray, *, views: int) -> Poses:
    """Even rotations, each with the translations that bring centroids together.

    The centroid of a one-sided scan is that of what a camera sees of the surface. From where it
    looked follows from how the scan is spread out: normals would not tell, as nobody knows which
    side of the surface they are on.

    Args:
        surface: What to register to.
        coarse: (C, 3) thinned scan.
        views: In how many views, the likeliest for a rotation, the scan may be one-sided.

    Returns:
        500 poses for the whole surface and 500 for each view.
    """
    rotations = even_rotations(_ROTATIONS)
    centers = [np.broadcast_to(surface.coarse.mean(0), (len(rotations), 3))]
    if views:
        spreads = rotations @ covariance(coarse) @ rotations.transpose(0, 2, 1)
        centers += list(surface.visible_centers[surface.views_like(spreads, views).T])
    turned = rotations @ coarse.mean(0, dtype=np.float64)
    return Poses(
        np.concatenate([rotations] * len(centers)),
        np.concatenate([center - turned for center in centers]),
    )


def local_minima(
    surface: PosedSurface,
    coarse: FloatArray,
    poses: Poses,
    generator: np.random.Generator,
    keep: int,
) -> Poses:
    """Go from some thousand starts to a few distinct local minima.

    Args:
        surface: What to register to.
        coarse: (C, 3) thinned scan.
        poses: Starts.
        generator: Draws the points that are compared.
        keep: How many minima at most.

    Returns:
        The minima, cheapest first.
    """
    order = random_subsample(len(coarse), min(len(coarse), 250), generator)
    points = coarse[order].astype(np.float64)
    poses, costs = closest_point_steps(surface, points[:64], poses, 6, 0.08)
    poses = poses[np.argsort(costs, kind="stable")[:120]]
    poses, costs = closest_point_steps(surface, points, poses, 8, 0.05)
    poses = plane_steps(surface, points, poses, np.geomspace(0.15, 0.05, 6))
    poses, costs = closest_point_steps(surface, points, poses, 0, 0.05)
    return distinct(poses, costs, keep, 8.0, 0.03, coarse.mean(0, dtype=np.float64))

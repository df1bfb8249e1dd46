"""Where a search for a pose starts, the local minima it leads to, and an object's symmetries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from plane_anomalib.geometry.points import FloatArray, even_rotations
from plane_anomalib.geometry.pose_search import (
    Poses,
    closest_point_steps,
    distinct,
    plane_steps,
    refine,
)
from plane_anomalib.geometry.posed_surface import PosedSurface, covariance
from plane_anomalib.geometry.sampling import random_subsample

Array = NDArray[np.float64]

_ROTATIONS = 500
_MOVES = 32

_ALIKE = 0.015
"""RMS distance, as a share of the longest side, below which two poses look alike."""
_STEP = 3.0
"""Degrees between the turns tried about an axis of revolution."""


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


def approximate_symmetries(
    surface: PosedSurface, poses: Poses, generator: np.random.Generator
) -> Poses:
    """Choose from the local minima of registering a surface to itself those that look alike.

    Where many of them turn about one axis (a vase), even turns about it are tried as well, so that
    a small mark that breaks the symmetry can be found afterwards.

    Args:
        surface: The surface.
        poses: Local minima.
        generator: Draws the points that are compared.

    Returns:
        The poses, the identity first.
    """
    chosen = random_subsample(len(surface.coarse), min(len(surface.coarse), 500), generator)
    points = surface.coarse[np.sort(chosen)].astype(np.float64)
    cuts = np.geomspace(0.1, 0.02, 8)
    poses = refine(surface.fine_index, surface.fine_normals, points, poses, cuts)
    costs = _differences(surface, points, poses)
    poses = distinct(
        poses[np.flatnonzero(costs < _ALIKE)], costs[costs < _ALIKE], 48, 5, 0.03, np.zeros(3)
    )
    vectors = Rotation.from_matrix(poses.rotations).as_rotvec() if len(poses) else np.empty((0, 3))
    turning = np.linalg.norm(vectors, axis=1) > np.radians(5.0)
    poses, vectors = poses[np.flatnonzero(turning)], vectors[turning]
    revolved = _revolutions(poses, vectors)
    if revolved is not None:
        alike = _differences(surface, points, revolved) < _ALIKE
        poses = revolved[np.flatnonzero(alike)]
    return Poses(
        np.concatenate([np.eye(3)[None], poses.rotations]),
        np.concatenate([np.zeros((1, 3)), poses.translations]),
    )


def _differences(surface: PosedSurface, points: Array, poses: Poses) -> Array:
    moved = poses.apply(points)
    distances = surface.distances(moved.reshape(-1, 3)).reshape(moved.shape[:2])
    return np.asarray(np.sqrt(np.mean(np.square(np.minimum(distances, 0.05)), axis=1)))


def _revolutions(poses: Poses, vectors: Array, least: int = 6) -> Poses | None:
    """Even turns about the axis that at least `least` poses share, if there is one."""
    if len(poses) < least:
        return None
    axes = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    axis = np.linalg.eigh(axes.T @ axes)[1][:, 2]
    about = np.abs(axes @ axis) > 0.98
    if about.sum() < least:
        return None
    # A point on the axis stays where it is: (1 - R) p = t, and p has no part along the axis.
    system = np.concatenate([*(np.eye(3) - poses.rotations[about]), axis[None]])
    shifts = np.concatenate([*poses.translations[about], np.zeros(1)])
    point = np.linalg.lstsq(system, shifts, rcond=None)[0]
    turns = np.radians(np.arange(_STEP, 360.0, _STEP))[:, None] * axis
    rotations = np.asarray(Rotation.from_rotvec(turns).as_matrix())
    revolved = Poses(rotations, point - rotations @ point)
    flips = np.flatnonzero(~about & (np.abs(axes @ axis) < 0.2))[:1]
    if len(flips) == 0:
        return revolved
    flip = poses[flips]
    flipped = revolved.after(flip.rotations[0], flip.translations[0])
    return Poses(
        np.concatenate([revolved.rotations, flip.rotations, flipped.rotations]),
        np.concatenate([revolved.translations, flip.translations, flipped.translations]),
    )

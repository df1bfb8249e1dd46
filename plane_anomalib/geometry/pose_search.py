"""Many poses at once: batched iterative closest point on a lookup grid, and its exact end game."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from plane_anomalib.core.cores import in_chunks, worker_threads
from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.points import IntArray
from plane_anomalib.geometry.posed_surface import PosedSurface

Array = NDArray[np.float64]

_KEPT_SHARE = 0.85
"""Of the points in a coarse step: the worst are other parts of the object that are out of reach."""

_AT_ONCE = 16_000
"""Points moved by one thread at a time."""


@dataclass(frozen=True)
class Poses:
    """S candidate poses.

    Attributes:
        rotations: (S, 3, 3) float64.
        translations: (S, 3) float64.
    """

    rotations: Array
    translations: Array

    def __len__(self) -> int:
        """Number of candidates."""
        return len(self.rotations)

    def __getitem__(self, chosen: IntArray | list[int]) -> Poses:
        """Some of them."""
        return Poses(self.rotations[chosen], self.translations[chosen])

    def apply(self, points: Array) -> Array:
        """Move (M, 3) points to (S, M, 3)."""
        return points @ self.rotations.transpose(0, 2, 1) + self.translations[:, None]

    def joined(self, others: Poses) -> Poses:
        """These, then the others."""
        return Poses(
            np.concatenate([self.rotations, others.rotations]),
            np.concatenate([self.translations, others.translations]),
        )

    def before(self, rotations: Array, translations: Array) -> Poses:
        """Each of these, then the (S, 3, 3) and (S, 3) transform of the same number."""
        moved = np.einsum("sij,sj->si", rotations, self.translations) + translations
        return Poses(rotations @ self.rotations, moved)

    def after(self, rotation: Array, translation: Array) -> Poses:
        """Each of these done after one transform."""
        return Poses(self.rotations @ rotation, self.rotations @ translation + self.translations)


def over_poses(work: Callable[[Poses], Poses], poses: Poses, points: int) -> Poses:
    """Do the same to every pose, some at a time, on several threads.

    Args:
        work: What to do to some of the poses; each must come out the same whatever the others are.
        poses: All of them.
        points: How many points each moves: few poses at a time keep them in the cache.

    Returns:
        The results, in the order of the poses.
    """
    rotations, translations = np.empty_like(poses.rotations), np.empty_like(poses.translations)

    def some(part: slice) -> None:
        done = work(Poses(poses.rotations[part], poses.translations[part]))
        rotations[part], translations[part] = done.rotations, done.translations

    threads = worker_threads()
    size = min(max(_AT_ONCE // max(points, 1), 1), max(-(-len(poses) // threads), 1))
    in_chunks(some, len(poses), size, threads)
    return Poses(rotations, translations)


def closest_point_steps(
    surface: PosedSurface, points: Array, poses: Poses, steps: int, cap: float
) -> tuple[Poses, Array]:
    """Point-to-point ICP of all poses at once; a wide basin, a rough end.

    Args:
        surface: What to register to.
        points: (M, 3) few points of the scan.
        poses: Where to start.
        steps: Iterations.
        cap: Distance beyond which a point hardly counts.

    Returns:
        Poses and (S,) mean distances, each point's cut off at `cap`.
    """

    def follow(some: Poses) -> Poses:
        for _ in range(steps):
            moved = some.apply(points)
            matched = surface.coarse[surface.nearest(moved)].astype(np.float64)
            distances = np.linalg.norm(moved - matched, axis=2)
            limit = np.quantile(distances, _KEPT_SHARE, axis=1, keepdims=True)
            weights = (distances <= limit) / (1.0 + np.square(distances / cap))
            some = some.before(*_best_rigid(moved, matched, weights))
        return some

    poses = over_poses(follow, poses, len(points))
    return poses, _capped(surface, points, poses, cap)


def _capped(surface: PosedSurface, points: Array, poses: Poses, cap: float) -> Array:
    moved = poses.apply(points)
    distances = np.linalg.norm(moved - surface.coarse[surface.nearest(moved)], axis=2)
    return np.asarray(np.minimum(distances, cap).mean(1))


def _best_rigid(moved: Array, matched: Array, weights: Array) -> tuple[Array, Array]:
    """Weighted Kabsch solution for each of S sets of pairs."""
    shares = weights / np.maximum(weights.sum(1, keepdims=True), 1e-12)
    start = np.einsum("sm,smi->si", shares, moved)
    end = np.einsum("sm,smi->si", shares, matched)
    spread = ((moved - start[:, None]) * shares[..., None]).transpose(0, 2, 1)
    left, _, right = np.linalg.svd(spread @ (matched - end[:, None]))
    right[:, 2] *= np.where(np.linalg.det(left @ right) < 0, -1.0, 1.0)[:, None]
    turned = (left @ right).transpose(0, 2, 1)
    return turned, end - np.einsum("sij,sj->si", turned, start)


def plane_steps(surface: PosedSurface, points: Array, poses: Poses, cuts: Array) -> Poses:
    """Point-to-plane ICP of all poses at once, on the lookup grid.

    Args:
        surface: What to register to.
        points: (M, 3) some points of the scan.
        poses: Where to start.
        cuts: One step per entry: the distance from which a point is ignored (Tukey weights).

    Returns:
        The poses at the end.
    """

    def follow(some: Poses) -> Poses:
        for cut in cuts:
            moved = some.apply(points)
            indices = surface.nearest(moved)
            offsets = surface.coarse[indices] - moved
            normals = surface.coarse_normals[indices]
            some = some.before(*_plane_update(moved, offsets, normals, cut))
        return some

    return over_poses(follow, poses, len(points))


def refine(
    index: NeighbourIndex, normals: Array, points: Array, poses: Poses, cuts: Array
) -> Poses:
    """Point-to-plane ICP with exact neighbours.

    Args:
        index: Points of the surface.
        normals: (N, 3) their normals, of any sign.
        points: (M, 3) points of the scan.
        poses: Where to start.
        cuts: One step per entry: the distance from which a point is ignored (Tukey weights).

    Returns:
        The poses at the end.
    """

    def follow(some: Poses) -> Poses:
        for cut in cuts:
            moved = some.apply(points)
            found = index.query(moved.reshape(-1, 3), 1, workers=1)[1]
            indices = found.reshape(moved.shape[:2])
            offsets = index.reference[indices] - moved
            some = some.before(*_plane_update(moved, offsets, normals[indices], cut))
        return some

    return over_poses(follow, poses, len(points))


def _plane_update(moved: Array, offsets: Array, normals: Array, cut: float) -> tuple[Array, Array]:
    """One damped Gauss-Newton step of each pose: (S, 3, 3) rotations and (S, 3) shifts."""
    distances = np.linalg.norm(offsets, axis=2)
    weights = np.square(np.clip(1.0 - np.square(distances / cut), 0.0, None))
    center = moved.mean(1, keepdims=True)
    arms = moved - center
    rows = np.concatenate([np.cross(arms, normals), normals], axis=2)
    heights = np.einsum("smi,smi->sm", offsets, normals)
    weighted = (rows * weights[..., None]).transpose(0, 2, 1)
    # Damping holds still what the surface leaves free: the turn of a bowl, the slide of a rod.
    size = np.maximum(np.einsum("smi,smi->s", arms, arms) / arms.shape[1], 1e-12)
    damping = np.repeat(np.stack([size, np.ones_like(size)], 1), 3, axis=1)
    total = np.maximum(weights.sum(1), 1e-9)[:, None]
    system = weighted @ rows + (1e-4 * damping * total)[:, :, None] * np.eye(6)
    step = np.linalg.solve(system, weighted @ heights[..., None])[..., 0]
    turned = np.asarray(Rotation.from_rotvec(step[:, :3]).as_matrix())
    back = center[:, 0]
    return turned, back + step[:, 3:] - np.einsum("sij,sj->si", turned, back)


def distinct(poses: Poses, costs: Array, num: int, angle: float, shift: float, at: Array) -> Poses:
    """The cheapest poses that differ from each other.

    Args:
        poses: S candidates.
        costs: (S,).
        num: How many to keep at most.
        angle: In degrees: rotations that differ by more are distinct ...
        shift: ... and so are poses that carry `at` to places farther apart than this.
        at: (3,) a point of the scan, usually its centroid.

    Returns:
        At most `num` poses, cheapest first.
    """
    places = poses.rotations @ at + poses.translations
    cosine = np.cos(np.radians(angle))
    chosen: list[int] = []
    for candidate in np.argsort(costs, kind="stable"):
        others = poses.rotations[chosen]
        traces = np.einsum("sij,ij->s", others, poses.rotations[candidate])
        moved = np.linalg.norm(places[chosen] - places[candidate], axis=1)
        if np.all(((traces - 1) / 2 < cosine) | (moved > shift)):
            chosen.append(int(candidate))
        if len(chosen) == num:
            break
    return poses[chosen]

"""Where a defect goes and how large it is: helpers shared by all kinds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from plane_anomalib.core.errors import DatasetError
from plane_anomalib.generation.defects.corruption import random_direction
from plane_anomalib.generation.shapes.fields import Array
from plane_anomalib.generation.surfaces import Surface

MOVED = 0.0025
"""Smallest displacement, in extents, that makes a point anomalous (five times the sensor noise)."""


class NoPlaceError(DatasetError):
    """An object has no place for a kind of defect."""


@dataclass(frozen=True)
class Place:
    """A place on the surface: its point, outward normal and two tangents, each `(3,)`."""

    center: Array
    normal: Array
    first: Array
    second: Array

    def cylindrical(self, points: Array) -> tuple[Array, Array, Array]:
        """Height over the tangent plane, distance from the axis and angle, each `(N,)`."""
        offset = points - self.center
        u, v = offset @ self.first, offset @ self.second
        return offset @ self.normal, np.hypot(u, v), np.arctan2(v, u)

    def box(self, radius: float, height: float) -> tuple[Array, Array]:
        """Corners of the box around a cylinder of `radius` and half height `height`."""
        half = np.abs(self.normal) * height + np.sqrt(np.maximum(1 - self.normal**2, 0)) * radius
        return self.center - half, self.center + half


@dataclass(frozen=True)
class Outline:
    """An irregular round outline of mean radius one."""

    waves: Array
    phases: Array

    @classmethod
    def draw(cls, roughness: float, generator: np.random.Generator) -> Outline:
        """Random outline whose radius deviates by about `roughness`."""
        orders = np.arange(2, 7)
        return cls(
            generator.normal(0.0, roughness, len(orders)) / np.sqrt(orders - 1.0),
            generator.uniform(0, 2 * np.pi, len(orders)),
        )

    @property
    def largest(self) -> float:
        """The largest radius."""
        return float(self(np.linspace(0, 2 * np.pi, 90)).max())

    def __call__(self, angle: Array) -> Array:
        """Radius at an angle, `(N,)`, between 0.6 and 1.5."""
        orders = np.arange(2, 2 + len(self.waves))
        waves = np.cos(angle[:, None] * orders + self.phases) @ self.waves
        return np.clip(1.0 + waves, 0.6, 1.5)


def frame_at(center: Array, normal: Array, generator: np.random.Generator) -> Place:
    """A frame with tangents turned at random."""
    first = np.cross(normal, random_direction(generator))
    first /= np.linalg.norm(first)
    return Place(center, normal, first, np.cross(normal, first))


def flat_place(surface: Surface, radius: float, generator: np.random.Generator) -> Place:
    """A random place whose neighbourhood of the given radius is fairly flat.

    Of 48 random places the flattest half dozen are kept and one of them is drawn, so that defects
    avoid edges without always meeting the same face.
    """
    pool = surface.samples
    tries = generator.choice(len(pool.points), size=48, replace=False)
    flatness = np.array(
        [
            np.mean(pool.normals[near] @ pool.normals[i] > 0.85)
            for i, near in zip(
                tries, pool.tree.query_ball_point(pool.points[tries], radius), strict=True
            )
        ]
    )
    best = tries[np.argsort(-flatness, kind="stable")[:8]]
    chosen = int(generator.choice(best))
    return frame_at(pool.points[chosen], pool.normals[chosen], generator)


def thickness(surface: Surface, frame: Place, limit: float = 0.4) -> float:
    """Depth of material under a place, in extents, at most `limit`."""
    depths = np.arange(0.004, limit, 0.004)
    outside = surface.field(frame.center - depths[:, None] * frame.normal) > 0
    return float(depths[np.argmax(outside)]) if outside.any() else limit


def connected(surface: Surface, chosen: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """The part of some pool points that hangs together with one of them.

    Args:
        surface: The object.
        chosen: Samples under consideration, `(P,)`.
        seed: Index of a pool point for which `chosen` holds.

    Returns:
        Mask over the pool, `(P,)`.
    """
    index = np.flatnonzero(chosen)
    reach = 4.0 * np.sqrt(surface.area / len(chosen))
    pairs = cKDTree(surface.samples.points[index]).query_pairs(reach, output_type="ndarray")
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(index),) * 2)
    names = connected_components(links, directed=False)[1]
    mask = np.zeros(len(chosen), dtype=bool)
    mask[index[names == names[np.searchsorted(index, seed)]]] = True
    return mask


def piece_beyond(surface: Surface, beyond: NDArray[np.bool_], tip: int) -> NDArray[np.bool_] | None:
    """As `connected`, but None when other chosen points share the piece's box.

    A change inside the box would then touch more than the piece.
    """
    mine = connected(surface, beyond, tip)
    points = surface.samples.points
    low, high = points[mine].min(axis=0) - 0.03, points[mine].max(axis=0) + 0.03
    others = points[beyond & ~mine]
    return None if ((others > low) & (others < high)).all(axis=1).any() else mine

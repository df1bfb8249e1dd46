"""The seven kinds of defect of Anomaly-ShapeNet on implicit surfaces; here those that cut or bend.

Material is missing (hole, broken), or a protruding piece is out of place (bend).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from plane_anomalib.generation.defects import field_reliefs
from plane_anomalib.generation.defects.corruption import random_direction
from plane_anomalib.generation.defects.field_placement import (
    MOVED,
    NoPlaceError,
    Outline,
    flat_place,
    piece_beyond,
    thickness,
)
from plane_anomalib.generation.defects.profiles import KINDS, smoothstep
from plane_anomalib.generation.shapes.fields import Array, Field
from plane_anomalib.generation.surfaces import ChangedRegion, Surface, gradient


def rim_width(surface: Surface) -> float:
    """Width of the anomalous band around missing material: 1 % of the extent, less if slender."""
    return 0.01 * _slenderness(surface)


def _slenderness(surface: Surface) -> float:
    """One for a bulky object, smaller when it has little surface for its extent."""
    return float(np.clip(np.sqrt(surface.area / 2.5), 0.3, 1.0))


def hole(surface: Surface, share: float, generator: np.random.Generator) -> ChangedRegion:
    """Cut an irregular hole: through a thin wall, else a shaft whose floor is not seen."""
    scale = _slenderness(surface)
    rim_wide = rim_width(surface)
    frame = flat_place(surface, 0.07 * scale, generator)
    wall = thickness(surface, frame)
    through = wall < 0.12 * scale
    seen = wall if through else 0.03 * scale
    band = seen + (2 if through else 1) * rim_wide
    radius = float(np.clip(share * surface.area / (2 * np.pi * band), 0.025 * scale, 0.12))
    outline = Outline.draw(0.14, generator)
    bottom, top = (seen + 0.5 * radius, 0.6 * radius + 0.01) if through else (seen, 0.6 * radius)

    def removed(p: Array) -> Array:
        axial, around, angle = frame.cylindrical(p)
        side = radius * outline(angle) - around
        return np.minimum(side, np.minimum(axial + bottom, top - axial))

    def keep(p: Array) -> NDArray[np.bool_]:
        return frame.cylindrical(p)[0] > -bottom + 0.003 if not through else np.ones(len(p), bool)

    reach = outline.largest * radius + 1.5 * rim_wide
    corners = frame.box(reach, max(bottom, top) + rim_wide)
    return ChangedRegion(
        lambda p: np.maximum(surface.field(p), removed(p)),
        *corners,
        label=lambda p: _bordering(surface, removed, rim_wide, p),
        keep=keep,
    )


def broken(surface: Surface, share: float, generator: np.random.Generator) -> ChangedRegion:
    """Break off the end of a protruding piece along a rough plane, or bite it off.

    Raises:
        NoPlaceError: Nothing sticks out.
    """
    pool = surface.samples
    rough, rim_wide = _roughness(generator), rim_width(surface)
    bite = generator.random() < 0.4
    best = (np.inf, rough, pool.points)
    for end in _protrusions(surface, 0.02, generator)[:6]:
        for size in np.arange(0.025, max(1.3 * end.depth, 0.06), 0.01):
            removed = _breakage(pool.points[end.tip], None if bite else end.away, size, rough)
            gone = removed(pool.points)
            piece = piece_beyond(surface, gone > 0, end.tip) if gone[end.tip] > 0 else None
            if piece is None:
                continue
            low, high = _bounds(pool.points[piece])
            rim = (gone <= 0) & (gone > -rim_wide) & _inside(pool.points, low, high)
            slab = (np.abs(removed(pool.interior)) < 0.01) & _inside(pool.interior, low, high)
            face = slab.sum() / pool.interior_density / 0.02
            miss = abs(np.log(max(face / surface.area + rim.mean(), 1e-6) / share))
            if miss < best[0]:
                best = (miss, removed, pool.points[piece])
    miss, removed, lost = best
    if not np.isfinite(miss):
        msg = "no end sticks out that could break off."
        raise NoPlaceError(msg)
    return ChangedRegion(
        lambda p: np.maximum(surface.field(p), removed(p)),
        *_bounds(lost),
        label=lambda p: _bordering(surface, removed, rim_wide, p),
        steepness=2.5,
    )


def bend(surface: Surface, share: float, generator: np.random.Generator) -> ChangedRegion:
    """Bend a protruding piece that covers about `share` of the surface by 15 to 35 degrees.

    Raises:
        NoPlaceError: Nothing sticks out.
    """
    pool = surface.samples
    ends = _protrusions(surface, 0.95 * share, generator)
    if not ends:
        msg = "no piece sticks out that could be bent."
        raise NoPlaceError(msg)
    end = ends[generator.integers(min(3, len(ends)))]
    lost, normals = pool.points[end.piece], pool.normals[end.piece]
    hinge = lost.mean(axis=0)
    hinge = hinge + (end.start - hinge @ end.away) * end.away
    side = np.cross(end.away, random_direction(generator))
    side /= np.linalg.norm(side)
    quarter = [Rotation.from_rotvec(a * end.away).apply(side) for a in np.arange(8) * np.pi / 8]
    # The axis that moves the piece most across its own surface makes the plainest bend.
    across = [np.abs((np.cross(a, lost - hinge) * normals).sum(axis=1)).mean() for a in quarter]
    axis = quarter[int(np.argmax(across))] * generator.choice([-1.0, 1.0])
    degrees = max(generator.uniform(15, 35), min(np.degrees(0.045 / end.depth), 50.0))

    def straightened(p: Array) -> Array:
        beyond = smoothstep((p @ end.away - end.start) / (0.5 * end.depth))
        turn = Rotation.from_rotvec(-np.radians(degrees) * beyond[:, None] * axis)
        return turn.apply(p - hinge) + hinge

    swing = end.depth * np.sin(np.radians(degrees)) + 0.02
    low, high = lost.min(axis=0) - swing, lost.max(axis=0) + swing
    return ChangedRegion(
        lambda p: surface.field(straightened(p)),
        low,
        high,
        label=lambda p: np.linalg.norm(p - straightened(p), axis=1) > MOVED,
        steepness=3.0,
    )


@dataclass(frozen=True)
class _End:
    """A piece that sticks out.

    Attributes:
        tip: Index among the samples of its farthest point.
        away: Unit direction in which it sticks out, `(3,)`.
        start: The piece lies beyond `point @ away > start`.
        depth: How far it reaches beyond that.
        piece: Mask over the pool `(P,)`.
    """

    tip: int
    away: Array
    start: float
    depth: float
    piece: NDArray[np.bool_]


def _protrusions(surface: Surface, share: float, generator: np.random.Generator) -> list[_End]:
    """Pieces that hold about `share` of the surface, the slimmest (longest) first."""
    points = surface.samples.points
    ends = []
    for _ in range(48):
        away = random_direction(generator)
        along = points @ away
        tip = int(np.argmax(along))
        enough = along[tip] - np.quantile(along, 1.0 - share)
        for depth in np.arange(max(enough, 0.03), 0.8, 0.01):
            piece = piece_beyond(surface, along > along[tip] - depth, tip)
            if piece is not None and piece.mean() >= share:
                ends.append(_End(tip, away, float(along[tip] - depth), float(depth), piece))
                break
    ends = [e for e in ends if e.piece.mean() < 1.3 * share] or ends
    return sorted(ends, key=lambda e: -e.depth)


def _bordering(surface: Surface, removed: Field, wide: float, p: Array) -> NDArray[np.bool_]:
    """Points on a cut face, or on the old surface no farther than `wide` from it."""
    depth, value = surface.field(p), removed(p)
    normal = gradient(surface.field, p, depth)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    slope = gradient(removed, p, value)
    # A cut that grazes the surface falls off slowly along it; distances are along the surface.
    along = slope - (slope * normal).sum(axis=1, keepdims=True) * normal
    on_rim = value > -wide * np.linalg.norm(along, axis=1)
    return np.asarray((depth < -MOVED) | on_rim, dtype=bool)


def _breakage(tip: Array, away: Array | None, size: float, rough: Field) -> Field:
    """Positive in the lost material: beyond a plane, or around the tip if there is no `away`."""
    if away is None:
        return lambda p: size - np.linalg.norm(p - tip, axis=1) + rough(p)
    return lambda p: (p - tip) @ away + size + rough(p)


def _roughness(generator: np.random.Generator) -> Field:
    """A faceted random relief of about 1 % of the extent."""
    waves = generator.normal(size=(3, 4)) * np.array([14.0, 22.0, 35.0, 50.0]) / np.sqrt(3)
    phases = generator.uniform(0, 2 * np.pi, 4)
    heights = np.array([0.012, 0.008, 0.005, 0.003])

    def rough(p: Array) -> Array:
        # Folding the waves gives ridges, as fracture faces have.
        return (np.abs(np.sin(p @ waves + phases)) - 0.6) @ heights

    return rough


def _bounds(points: Array) -> tuple[Array, Array]:
    return points.min(axis=0) - 0.025, points.max(axis=0) + 0.025


def _inside(points: Array, low: Array, high: Array) -> NDArray[np.bool_]:
    return np.all((points > low) & (points < high), axis=1)


Cloud = TypeVar("Cloud")
_TRIES = 8
_FARTHEST = 2.5


FIELD_DEFECTS: Mapping[str, Callable[[Surface, float, np.random.Generator], ChangedRegion]] = {
    "bend": bend,
    "broken": broken,
    "bulge": field_reliefs.bulge,
    "concavity": field_reliefs.concavity,
    "crack": field_reliefs.crack,
    "hole": hole,
    "scratch": field_reliefs.scratch,
}
"""Kind to what plans it on a surface, for a wanted share of anomalous points."""


def plan_defect(
    kind: str, surface: Surface, generator: np.random.Generator, scale: float = 1.0
) -> ChangedRegion:
    """Plan a defect of a size drawn around the median of the real ones.

    Args:
        kind: A key of `FIELD_DEFECTS`.
        surface: The nominal object.
        generator: Generator.
        scale: Size in terms of the usual share of the whole surface; a scan of one side shows
            about half of that.

    Returns:
        The region that replaces the nominal surface, with its labels.

    Raises:
        NoPlaceError: The object has no place for this kind.
    """
    spread = float(np.exp(np.clip(generator.normal(0.0, 0.25), -0.5, 0.5)))
    share = scale * KINDS[kind].usual_share * spread
    return FIELD_DEFECTS[kind](surface, share, generator)


def of_usual_share(
    wanted: float, attempt: Callable[[], Cloud], share: Callable[[Cloud], float]
) -> Cloud:
    """The first try whose anomalous share lies within a factor of 2.5 of the wanted one.

    Args:
        wanted: The share to come near.
        attempt: Plans a defect and draws a cloud with it.
        share: The share of anomalous points of what `attempt` gave.

    Returns:
        That try, or the closest of eight.
    """
    best: tuple[float, Cloud] | None = None
    for _ in range(_TRIES):
        cloud = attempt()
        miss = abs(float(np.log(max(share(cloud), 1e-6) / wanted)))
        if best is None or miss < best[0]:
            best = (miss, cloud)
        if miss < np.log(_FARTHEST):
            break
    assert best is not None  # noqa: S101 - the loop ran
    return best[1]

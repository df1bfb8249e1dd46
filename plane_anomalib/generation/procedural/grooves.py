"""Scratch and crack: grooves along random walks in the surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from plane_anomalib.generation.procedural.fields import Array, resampled
from plane_anomalib.generation.procedural.planning import MOVED, flat_place, frame_at, thickness
from plane_anomalib.generation.procedural.surface import Patch, Surface, gradient

_SPACING = 0.0006


@dataclass(frozen=True)
class _Stroke:
    """One groove: its path `(K, 3)` on the surface, depth and half width."""

    path: Array
    depth: float
    half_width: float


def scratch(surface: Surface, share: float, generator: np.random.Generator) -> Patch:
    """A long shallow groove (0.8 to 2 % deep), now and then in two parallel strokes."""
    length = generator.uniform(0.4, 0.6) * np.sqrt(surface.area)
    half_width = float(np.clip(0.6 * share * surface.area / length, 0.006, 0.018))
    places = [flat_place(surface, 0.08, generator) for _ in range(4)]
    starts = np.repeat([p.center for p in places], 6, axis=0)
    paths = _walks(surface, starts, None, length, 0.012, 0.12, generator)
    longest = int(np.argmax([len(p) for p in paths]))
    best, place = paths[longest], places[longest // 6]
    depth = min(generator.uniform(0.01, 0.02), 1.2 * half_width, 0.45 * thickness(surface, place))
    strokes = [_Stroke(best, depth, half_width)]
    found = _length(best)
    if found < 0.7 * length:
        beside = int(surface.pool.tree.query(place.center + 4 * half_width * place.first)[1])
        start = np.repeat(surface.pool.points[beside][None], 12, axis=0)
        heading = np.repeat((best[min(3, len(best) - 1)] - best[0])[None], 12, axis=0)
        more = _walks(surface, start, heading, length - found, 0.012, 0.12, generator)
        strokes.append(_Stroke(max(more, key=len), 0.9 * depth, half_width))
    return _carve(surface, strokes, sharp=False)


def crak(surface: Surface, share: float, generator: np.random.Generator) -> Patch:
    """A narrow deep crack with two or three branches (the data sets spell it so)."""
    length = generator.uniform(0.24, 0.32) * np.sqrt(surface.area)
    place = flat_place(surface, 0.08, generator)
    wall = thickness(surface, place)
    depth = float(np.clip(0.7 * share * surface.area / length, 0.015, 0.035))
    depth = min(depth, 0.6 * wall)
    half_width = float(np.clip(0.3 * depth, 0.004, 0.007))
    starts = np.repeat(place.center[None], 24, axis=0)
    trunk = max(_walks(surface, starts, None, 0.6 * length, 0.01, 0.38, generator), key=len)
    forks = generator.integers(len(trunk) // 4, max(3 * len(trunk) // 4, len(trunk) // 4 + 1), 3)
    ahead = np.minimum(forks + 1, len(trunk) - 1)
    turn = np.radians(generator.uniform(35, 65, 3)) * generator.choice([-1.0, 1.0], 3)
    along = trunk[ahead] - trunk[ahead - 1]
    normals = _onto(surface, trunk[forks])[1]
    heading = np.cos(turn)[:, None] * along + np.sin(turn)[:, None] * np.cross(normals, along)
    branches = _walks(surface, trunk[forks], heading, 0.18 * length, 0.01, 0.38, generator)
    strokes = [_Stroke(trunk, depth, half_width)]
    strokes += [_Stroke(b, 0.75 * depth, 0.8 * half_width) for b in branches if len(b) > 2]
    return _carve(surface, strokes, sharp=True)


def _carve(surface: Surface, strokes: list[_Stroke], *, sharp: bool) -> Patch:
    """Take the strokes' cross-sections (V-shaped when sharp, else round) out of the surface."""
    paths = [resampled(s.path, _SPACING) for s in strokes]
    taper = [1.0 - np.linspace(-1, 1, len(p)) ** 8 for p in paths]
    tree = cKDTree(np.vstack(paths))
    depth = np.concatenate([s.depth * t for s, t in zip(strokes, taper, strict=True)])
    width = np.concatenate(
        [s.half_width * np.maximum(t, 0.3) for s, t in zip(strokes, taper, strict=True)]
    )
    deepest = max(s.depth for s in strokes)
    reach = float(np.hypot(max(s.half_width for s in strokes), 1.5 * deepest + 0.01))

    def cut_depth(p: Array, value: Array) -> Array:
        distance, index = map(np.asarray, tree.query(p, distance_upper_bound=reach))
        result = np.zeros(len(p))
        hit = np.isfinite(distance)
        at = index[hit]
        # Distance from the groove's middle measured in the surface, not towards its floor.
        aside = np.sqrt(np.maximum(distance[hit] ** 2 - value[hit] ** 2, 0.0)) / width[at]
        shape = 1.0 - aside if sharp else 1.0 - aside**2
        result[hit] = depth[at] * np.maximum(shape, 0.0)
        return result

    def solid(p: Array) -> Array:
        value = surface.field(p)
        return value + cut_depth(p, value)

    points = np.vstack(paths)
    return Patch(
        solid,
        points.min(axis=0) - reach,
        points.max(axis=0) + reach,
        label=lambda p: surface.field(p) < -MOVED,
        steepness=8.0 if sharp else 4.0,
    )


def _walks(
    surface: Surface,
    starts: Array,
    headings: Array | None,
    length: float,
    step: float,
    wobble: float,
    generator: np.random.Generator,
) -> list[Array]:
    """Random walks on the surface, each until `length` or until it meets an edge.

    Args:
        surface: The object.
        starts: Where they begin, `(B, 3)` on the surface.
        headings: First directions `(B, 3)`, or None for random ones.
        length: Length of a walk, in extents.
        step: Length of a step, in extents.
        wobble: Standard deviation of the change of direction at each step, in radians.
        generator: Generator.

    Returns:
        One path `(K, 3)` for each start, K at least 2.
    """
    normal = _onto(surface, starts)[1]
    if headings is None:
        headings = np.array(
            [frame_at(s, n, generator).first for s, n in zip(starts, normal, strict=True)]
        )
    at, heading = starts, headings
    alive = np.ones(len(starts), dtype=bool)
    paths: list[list[Array]] = [[s] for s in starts]
    for _ in range(max(2, int(length / step))):
        turn = generator.normal(0.0, wobble, (len(at), 1))
        heading = np.cos(turn) * heading + np.sin(turn) * np.cross(normal, heading)
        heading = heading - (heading * normal).sum(axis=1, keepdims=True) * normal
        heading /= np.maximum(np.linalg.norm(heading, axis=1, keepdims=True), 1e-12)
        after = at + step * heading
        after = after - surface.field(after)[:, None] * normal
        after, new_normal = _onto(surface, after)
        moved = np.linalg.norm(after - at, axis=1)
        alive &= ((normal * new_normal).sum(axis=1) > 0.8) & (moved < 1.5 * step)
        for i in np.flatnonzero(alive):
            paths[i].append(after[i])
        at, normal = (
            np.where(alive[:, None], after, at),
            np.where(alive[:, None], new_normal, normal),
        )
        if not alive.any():
            break
    return [np.array(p if len(p) > 1 else [p[0], p[0] + 1e-3]) for p in paths]


def _onto(surface: Surface, points: Array) -> tuple[Array, Array]:
    """Points next to the surface moved onto it, and the unit normals there."""
    value = surface.field(points)
    slope = gradient(surface.field, points, value)
    norm = np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 0.2)
    return points - slope * value[:, None] / norm**2, slope / norm


def _length(path: Array) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())

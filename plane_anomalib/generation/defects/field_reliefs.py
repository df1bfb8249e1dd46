"""Bulge, concavity, scratch and crack of implicit surfaces: heights added to or taken from them.

Thick material is raised or sunk on one side; a thin wall is dented, so both of its sides move.
Grooves follow random walks in the surface.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from plane_anomalib.generation.defects.field_placement import (
    MOVED,
    Outline,
    Place,
    connected,
    flat_place,
    frame_at,
    thickness,
)
from plane_anomalib.generation.defects.kinds import KINDS
from plane_anomalib.generation.defects.profiles import falloff, smoothstep
from plane_anomalib.generation.shapes.fields import Array, resampled
from plane_anomalib.generation.surfaces import ChangedRegion, Surface, gradient

Height = Callable[[Array], Array]
_FALLOFFS = ("mesa", "round", "peaked")


def bulge(surface: Surface, share: float, generator: np.random.Generator) -> ChangedRegion:
    """Raise a patch that covers about `share` of the surface by 2.5 to 6 % of the extent."""
    return _lump(surface, share, KINDS["bulge"].outward, generator)


def concavity(surface: Surface, share: float, generator: np.random.Generator) -> ChangedRegion:
    """Sink a patch that covers about `share` of the surface by 2 to 5 % of the extent."""
    return _lump(surface, share, KINDS["concavity"].outward, generator)


def _lump(
    surface: Surface, share: float, sign: int, generator: np.random.Generator
) -> ChangedRegion:
    frame = flat_place(surface, 0.6 * np.sqrt(share * surface.area), generator)
    outline = Outline.draw(0.07, generator)
    profile = _FALLOFFS[generator.integers(len(_FALLOFFS))]
    wanted = generator.uniform(0.025, 0.06) if sign > 0 else generator.uniform(0.02, 0.05)
    wall = thickness(surface, frame)
    dent = wall < 2.0 * wanted
    if sign < 0 and not dent:
        wanted = min(wanted, 0.4 * wall)

    def height_for(radius: float) -> Height:
        peak = min(wanted, 0.45 * radius)
        make = _dent_height if dent else _relief_height
        shape = make(surface, frame, outline, profile, radius, peak, wall)
        return _on_one_part(surface, frame, shape)

    # Raised ground has more surface than it covers.
    share = 0.8 * share if sign > 0 else share
    low, high = 0.02, 0.5
    for _ in range(12):
        radius = (low + high) / 2
        covered = float(np.mean(height_for(radius)(surface.samples.points) > MOVED))
        low, high = (radius, high) if covered < share else (low, radius)
    height = height_for(radius)
    reach = outline.largest * radius + 0.01
    corners = frame.box(reach, 0.5 * radius + wall + 2.5 * wanted if dent else reach + wanted)
    if dent:
        return ChangedRegion(
            lambda p: surface.field(p - sign * height(p)[:, None] * frame.normal),
            *corners,
            label=lambda p: height(p) > MOVED,
            steepness=4.0,
        )
    return ChangedRegion(
        lambda p: surface.field(p) - sign * height(p),
        *corners,
        label=lambda p: np.abs(surface.field(p)) > MOVED,
        steepness=4.0,
    )


def _on_one_part(surface: Surface, frame: Place, shape: Height) -> Height:
    """The height without what it would do to parts of the object that only happen to be near."""
    pool = surface.samples
    seed = int(pool.tree.query(frame.center)[1])
    part = connected(surface, shape(pool.points) > 0, seed)

    def height(p: Array) -> Array:
        value = shape(p)
        near = value > 0
        nearest = np.asarray(pool.tree.query(p[near])[1])
        # Of the points around the part only those beside another part belong to that one.
        value[near] *= part[nearest] | (shape(pool.points[nearest]) == 0)
        return value

    return height


def _relief_height(
    surface: Surface,
    frame: Place,
    outline: Outline,
    profile: str,
    radius: float,
    peak: float,
    wall: float,
) -> Height:
    """Height over a ball-shaped support, only where the surface faces the same way."""
    del wall

    def height(p: Array) -> Array:
        axial, around, angle = frame.cylindrical(p)
        x = np.hypot(around, 0.8 * axial) / (radius * outline(angle))
        value = peak * falloff(profile, x)
        near = value > 0
        facing = gradient(surface.field, p[near]) @ frame.normal
        value[near] *= smoothstep((facing - 0.1) / 0.5)
        return value

    return height


def _dent_height(
    surface: Surface,
    frame: Place,
    outline: Outline,
    profile: str,
    radius: float,
    peak: float,
    wall: float,
) -> Height:
    """Height over the tangent plane's disc, the same through the whole wall."""
    del surface
    full = 0.5 * radius + wall

    def height(p: Array) -> Array:
        axial, around, angle = frame.cylindrical(p)
        gate = smoothstep(1.0 - (np.abs(axial) - full) / (2.5 * peak))
        return peak * falloff(profile, around / (radius * outline(angle))) * gate

    return height


_SPACING = 0.0006


@dataclass(frozen=True)
class _Stroke:
    """One groove: its path `(K, 3)` on the surface, depth and half width."""

    path: Array
    depth: float
    half_width: float


def scratch(surface: Surface, share: float, generator: np.random.Generator) -> ChangedRegion:
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
        beside = int(surface.samples.tree.query(place.center + 4 * half_width * place.first)[1])
        start = np.repeat(surface.samples.points[beside][None], 12, axis=0)
        heading = np.repeat((best[min(3, len(best) - 1)] - best[0])[None], 12, axis=0)
        more = _walks(surface, start, heading, length - found, 0.012, 0.12, generator)
        strokes.append(_Stroke(max(more, key=len), 0.9 * depth, half_width))
    return _carve(surface, strokes, "parabola")


def crack(surface: Surface, share: float, generator: np.random.Generator) -> ChangedRegion:
    """A narrow deep crack with two or three branches."""
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
    return _carve(surface, strokes, "linear")


def _carve(surface: Surface, strokes: list[_Stroke], section: str) -> ChangedRegion:
    """Take the strokes' cross-sections, "linear" or "parabola", out of the surface."""
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
        result[hit] = depth[at] * falloff(section, aside)
        return result

    def solid(p: Array) -> Array:
        value = surface.field(p)
        return value + cut_depth(p, value)

    points = np.vstack(paths)
    return ChangedRegion(
        solid,
        points.min(axis=0) - reach,
        points.max(axis=0) + reach,
        label=lambda p: surface.field(p) < -MOVED,
        steepness=8.0 if section == "linear" else 4.0,
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

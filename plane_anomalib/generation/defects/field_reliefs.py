"""Bulge, concavity, scratch and crack of implicit surfaces: heights added to or taken from them.

Thick material is raised or sunk on one side; a thin wall is dented, so both of its sides move.
Grooves follow random walks in the surface.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

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
from plane_anomalib.generation.defects.profiles import KINDS, falloff, smoothstep
from plane_anomalib.generation.shapes.fields import Array
from plane_anomalib.generation.shapes.outlines import resampled
from plane_anomalib.generation.surfaces import ChangedRegion, Surface, gradient

Height = Callable[[Array], Array]
_FALLOFFS = ("mesa", "round", "peaked")


def bulge(surface: Surface, share: float, generator: np.random.Generator) -> ChangedRegion:
    """Raise a patch that covers about `share` of the surface by 2.5 to 6 % of the extent."""
    return _lump(surface, share, KINDS["bulge"].outward, generator)


def concavity(surface: Surface, share: float, generator: np.random.Generator) -> ChangedRegion:
    """Sink a patch that covers about `share` of the surface by 2 to 5 % of the extent."""
    return _lump(surface, share, KINDS["concavity"].outward, generator)


@dataclass(frozen=True)
class _Lump:
    """A patch of the surface that is about to be moved.

    Attributes:
        surface: The nominal object.
        place: The middle of the patch.
        outline: Of the patch.
        falloff: A key of `FALLOFFS`.
        wall: Thickness of the material under the place.
        wanted: Height in the middle, as far as the patch is wide enough for it.
    """

    surface: Surface
    place: Place
    outline: Outline
    falloff: str
    wall: float
    wanted: float

    @property
    def through(self) -> bool:
        """Whether both sides of a thin wall are moved."""
        return self.wall < 2.0 * self.wanted

    def height(self, radius: float) -> Height:
        """How far points are moved, for a patch of a mean radius."""
        peak = min(self.wanted, 0.45 * radius)
        shape = self._through_wall(radius, peak) if self.through else self._on_side(radius, peak)
        return _on_one_part(self.surface, self.place, shape)

    def _on_side(self, radius: float, peak: float) -> Height:
        """Height over a ball-shaped support, only where the surface faces the same way."""

        def height(p: Array) -> Array:
            axial, around, angle = self.place.cylindrical(p)
            x = np.hypot(around, 0.8 * axial) / (radius * self.outline(angle))
            value = peak * falloff(self.falloff, x)
            near = value > 0
            facing = gradient(self.surface.field, p[near]) @ self.place.normal
            value[near] *= smoothstep((facing - 0.1) / 0.5)
            return value

        return height

    def _through_wall(self, radius: float, peak: float) -> Height:
        """Height over the tangent plane's disc, the same through the whole wall."""
        full = 0.5 * radius + self.wall

        def height(p: Array) -> Array:
            axial, around, angle = self.place.cylindrical(p)
            gate = smoothstep(1.0 - (np.abs(axial) - full) / (2.5 * peak))
            return peak * falloff(self.falloff, around / (radius * self.outline(angle))) * gate

        return height

    def radius_for(self, share: float) -> float:
        """The mean radius at which the patch covers a share of the surface."""
        low, high = 0.02, 0.5
        for _ in range(12):
            radius = (low + high) / 2
            covered = float(np.mean(self.height(radius)(self.surface.samples.points) > MOVED))
            low, high = (radius, high) if covered < share else (low, radius)
        return radius

    def region(self, radius: float, sign: int) -> ChangedRegion:
        """The surface with the patch moved outward (1) or inward (-1)."""
        field, normal, height = self.surface.field, self.place.normal, self.height(radius)
        reach = self.outline.largest * radius + 0.01
        if self.through:
            return ChangedRegion(
                lambda p: field(p - sign * height(p)[:, None] * normal),
                *self.place.box(reach, 0.5 * radius + self.wall + 2.5 * self.wanted),
                label=lambda p: height(p) > MOVED,
                steepness=4.0,
            )
        return ChangedRegion(
            lambda p: field(p) - sign * height(p),
            *self.place.box(reach, reach + self.wanted),
            label=lambda p: np.abs(field(p)) > MOVED,
            steepness=4.0,
        )


def _lump(
    surface: Surface, share: float, sign: int, generator: np.random.Generator
) -> ChangedRegion:
    place = flat_place(surface, 0.6 * np.sqrt(share * surface.area), generator)
    outline = Outline.draw(0.07, generator)
    name = _FALLOFFS[generator.integers(len(_FALLOFFS))]
    wanted = generator.uniform(0.025, 0.06) if sign > 0 else generator.uniform(0.02, 0.05)
    lump = _Lump(surface, place, outline, name, thickness(surface, place), wanted)
    if sign < 0 and not lump.through:
        lump = replace(lump, wanted=min(wanted, 0.4 * lump.wall))
    # Raised ground has more surface than it covers.
    return lump.region(lump.radius_for(0.8 * share if sign > 0 else share), sign)


def _on_one_part(surface: Surface, place: Place, shape: Height) -> Height:
    """The height without what it would do to parts of the object that only happen to be near."""
    samples = surface.samples
    seed = int(samples.tree.query(place.center)[1])
    part = connected(surface, shape(samples.points) > 0, seed)

    def height(p: Array) -> Array:
        value = shape(p)
        near = value > 0
        nearest = np.asarray(samples.tree.query(p[near])[1])
        # Of the points around the part only those beside another part belong to that one.
        value[near] *= part[nearest] | (shape(samples.points[nearest]) == 0)
        return value

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
    paths = _walks(
        surface, starts, _headings(surface, starts, generator), length, 0.012, 0.12, generator
    )
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
    trunk = max(
        _walks(
            surface,
            starts,
            _headings(surface, starts, generator),
            0.6 * length,
            0.01,
            0.38,
            generator,
        ),
        key=len,
    )
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
    headings: Array,
    length: float,
    step: float,
    wobble: float,
    generator: np.random.Generator,
) -> list[Array]:
    """Random walks on the surface, each until `length` or until it meets an edge.

    Args:
        surface: The object.
        starts: Where they begin, `(B, 3)` on the surface.
        headings: First directions `(B, 3)`.
        length: Length of a walk, in extents.
        step: Length of a step, in extents.
        wobble: Standard deviation of the change of direction at each step, in radians.
        generator: The only source of randomness.

    Returns:
        One path `(K, 3)` for each start, K at least 2.
    """
    normal = _onto(surface, starts)[1]
    at, heading, alive = starts, headings, np.ones(len(starts), dtype=bool)
    paths: list[list[Array]] = [[s] for s in starts]
    for _ in range(max(2, int(length / step))):
        heading = _turned(heading, normal, generator.normal(0.0, wobble, (len(at), 1)))
        after, new_normal = _beside(surface, at + step * heading, normal)
        on_course = np.linalg.norm(after - at, axis=1) < 1.5 * step
        alive &= on_course & ((normal * new_normal).sum(axis=1) > 0.8)
        for i in np.flatnonzero(alive):
            paths[i].append(after[i])
        if not alive.any():
            break
        at = np.where(alive[:, None], after, at)
        normal = np.where(alive[:, None], new_normal, normal)
    return [np.array(p if len(p) > 1 else [p[0], p[0] + 1e-3]) for p in paths]


def _headings(surface: Surface, starts: Array, generator: np.random.Generator) -> Array:
    """Random directions in the surface at places `(B, 3)`, `(B, 3)`."""
    places = zip(starts, _onto(surface, starts)[1], strict=True)
    return np.array([frame_at(*place, generator).first for place in places])


def _turned(heading: Array, normal: Array, turn: Array) -> Array:
    """Unit directions `(B, 3)` turned by angles `(B, 1)` and laid into the tangent planes."""
    heading = np.cos(turn) * heading + np.sin(turn) * np.cross(normal, heading)
    heading = heading - (heading * normal).sum(axis=1, keepdims=True) * normal
    return heading / np.maximum(np.linalg.norm(heading, axis=1, keepdims=True), 1e-12)


def _beside(surface: Surface, points: Array, normal: Array) -> tuple[Array, Array]:
    """As `_onto`, for points a step aside that are first moved along the normals left behind."""
    return _onto(surface, points - surface.field(points)[:, None] * normal)


def _onto(surface: Surface, points: Array) -> tuple[Array, Array]:
    """Points next to the surface moved onto it, and the unit normals there."""
    value = surface.field(points)
    slope = gradient(surface.field, points, value)
    norm = np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 0.2)
    return points - slope * value[:, None] / norm**2, slope / norm


def _length(path: Array) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())

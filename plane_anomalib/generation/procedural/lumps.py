"""Bulge and concavity: a patch of the surface moved out or in.

Thick material is raised or sunk on one side; a thin wall is dented, so both of its sides move.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plane_anomalib.generation.procedural.fields import Array
from plane_anomalib.generation.procedural.planning import (
    MOVED,
    Frame,
    Outline,
    connected,
    flat_place,
    smoothstep,
    thickness,
)
from plane_anomalib.generation.procedural.surface import Patch, Surface, gradient

Height = Callable[[Array], Array]
_PROFILES: tuple[Callable[[Array], Array], ...] = (
    lambda x: smoothstep((1.0 - x) / 0.45),  # flat top
    lambda x: smoothstep(1.0 - x),  # round
    lambda x: np.where(x < 1.0, np.exp(-3.5 * x * x) * (1.0 - x**4), 0.0),  # peaked
)


def bulge(surface: Surface, share: float, generator: np.random.Generator) -> Patch:
    """Raise a patch that covers about `share` of the surface by 2.5 to 6 % of the extent."""
    return _lump(surface, share, 1.0, generator)


def concavity(surface: Surface, share: float, generator: np.random.Generator) -> Patch:
    """Sink a patch that covers about `share` of the surface by 2 to 5 % of the extent."""
    return _lump(surface, share, -1.0, generator)


def _lump(surface: Surface, share: float, sign: float, generator: np.random.Generator) -> Patch:
    frame = flat_place(surface, 0.6 * np.sqrt(share * surface.area), generator)
    outline = Outline.draw(0.07, generator)
    profile = _PROFILES[generator.integers(len(_PROFILES))]
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
        covered = float(np.mean(height_for(radius)(surface.pool.points) > MOVED))
        low, high = (radius, high) if covered < share else (low, radius)
    height = height_for(radius)
    reach = outline.largest * radius + 0.01
    corners = frame.box(reach, 0.5 * radius + wall + 2.5 * wanted if dent else reach + wanted)
    if dent:
        return Patch(
            lambda p: surface.field(p - sign * height(p)[:, None] * frame.normal),
            *corners,
            label=lambda p: height(p) > MOVED,
            steepness=4.0,
        )
    return Patch(
        lambda p: surface.field(p) - sign * height(p),
        *corners,
        label=lambda p: np.abs(surface.field(p)) > MOVED,
        steepness=4.0,
    )


def _on_one_part(surface: Surface, frame: Frame, shape: Height) -> Height:
    """The height without what it would do to parts of the object that only happen to be near."""
    pool = surface.pool
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
    frame: Frame,
    outline: Outline,
    profile: Callable[[Array], Array],
    radius: float,
    peak: float,
    wall: float,
) -> Height:
    """Height over a ball-shaped support, only where the surface faces the same way."""
    del wall

    def height(p: Array) -> Array:
        axial, around, angle = frame.cylindrical(p)
        x = np.hypot(around, 0.8 * axial) / (radius * outline(angle))
        value = peak * profile(x)
        near = value > 0
        facing = gradient(surface.field, p[near]) @ frame.normal
        value[near] *= smoothstep((facing - 0.1) / 0.5)
        return value

    return height


def _dent_height(
    surface: Surface,
    frame: Frame,
    outline: Outline,
    profile: Callable[[Array], Array],
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
        return peak * profile(around / (radius * outline(angle))) * gate

    return height

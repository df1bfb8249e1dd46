"""All families of solids by name, and captioned specimens of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.generation.shapes.construction import Maker
from plane_anomalib.generation.shapes.families.animals import BIRDS, CREATURES
from plane_anomalib.generation.shapes.families.buildings import BUILDINGS
from plane_anomalib.generation.shapes.families.food import FOOD
from plane_anomalib.generation.shapes.families.free_forms import ABSTRACT, STONES
from plane_anomalib.generation.shapes.families.furniture import FURNITURE
from plane_anomalib.generation.shapes.families.gadgets import GADGETS
from plane_anomalib.generation.shapes.families.household import HOUSEHOLD
from plane_anomalib.generation.shapes.families.machined import MACHINED
from plane_anomalib.generation.shapes.families.plants import PLANTS
from plane_anomalib.generation.shapes.families.sea import SEA
from plane_anomalib.generation.shapes.families.structures import BEAMS, PLATES
from plane_anomalib.generation.shapes.families.tableware import CUTLERY, TABLEWARE
from plane_anomalib.generation.shapes.families.tools import TOOLS
from plane_anomalib.generation.shapes.families.vehicles import VEHICLES
from plane_anomalib.generation.shapes.families.vessels import VESSELS
from plane_anomalib.generation.shapes.families.wearables import WEARABLES
from plane_anomalib.generation.shapes.families.wheels import WHEELS

KINDS: tuple[Mapping[str, Maker], ...] = (
    VESSELS,
    TABLEWARE,
    WHEELS,
    MACHINED,
    PLATES,
    BEAMS,
    TOOLS,
    FURNITURE,
    HOUSEHOLD,
    WEARABLES,
    CUTLERY,
    GADGETS,
    BIRDS,
    SEA,
    CREATURES,
    VEHICLES,
    BUILDINGS,
    STONES,
    FOOD,
    PLANTS,
    ABSTRACT,
)
"""The families of each file."""

FAMILIES: Mapping[str, Maker] = MappingProxyType(
    {name: make for kind in KINDS for name, make in kind.items()}
)
"""Family name to maker of one specimen: a solid and its caption."""

HELD_OUT: tuple[str, ...] = (
    "wine glass",
    "hex nut",
    "pipe elbow",
    "hammer",
    "stool",
    "comb",
    "bird",
    "rocket",
    "pretzel",
)
"""Families never used for training: what a model knows of them it learned from other shapes."""


@dataclass(frozen=True, eq=False)
class Specimen:
    """A specimen.

    Attributes:
        points: `(N, 3) float32`, uniform by area, centered on their mean, longest distance from
            the center 1; the z axis is up.
        normals: `(N, 3) float32`, outward unit normals of the exact surface.
        name: Everyday noun phrase of the family.
        caption: What this very specimen looks like.
    """

    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    name: str
    caption: str


def draw_specimen(family: str, generator: np.random.Generator, num_points: int) -> Specimen:
    """Make a specimen of a family.

    Args:
        family: A key of `FAMILIES`.
        generator: Generator of everything random in it.
        num_points: How many points, at least 2.

    Returns:
        Exactly `num_points` points in random order.

    Raises:
        ConfigurationError: The family is unknown, or fewer than 2 points are asked for.
    """
    if family not in FAMILIES:
        raise ConfigurationError(f"There is no shape family {family!r}: {', '.join(FAMILIES)}.")
    if num_points < 2:
        raise ConfigurationError(f"A shape needs at least 2 points, not {num_points}.")
    solid, caption = FAMILIES[family](generator)
    points, normals = solid.sample(generator, num_points)
    points = points - points.mean(axis=0)
    points /= np.sqrt(np.einsum("ni,ni->n", points, points).max())
    return Specimen(points.astype(np.float32), normals.astype(np.float32), family, caption)

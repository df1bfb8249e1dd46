"""All families by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from plane_anomalib.generation.shapes.families.abstract import ABSTRACT
from plane_anomalib.generation.shapes.families.beams import BEAMS
from plane_anomalib.generation.shapes.families.birds import BIRDS
from plane_anomalib.generation.shapes.families.buildings import BUILDINGS
from plane_anomalib.generation.shapes.families.creatures import CREATURES
from plane_anomalib.generation.shapes.families.cutlery import CUTLERY
from plane_anomalib.generation.shapes.families.food import FOOD
from plane_anomalib.generation.shapes.families.furniture import FURNITURE
from plane_anomalib.generation.shapes.families.gadgets import GADGETS
from plane_anomalib.generation.shapes.families.household import HOUSEHOLD
from plane_anomalib.generation.shapes.families.kinds import Maker
from plane_anomalib.generation.shapes.families.machined import MACHINED
from plane_anomalib.generation.shapes.families.plants import PLANTS
from plane_anomalib.generation.shapes.families.plates import PLATES
from plane_anomalib.generation.shapes.families.sea import SEA
from plane_anomalib.generation.shapes.families.stones import STONES
from plane_anomalib.generation.shapes.families.tableware import TABLEWARE
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

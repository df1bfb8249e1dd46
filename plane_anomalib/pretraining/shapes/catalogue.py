"""All families by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from plane_anomalib.pretraining.shapes.families.animals import ANIMALS
from plane_anomalib.pretraining.shapes.families.furniture import FURNITURE
from plane_anomalib.pretraining.shapes.families.kinds import Maker
from plane_anomalib.pretraining.shapes.families.machined import MACHINED
from plane_anomalib.pretraining.shapes.families.nature import NATURE
from plane_anomalib.pretraining.shapes.families.sections import SECTIONS
from plane_anomalib.pretraining.shapes.families.things import THINGS
from plane_anomalib.pretraining.shapes.families.vehicles import VEHICLES
from plane_anomalib.pretraining.shapes.families.vessels import VESSELS

FAMILIES: Mapping[str, Maker] = MappingProxyType({**VESSELS, **MACHINED, **SECTIONS, **FURNITURE, **THINGS, **ANIMALS, **VEHICLES, **NATURE})
"""Family name to maker of one specimen: a solid and its caption."""

HELD_OUT: tuple[str, ...] = ("wine glass", "hex nut", "pipe elbow", "hammer", "stool", "bird", "pretzel", "rocket", "comb")
"""Families never used for training: what a model knows of them it learned from other shapes."""

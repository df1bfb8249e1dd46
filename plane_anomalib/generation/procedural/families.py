"""The object families by name, each one nominal solid."""

from __future__ import annotations

from collections.abc import Callable

from plane_anomalib.generation.procedural import machined, vessels
from plane_anomalib.generation.procedural.fields import Field

REACH = 1.3
"""Half side of the cube around the origin that holds every family as built."""

FAMILIES: dict[str, Callable[[], Field]] = {
    "beam0": machined.beam,
    "bottle0": vessels.bottle,
    "bowl0": vessels.bowl,
    "bracket0": machined.bracket,
    "cup0": vessels.cup,
    "elbow0": machined.elbow,
    "flange0": machined.flange,
    "gear0": machined.gear,
    "hammer0": machined.hammer,
    "hat0": vessels.hat,
    "knot0": machined.knot,
    "pawn0": vessels.pawn,
    "propeller0": machined.propeller,
    "pulley0": machined.pulley,
    "screw0": machined.screw,
    "spring0": machined.spring,
    "stool0": vessels.stool,
    "vase0": vessels.vase,
    "wrench0": machined.wrench,
}
"""Category name, as the Anomaly-ShapeNet layout spells it, to the builder of its solid."""

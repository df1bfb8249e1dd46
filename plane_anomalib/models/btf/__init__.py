"""BTF: how far a local descriptor is from those of normal clouds; no registration, no learning.

"Back to the Feature: Classical 3D Features are (Almost) All You Need for 3D Anomaly Detection"
(Horwitz and Hoshen, 2023), in the form in which Real3D-AD ran it on clouds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from plane_anomalib.core.registry import MODELS
from plane_anomalib.models.components.recipe import (
    PRESETS,
    BankConfig,
    DescriptorName,
    Recipe,
    Sampling,
)


@dataclass(frozen=True)
class BTFConfig(BankConfig):
    """What BTF can be told.

    Args:
        descriptor: `"fpfh"`, or `"raw"` coordinates.
    """

    seconds_per_cloud: ClassVar[float | None] = 1.0

    descriptor: Literal["fpfh", "raw"] = "fpfh"

    def recipe(self) -> Recipe:
        """Centered clouds, one bank of FPFH or coordinates with all their rows."""
        recipe = PRESETS[self.preset]
        if self.preset == "faithful":
            recipe = replace(recipe, fit=Sampling(stride=100), query=Sampling(stride=500))
        name: DescriptorName = "fpfh" if self.descriptor == "fpfh" else "coordinates"
        return replace(recipe, descriptors=(name,), object_score="reweighted")


def __getattr__(name: str) -> Any:
    """The anomalib model, imported when it is asked for: the method itself needs no anomalib."""
    if name == "BTF":
        return MODELS.get(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

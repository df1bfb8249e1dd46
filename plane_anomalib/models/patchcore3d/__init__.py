"""PatchCore on point clouds: register, describe, keep a coreset, take the nearest.

"Towards Total Recall in Industrial Anomaly Detection" (Roth et al., 2022) in the form in which
Real3D-AD ran it on clouds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.registry import MODELS
from plane_anomalib.models.components.config import check_numbers
from plane_anomalib.models.components.recipe import (
    BankConfig,
    DescriptorName,
    Recipe,
    registered_banks,
)


@dataclass(frozen=True)
class PatchCore3DConfig(BankConfig):
    """What PatchCore on point clouds can be told.

    Args:
        descriptor: `"fpfh"`, `"fpfh+raw"` with a second bank of registered coordinates, or
            `"builtin"`, `"point-mae"`, `"point-bert"`: short for that backbone.
        backbone: Takes the place of `descriptor` by features of a point transformer: `"builtin"`,
            the name of published weights (`plane-anomalib weights list`), or a file of them.
        coreset_size: Rows kept per bank; by default 10,000.
    """

    seconds_per_cloud: ClassVar[float | None] = 0.8

    descriptor: Literal["fpfh", "fpfh+raw", "builtin", "point-mae", "point-bert"] = "fpfh"
    backbone: str | None = None
    coreset_size: int | None = None

    def check(self) -> None:
        """Refuse numbers that are too small, and a descriptor beside a backbone."""
        super().check()
        check_numbers(vars(self), above={"coreset_size": 0}, least={})
        if self.backbone and self.descriptor != "fpfh":
            raise ConfigurationError(
                f"backbone takes the place of descriptor, so {self.backbone!r} and "
                f"{self.descriptor!r} exclude each other: leave one out."
            )

    def recipe(self) -> Recipe:
        """Registered clouds, a bank of FPFH or features, and one of coordinates if asked for."""
        learned = self.backbone or (None if self.descriptor.startswith("fpfh") else self.descriptor)
        descriptors: tuple[DescriptorName, ...] = ("transformer" if learned else "fpfh",)
        if self.descriptor == "fpfh+raw":
            descriptors += ("coordinates",)
        return replace(
            registered_banks(self.preset, self.coreset_size),
            descriptors=descriptors,
            backbone=learned,
        )


def __getattr__(name: str) -> Any:
    """The anomalib model, imported when it is asked for: the method itself needs no anomalib."""
    if name == "PatchCore3D":
        return MODELS.get(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

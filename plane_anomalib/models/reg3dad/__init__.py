"""Reg3DAD: what a place looks like and where it lies, half and half, after registration.

"Real3D-AD: A Dataset of Point Cloud Anomaly Detection" (Liu et al., 2023).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from plane_anomalib.core.registry import MODELS
from plane_anomalib.models.components.config import check_numbers
from plane_anomalib.models.components.recipe import BankConfig, Recipe, registered_banks


@dataclass(frozen=True)
class Reg3DADConfig(BankConfig):
    """What Reg3DAD can be told.

    Args:
        backbone: `"builtin"`, the name of published weights (the paper's: `"point-mae"`; see
            `plane-anomalib weights list`), or a file of them.
        coreset_size: Rows kept per bank; by default 10,000.
    """

    seconds_per_cloud: ClassVar[float | None] = 0.9

    backbone: str = "builtin"
    coreset_size: int | None = None

    def check(self) -> None:
        """Refuse numbers that are too small."""
        super().check()
        check_numbers(vars(self), above={"coreset_size": 0}, least={})

    def recipe(self) -> Recipe:
        """PatchCore's registration, banks and fusion, of features and of coordinates."""
        return replace(
            registered_banks(self.preset, self.coreset_size),
            descriptors=("transformer", "coordinates"),
            backbone=self.backbone,
        )


def __getattr__(name: str) -> Any:
    """The anomalib model, imported when it is asked for: the method itself needs no anomalib."""
    if name == "Reg3DAD":
        return MODELS.get(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

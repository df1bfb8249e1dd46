"""M3DM on point clouds: features of a point transformer at group centers, no registration.

"Multimodal Industrial Anomaly Detection via Hybrid Fusion" (Wang et al., 2023), its point branch in
the form in which Real3D-AD ran it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from plane_anomalib.core.registry import MODELS
from plane_anomalib.models.components.config import check_numbers
from plane_anomalib.models.components.recipe import PRESETS, BankConfig, Coreset, Projection, Recipe


@dataclass(frozen=True)
class M3DMConfig(BankConfig):
    """What M3DM can be told.

    Args:
        backbone: `"builtin"`, the name of published weights (the paper's: `"point-mae"`; see
            `plane-anomalib weights list`), or a file of them.
        num_groups: Groups per cloud; by default the preset's (1,024; faithful: 16,384).
    """

    seconds_per_cloud: ClassVar[float | None] = 0.4

    backbone: str = "builtin"
    num_groups: int | None = None

    def check(self) -> None:
        """Refuse numbers that are too small."""
        super().check()
        check_numbers(vars(self), above={"num_groups": 0}, least={})

    def recipe(self) -> Recipe:
        """Centered clouds, one bank of features of the point transformer."""
        recipe = PRESETS[self.preset]
        projection: Projection | None = "sparse" if self.preset == "faithful" else None
        return replace(
            recipe,
            descriptors=("transformer",),
            backbone=self.backbone,
            num_groups=self.num_groups or recipe.num_groups,
            coreset=Coreset(share=0.1, projection=projection),
            object_score="reweighted",
        )


def __getattr__(name: str) -> Any:
    """The anomalib model, imported when it is asked for: the method itself needs no anomalib."""
    if name == "M3DM":
        return MODELS.get(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""M3DM on point clouds: features of a point transformer at group centers, no registration.

"Multimodal Industrial Anomaly Detection via Hybrid Fusion" (Wang et al., 2023), its point branch in
the form in which Real3D-AD ran it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from plane_anomalib.backbones.point_transformer import PointTransformer
from plane_anomalib.models.components.alignment import Centerd
from plane_anomalib.models.components.bank_detector import BankDetector, Branch
from plane_anomalib.models.components.descriptors import TransformerFeatures
from plane_anomalib.models.components.fitted_model import FittedModel, Scope
from plane_anomalib.models.components.memory_bank import Coreset

Preset = Literal["fixed", "faithful"]
LAYERS = (3, 7, 11)


@dataclass(frozen=True)
class _Values:
    """What a preset sets."""

    unit: bool
    num_groups: int
    group_size: int
    most_points: int | None
    training_mode: bool
    coreset: Coreset
    neighbours: int


PRESETS: dict[Preset, _Values] = {
    "faithful": _Values(
        unit=False,
        num_groups=16_384,
        group_size=128,
        most_points=None,
        training_mode=True,
        coreset=Coreset(share=0.1, projection="sparse"),
        neighbours=1,
    ),
    "fixed": _Values(
        unit=True,
        num_groups=1_024,
        group_size=32,
        most_points=4_096,
        training_mode=False,
        coreset=Coreset(share=0.1),
        neighbours=3,
    ),
}


def create_m3dm(
    encoder: PointTransformer,
    preset: Preset,
    *,
    num_groups: int | None = None,
    scope: Scope = "category",
    seed: int = 0,
) -> FittedModel:
    """Compose the model.

    Args:
        encoder: The frozen point transformer.
        preset: A row of `PRESETS`.
        num_groups: Groups per cloud; by default the preset's.
        scope: As for `FittedModel`.
        seed: Of the coreset.
    """
    values = PRESETS[preset]
    describe = TransformerFeatures(
        encoder,
        num_groups=num_groups or values.num_groups,
        group_size=values.group_size,
        layers=LAYERS,
        most_points=values.most_points,
        training_mode=values.training_mode,
    )
    branch = Branch(describe, values.coreset, values.neighbours)
    make = partial(BankDetector, [branch], object_score="reweighted", seed=seed)
    return FittedModel(make, partial(Centerd, unit=values.unit), scope=scope)

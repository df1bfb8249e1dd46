"""M3DM on point clouds: features of a point transformer at group centers, no registration.

"Multimodal Industrial Anomaly Detection via Hybrid Fusion" (Wang et al., 2023), its point branch in
the form in which Real3D-AD ran it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from plane_anomalib.backbones.encoders import create_point_encoder
from plane_anomalib.models.components.alignment import Centered
from plane_anomalib.models.components.bank_detector import BankDetector, Branch
from plane_anomalib.models.components.config import Preset
from plane_anomalib.models.components.descriptors import TransformerFeatures
from plane_anomalib.models.components.fitted_model import FittedModel
from plane_anomalib.models.components.memory_bank import Coreset
from plane_anomalib.models.m3dm.config import M3DMConfig

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


def create_m3dm(config: M3DMConfig) -> FittedModel:
    """Compose the model.

    Raises:
        WeightsError: The encoder's weights are missing or damaged.
    """
    values, encoder = PRESETS[config.preset], create_point_encoder(config.backbone)
    describe = TransformerFeatures(
        encoder,
        num_groups=config.num_groups or values.num_groups,
        group_size=values.group_size,
        layers=LAYERS,
        most_points=values.most_points,
        training_mode=values.training_mode,
    )
    branch = Branch(describe, values.coreset, values.neighbours)
    make = partial(BankDetector, [branch], object_score="reweighted", seed=config.seed)
    align = partial(Centered, unit=values.unit)
    return FittedModel(make, align, scope=config.scope, encoder=encoder)

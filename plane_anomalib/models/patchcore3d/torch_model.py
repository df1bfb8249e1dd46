"""PatchCore on point clouds: register, describe, keep a coreset, take the nearest.

"Towards Total Recall in Industrial Anomaly Detection" (Roth et al., 2022) in the form in which
Real3D-AD ran it on clouds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from plane_anomalib.backbones.encoders import create_point_encoder
from plane_anomalib.backbones.point_transformer import PointTransformer
from plane_anomalib.models.components.alignment import Registered, RegistrationMethod
from plane_anomalib.models.components.bank_detector import BankDetector, Branch, Fusion
from plane_anomalib.models.components.config import BankConfig, Preset
from plane_anomalib.models.components.descriptors import (
    Coordinates,
    Descriptor,
    Fpfh,
    Sampling,
    TransformerFeatures,
)
from plane_anomalib.models.components.fitted_model import FittedModel
from plane_anomalib.models.components.memory_bank import Coreset
from plane_anomalib.models.patchcore3d.config import PatchCore3DConfig

LAYERS = (3, 7, 11)


@dataclass(frozen=True)
class Values:
    """What a preset sets; lengths are in the object's units or, with `unit`, in radii of it."""

    unit: bool
    registration: RegistrationMethod
    sampling: Sampling
    normal_radius: float
    radius: float
    oriented: bool
    num_groups: int
    group_size: int
    most_points: int | None
    training_mode: bool
    coreset: Coreset
    neighbours: int
    fusion: Fusion


PRESETS: dict[Preset, Values] = {
    "faithful": Values(
        unit=False,
        registration="reference",
        sampling=Sampling(),
        normal_radius=1.0,
        radius=2.5,
        oriented=False,
        num_groups=16_384,
        group_size=128,
        most_points=None,
        training_mode=True,
        coreset=Coreset(size=10_000, projection="gaussian"),
        neighbours=1,
        fusion="test",
    ),
    "fixed": Values(
        unit=True,
        registration="robust",
        sampling=Sampling(voxel=0.02, most=10_000),
        normal_radius=0.12,
        radius=0.2,
        oriented=True,
        num_groups=1_024,
        group_size=32,
        most_points=4_096,
        training_mode=False,
        coreset=Coreset(size=10_000),
        neighbours=3,
        fusion="training",
    ),
}


def create_patchcore3d(config: PatchCore3DConfig) -> FittedModel:
    """Compose the model.

    Raises:
        WeightsError: The encoder's weights are missing or damaged.
    """
    values = PRESETS[config.preset]
    encoder = create_point_encoder(config.encoder) if config.encoder else None
    describe = [fpfh_of(values) if encoder is None else transformer_features(encoder, values)]
    if config.descriptor == "fpfh+raw":
        describe.append(Coordinates(values.sampling, values.sampling))
    return compose(values, describe, encoder, config.coreset_size, config)


def compose(
    values: Values,
    descriptors: Sequence[Descriptor],
    encoder: PointTransformer | None,
    coreset_size: int | None,
    config: BankConfig,
) -> FittedModel:
    """Registration, a bank for each descriptor, and their fusion.

    Args:
        values: What the preset sets.
        descriptors: What fills the banks.
        encoder: The frozen network behind one of them.
        coreset_size: Rows kept per bank; by default the preset's.
        config: Says the scope and the seed.
    """
    coreset = Coreset(size=coreset_size) if coreset_size else values.coreset
    branches = [Branch(each, coreset, values.neighbours) for each in descriptors]
    make = partial(
        BankDetector, branches, object_score="max", fusion=values.fusion, seed=config.seed
    )
    align = partial(Registered, values.registration, unit=values.unit, seed=config.seed)
    return FittedModel(make, align, scope=config.scope, encoder=encoder)


def fpfh_of(values: Values) -> Descriptor:
    """FPFH as a preset wants it."""
    return Fpfh(
        values.sampling,
        values.sampling,
        normal_radius=values.normal_radius,
        radius=values.radius,
        oriented=values.oriented,
    )


def transformer_features(encoder: PointTransformer, values: Values) -> TransformerFeatures:
    """Features of the transformer as a preset wants them."""
    return TransformerFeatures(
        encoder,
        num_groups=values.num_groups,
        group_size=values.group_size,
        layers=LAYERS,
        most_points=values.most_points,
        training_mode=values.training_mode,
    )

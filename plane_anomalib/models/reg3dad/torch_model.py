"""Reg3DAD: what a place looks like and where it lies, half and half, after registration.

"Real3D-AD: A Dataset of Point Cloud Anomaly Detection" (Liu et al., 2023).
"""

from __future__ import annotations

from functools import partial

from plane_anomalib.backbones.point_transformer import PointTransformer
from plane_anomalib.models.components.alignment import Registered
from plane_anomalib.models.components.bank_detector import BankDetector, Branch
from plane_anomalib.models.components.descriptors import Coordinates
from plane_anomalib.models.components.fitted_model import FittedModel, Scope
from plane_anomalib.models.components.memory_bank import Coreset
from plane_anomalib.models.patchcore3d.torch_model import PRESETS, Preset, transformer_features


def create_reg3dad(
    encoder: PointTransformer,
    preset: Preset,
    *,
    coreset_size: int | None = None,
    scope: Scope = "category",
    seed: int = 0,
) -> FittedModel:
    """Compose the model: PatchCore's registration, banks and fusion with other descriptors.

    Args:
        encoder: The frozen point transformer.
        preset: A row of PatchCore's `PRESETS`.
        coreset_size: Rows kept per bank; by default the preset's.
        scope: As for `FittedModel`.
        seed: Of the registration and the coreset.
    """
    values = PRESETS[preset]
    coreset = Coreset(size=coreset_size) if coreset_size else values.coreset
    branches = [
        Branch(transformer_features(encoder, values), coreset, values.neighbours),
        Branch(Coordinates(values.sampling, values.sampling), coreset, values.neighbours),
    ]
    make = partial(BankDetector, branches, object_score="max", fusion=values.fusion, seed=seed)
    align = partial(Registered, values.registration, unit=values.unit, seed=seed)
    return FittedModel(make, align, scope=scope)

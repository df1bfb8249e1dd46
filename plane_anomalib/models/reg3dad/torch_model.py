"""Reg3DAD: what a place looks like and where it lies, half and half, after registration.

"Real3D-AD: A Dataset of Point Cloud Anomaly Detection" (Liu et al., 2023).
"""

from __future__ import annotations

from plane_anomalib.backbones.encoders import create_point_encoder
from plane_anomalib.models.components.descriptors import Coordinates, Descriptor
from plane_anomalib.models.components.fitted_model import FittedModel
from plane_anomalib.models.patchcore3d.torch_model import PRESETS, compose, transformer_features
from plane_anomalib.models.reg3dad.config import Reg3DADConfig


def create_reg3dad(config: Reg3DADConfig) -> FittedModel:
    """Compose the model: PatchCore's registration, banks and fusion with other descriptors.

    Raises:
        WeightsError: The encoder's weights are missing or damaged.
    """
    values, encoder = PRESETS[config.preset], create_point_encoder(config.backbone)
    describe: list[Descriptor] = [
        transformer_features(encoder, values),
        Coordinates(values.sampling, values.sampling),
    ]
    return compose(values, describe, encoder, config.coreset_size, config)

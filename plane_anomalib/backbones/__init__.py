"""Frozen point and text encoders."""

from plane_anomalib.backbones.create import create_backbone
from plane_anomalib.backbones.load import (
    load_point_language_model,
    load_point_transformer,
    save_point_language_model,
)
from plane_anomalib.backbones.point_language import PointLanguageModel
from plane_anomalib.backbones.point_transformer import (
    PointFeatures,
    PointTransformer,
    PointTransformerConfig,
    TokenPrompts,
)
from plane_anomalib.backbones.text_encoder import TextEncoder, TextEncoderConfig

__all__ = [
    "PointFeatures",
    "PointLanguageModel",
    "PointTransformer",
    "PointTransformerConfig",
    "TextEncoder",
    "TextEncoderConfig",
    "TokenPrompts",
    "create_backbone",
    "load_point_language_model",
    "load_point_transformer",
    "save_point_language_model",
]

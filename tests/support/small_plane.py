"""PLANE over a backbone of a few thousand parameters, for tests of everything but its scores."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from plane_anomalib.backbones.encoder_files import save_point_language_model
from plane_anomalib.backbones.encoders import create_random
from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.backbones.point_transformer import PointTransformerConfig
from plane_anomalib.backbones.text_encoder import ByteTokenizer, TextEncoderConfig
from plane_anomalib.models.plane.config import PlaneConfig
from plane_anomalib.models.plane.inputs import InputSettings
from plane_anomalib.models.plane.torch_model import PlaneModel
from tests.support.trees import surface

DEPTH = 4


def small_backbone(seed: int = 0) -> PointLanguageModel:
    """Four blocks of 24 channels, text of 16, a joint space of 20: no two sizes are alike."""
    points = PointTransformerConfig(
        width=24,
        depth=DEPTH,
        num_heads=2,
        mlp_ratio=2,
        num_groups=16,
        group_size=8,
        stem=8,
        encoder_width=24,
    )
    text = TextEncoderConfig(
        width=16,
        depth=2,
        num_heads=2,
        context_length=64,
        vocab_size=ByteTokenizer.vocab_size,
        joint_dim=20,
        activation="gelu",
        tokenizer="bytes",
    )
    return create_random(points, text, torch.Generator().manual_seed(seed))


def save_small_backbone(path: Path) -> Path:
    """As a file that the argument `backbone` takes."""
    save_point_language_model(small_backbone(), path)
    return path


def small_inputs(**changes: Any) -> InputSettings:
    """Views of 64 points."""
    return InputSettings(
        **{
            "num_points": 64,
            "num_views": 2,
            "local_geometry": False,
            "local_scales": (16, 48, 128, 320),
            "template_context": False,
            "pose": "none",
            **changes,
        }
    )


def small_model(
    categories: tuple[str, ...] = ("bowl0", "cup1"),
    *,
    seed: int = 0,
    inputs: InputSettings | None = None,
    **changes: Any,
) -> PlaneModel:
    """An untrained model; `changes` are of `PlaneConfig`."""
    config = PlaneConfig(
        **{
            **asdict(inputs or small_inputs()),
            "num_groups": None,
            "point_tokens": True,
            "dynamic_prompts": True,
            "learnable_temperature": False,
            "object_score": "max",
            "seed": seed,
            "layers": (1, 3),
            "adapter_hidden": 16,
            "dynamic_hidden": 8,
            **changes,
        }
    )
    return PlaneModel(config, small_backbone(), categories)


def random_views(model: PlaneModel, batch: int = 2, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Points `(B, P, 3)` and features of their shape and place, for `PlaneModel.maps`."""
    inputs, generator = model.inputs(), np.random.default_rng(seed)
    clouds = np.stack([surface(generator, inputs.num_points) for _ in range(batch)])
    features = generator.normal(size=(*clouds.shape[:2], inputs.channels)).astype(np.float32)
    if inputs.places:
        features = np.concatenate([features, clouds], 2)
    return torch.from_numpy(clouds), torch.from_numpy(features)

"""Small checkpoints in published layouts."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor


def official_points(depth: int = 2, channels: int = 3) -> dict[str, Tensor]:
    """A small point encoder under the names that ULIP, Point-BERT and Point-MAE use."""
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, 64),
        "cls_pos": (1, 1, 64),
        "encoder.first_conv.0.weight": (4, channels, 1),
        "encoder.first_conv.0.bias": (4,),
        "encoder.first_conv.3.weight": (8, 4, 1),
        "encoder.first_conv.3.bias": (8,),
        "encoder.second_conv.0.weight": (16, 16, 1),
        "encoder.second_conv.0.bias": (16,),
        "encoder.second_conv.3.weight": (12, 16, 1),
        "encoder.second_conv.3.bias": (12,),
        "reduce_dim.weight": (64, 12),
        "reduce_dim.bias": (64,),
        "pos_embed.0.weight": (128, 3),
        "pos_embed.0.bias": (128,),
        "pos_embed.2.weight": (64, 128),
        "pos_embed.2.bias": (64,),
        "norm.weight": (64,),
        "norm.bias": (64,),
    }
    for norm, width in (("first_conv.1", 4), ("second_conv.1", 16)):
        for name in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"encoder.{norm}.{name}"] = (width,)
        shapes[f"encoder.{norm}.num_batches_tracked"] = ()
    for block in range(depth):
        for name, shape in {
            "norm1.weight": (64,),
            "norm1.bias": (64,),
            "norm2.weight": (64,),
            "norm2.bias": (64,),
            "attn.qkv.weight": (192, 64),
            "attn.proj.weight": (64, 64),
            "attn.proj.bias": (64,),
            "mlp.fc1.weight": (256, 64),
            "mlp.fc1.bias": (256,),
            "mlp.fc2.weight": (64, 256),
            "mlp.fc2.bias": (64,),
        }.items():
            shapes[f"blocks.blocks.{block}.{name}"] = shape
    return {name: torch.rand(shape) * 0.2 for name, shape in shapes.items()}


def official(depth: int = 2, channels: int = 3) -> dict[str, Tensor]:
    """A small point-language model in ULIP's layout."""
    shapes = {
        "positional_embedding": (20, 64),
        "token_embedding.weight": (49408, 64),
        "ln_final.weight": (64,),
        "ln_final.bias": (64,),
        "text_projection": (64, 32),
        "pc_projection": (128, 32),
        "image_projection": (768, 32),
        "logit_scale": (),
        "transformer.resblocks.0.attn.in_proj_weight": (192, 64),
        "transformer.resblocks.0.attn.in_proj_bias": (192,),
        "transformer.resblocks.0.attn.out_proj.weight": (64, 64),
        "transformer.resblocks.0.attn.out_proj.bias": (64,),
        "transformer.resblocks.0.ln_1.weight": (64,),
        "transformer.resblocks.0.ln_1.bias": (64,),
        "transformer.resblocks.0.ln_2.weight": (64,),
        "transformer.resblocks.0.ln_2.bias": (64,),
        "transformer.resblocks.0.mlp.c_fc.weight": (256, 64),
        "transformer.resblocks.0.mlp.c_fc.bias": (256,),
        "transformer.resblocks.0.mlp.c_proj.weight": (64, 256),
        "transformer.resblocks.0.mlp.c_proj.bias": (64,),
    }
    text = {name: torch.rand(shape) * 0.2 for name, shape in shapes.items()}
    points = official_points(depth, channels)
    return {**text, **{f"point_encoder.{name}": tensor for name, tensor in points.items()}}


class Trap:
    """Would make a directory if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)

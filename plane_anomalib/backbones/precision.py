"""Frozen encoders whose transformer blocks are held in bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


def is_held(name: str) -> bool:
    """Whether a tensor is one that `hold` converts: matrices of blocks, and the table of tokens.

    Norms, positions and projections are small and stay in float32.

    Args:
        name: Of the tensor or its layer, in an encoder of this package.
    """
    return any(part in f".{name}." for part in (".attn.", ".mlp.", ".token_embedding."))


def hold(model: nn.Module, dtype: torch.dtype) -> None:
    """Convert the layers that take almost all of an encoder's memory and time, in place.

    In bfloat16 they compute what `torch.autocast` makes of float32 weights, with half the memory
    and no conversion per call.

    Args:
        model: The encoder, or both.
        dtype: float32 or bfloat16.
    """
    for name, module in model.named_modules():
        if is_held(name) and isinstance(module, nn.Linear | nn.Embedding):
            module.to(dtype)


@contextmanager
def precision_of(blocks: nn.Module) -> Iterator[None]:
    """Compute as these transformer blocks are held: under autocast if in bfloat16.

    In float32 it is the caller who says, by an autocast of his own or none.
    """
    weight = blocks.get_parameter("0.mlp.fc1.weight")
    if weight.dtype != torch.bfloat16:
        yield
        return
    with torch.autocast(weight.device.type, torch.bfloat16):
        yield

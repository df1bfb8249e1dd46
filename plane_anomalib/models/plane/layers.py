"""Layers whose initial weights come from a generator that is passed in."""

from __future__ import annotations

import torch
from torch import nn


def seeded_linear(
    inputs: int,
    outputs: int,
    *,
    generator: torch.Generator,
    bias: bool = True,
    gain: float = 1.0,
) -> nn.Linear:
    """A linear layer with normal weights of variance `gain ** 2 / inputs` and zero bias."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs, bias=bias)
    with torch.no_grad():
        noise = torch.randn(layer.weight.shape, generator=generator)
        layer.weight.copy_(noise * gain * inputs**-0.5)
        if bias:
            layer.bias.zero_()
    return layer

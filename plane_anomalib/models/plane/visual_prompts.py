"""Learnable tokens inside the point encoder, the alternative to PCFA in Table 5 (VPT)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plane_anomalib.backbones.point_language_model import PointLanguageModel


class VisualPrompts(nn.Module):
    """Tokens that go before the encoder's own: at the first block (shallow) or at every one (deep).

    Args:
        num_blocks: Blocks that get tokens of their own.
        length: Tokens per block.
        width: Channels of a token.
        generator: Source of the initial tokens.
    """

    def __init__(
        self, num_blocks: int, length: int, width: int, *, generator: torch.Generator
    ) -> None:
        super().__init__()
        shape = (num_blocks, length, width)
        self.vectors = nn.Parameter(0.02 * torch.randn(shape, generator=generator))

    def forward(self, layer: int, batch: int) -> Tensor | None:
        """Tokens for a block, `(batch, length, width)`; `None` lets those before pass on."""
        if layer >= len(self.vectors):
            return None
        return self.vectors[layer].expand(batch, -1, -1)

    @classmethod
    def create(
        cls, adapter: str, length: int, backbone: PointLanguageModel, *, generator: torch.Generator
    ) -> VisualPrompts | None:
        """The prompts that a choice of `feature_adapter` needs; `None` for those without."""
        blocks = {"vpt-shallow": 1, "vpt-deep": backbone.num_blocks}.get(adapter, 0)
        if not blocks:
            return None
        return cls(blocks, length, backbone.point_width, generator=generator)

"""The causal text transformer of CLIP and SLIP, run on embeddings, so that prompts learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from plane_anomalib.backbones.precision import precision_of
from plane_anomalib.backbones.transformer import Past, TransformerBlock


@dataclass(frozen=True)
class TextEncoderConfig:
    """The shape of a text encoder. The defaults are SLIP's beside a ViT-B, inside ULIP's files.

    Args:
        width: Channels of a token.
        depth: Number of blocks.
        num_heads: Attention heads.
        context_length: Longest sequence, start and end tokens included.
        vocab_size: Number of tokens the vocabulary knows.
        joint_dim: Channels of the space shared with the point encoder.
        activation: "quick_gelu" or "gelu".
        tokenizer: "clip" (byte-pair encoding) or "bytes".
    """

    width: int = 512
    depth: int = 12
    num_heads: int = 8
    context_length: int = 77
    vocab_size: int = 49408
    joint_dim: int = 512
    activation: str = "quick_gelu"
    tokenizer: str = "clip"


class TextEncoder(nn.Module):
    """Maps token embeddings to one vector of the joint space per row.

    Attention is causal and only the end token is read, so a row may be followed by anything and
    the sequence need not be filled up to the full context.

    Args:
        config: The shape.
    """

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.width)
        self.position = nn.Parameter(torch.zeros(config.context_length, config.width))
        self.blocks = nn.ModuleList(
            TransformerBlock(
                config.width, config.num_heads, activation=config.activation, causal=True
            )
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.width)
        self.projection = nn.Parameter(torch.zeros(config.width, config.joint_dim))

    def forward(
        self, embeddings: Tensor, end: Tensor, before: Sequence[Past] | None = None
    ) -> Tensor:
        """Encode rows of token embeddings.

        Args:
            embeddings: Token embeddings without positions, (S, L, width), L up to the context.
            end: Place of the end token in every row, (S,) int64, counted from the first of these
                embeddings.
            before: What `prefix` made of the embeddings before these.

        Returns:
            One vector per row, (S, joint_dim), not normalised.
        """
        first = before[0][0].shape[2] if before else 0
        x = embeddings + self.position[first : first + embeddings.shape[1]]
        rows = torch.arange(x.shape[0], device=x.device)
        with precision_of(self.blocks):
            for index, block in enumerate(self.blocks):
                x = block(x, past=before[index] if before else None)
            return self.norm(x[rows, end]) @ self.projection

    def prefix(self, embeddings: Tensor) -> list[Past]:
        """What the beginning of a row leaves for those that follow: exact under causal attention.

        Args:
            embeddings: Token embeddings without positions, (S, L, width).

        Returns:
            Keys and values of each block.
        """
        x = embeddings + self.position[: embeddings.shape[1]]
        kept = []
        with precision_of(self.blocks):
            for block in self.blocks:
                kept.append(cast("TransformerBlock", block).past(x))
                x = block(x)
        return kept

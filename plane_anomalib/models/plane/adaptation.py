"""Point prompts and feature adaptation (PLANE's PCFA, eq. 5)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from plane_anomalib.models.plane.layers import seeded_linear


class PointPrompts(nn.Module):
    """Static point prompts, one set per category and polarity.

    Args:
        num_categories: Categories known; 1 shares one set among all.
        length: Vectors per set, M of the paper; 0 for none.
        width: Channels of a point token.
        generator: Source of the initial vectors, N(0, 0.02).
    """

    def __init__(
        self, num_categories: int, length: int, width: int, *, generator: torch.Generator
    ) -> None:
        super().__init__()
        shape = (num_categories, 2 * length, width)
        self.vectors = nn.Parameter(0.02 * torch.randn(shape, generator=generator))

    def forward(self, indices: Sequence[int | None]) -> Tensor:
        """Prompts of every cloud, `(B, 2 * length, width)`.

        Args:
            indices: Category of each cloud; `None` takes the mean of all categories.
        """
        rows = [self.vectors.mean(0) if i is None else self.vectors[i] for i in indices]
        return torch.stack(rows)


class FeatureAdapter(nn.Module):
    """Brings the tokens of one block into the joint space: `F = FFN([P_static, P_dyn, f])`.

    The prompts are concatenated with every token. Since they are the same for all tokens of a
    cloud, their share of the first layer is computed once per cloud and added.

    Args:
        token_width: Channels of a token, local geometry included.
        prompt_width: Channels of all prompts together; 0 for none.
        joint_dim: Channels of the joint space.
        hidden: Channels of the hidden layers.
        depth: Hidden layers; 0 makes it one linear projection, "PCFA off" in Table 4.
        damped: Leading channels of a token that start with a tenth of the weight: features of an
            untrained encoder must not drown the geometry beside them.
        generator: Source of the initial weights.
    """

    def __init__(
        self,
        token_width: int,
        prompt_width: int,
        joint_dim: int,
        *,
        hidden: int = 512,
        depth: int = 1,
        damped: int = 0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        widths = [hidden] * depth + [joint_dim]
        self.token = seeded_linear(token_width, widths[0], generator=generator)
        with torch.no_grad():
            self.token.weight[:, :damped] *= 0.1
        self.prompt = (
            seeded_linear(prompt_width, widths[0], generator=generator, bias=False)
            if prompt_width
            else None
        )
        self.rest = nn.ModuleList(
            seeded_linear(before, after, generator=generator, gain=2**0.5)
            for before, after in pairwise(widths)
        )

    def forward(self, tokens: Tensor, prompts: Tensor) -> Tensor:
        """Adapt.

        Args:
            tokens: `(B, T, token_width)`.
            prompts: `(B, n, W)`, n * W = prompt_width.

        Returns:
            `(B, T, joint_dim)`.
        """
        x = self.token(tokens)
        if self.prompt is not None:
            x = x + self.prompt(prompts.flatten(1))[:, None]
        for layer in self.rest:
            x = layer(nn.functional.gelu(x))
        return x

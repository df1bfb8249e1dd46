"""Dynamic prompts: what a cloud says about itself (PLANE's DPCM, eq. 3 and 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plane_anomalib.models.plane.layers import seeded_linear


class DynamicPrompts(nn.Module):
    """An MLP that turns the encoder's pooled feature into prompt vectors for text and points.

    The last layer starts near zero, so that training starts from the static prompts.

    Args:
        pooled_width: Channels of the pooled feature.
        text_width: Channels of a text token.
        point_width: Channels of a point token.
        num_text: Dynamic text vectors.
        num_points: Dynamic point vectors.
        hidden: Channels of the hidden layer.
        generator: Source of the initial weights.
    """

    def __init__(
        self,
        pooled_width: int,
        text_width: int,
        point_width: int,
        *,
        num_text: int = 1,
        num_points: int = 1,
        hidden: int = 192,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.shapes = ((num_text, text_width), (num_points, point_width))
        total = num_text * text_width + num_points * point_width
        self.norm = nn.LayerNorm(pooled_width, elementwise_affine=False)
        self.hidden = seeded_linear(pooled_width, hidden, generator=generator)
        self.out = seeded_linear(hidden, total, generator=generator, gain=1e-2)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Split the prompts.

        Args:
            pooled: `(B, pooled_width)`.

        Returns:
            Text part `(B, num_text, text_width)` and point part `(B, num_points, point_width)`.
        """
        prompts = self.out(nn.functional.gelu(self.hidden(self.norm(pooled))))
        (num_text, text_width), (num_points, point_width) = self.shapes
        text, points = prompts.split([num_text * text_width, num_points * point_width], -1)
        return text.unflatten(-1, (num_text, text_width)), points.unflatten(
            -1, (num_points, point_width)
        )

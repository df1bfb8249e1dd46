"""Learnable text prompts, normal and anomalous (PLANE, eq. 1 and 2)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from plane_anomalib.backbones.point_language_model import PointLanguageModel, TextPrefix


def object_name(category: str) -> str:
    """The category as a word: without digits and underscores ("bowl0" gives "bowl")."""
    words = re.sub(r"[\d_\-]+", " ", category).split()
    return " ".join(words) or "object"


class TextPrompts(nn.Module):
    """`[P1..PN][Pdyn][obj]` in two polarities, each with learnable vectors of its own.

    Args:
        width: Channels of the text encoder's tokens.
        length: Static vectors per polarity, N of the paper.
        std: Standard deviation of the initial vectors.
        generator: Source of the initial vectors.
    """

    def __init__(
        self, width: int, length: int = 6, *, std: float = 0.02, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.vectors = nn.Parameter(std * torch.randn(2, length, width, generator=generator))
        self._encoded: tuple[tuple[object, ...], TextPrefix] | None = None

    def forward(
        self, backbone: PointLanguageModel, names: Sequence[str], dynamic: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Encode both prompts of every cloud in one call.

        Args:
            backbone: The frozen model with the text encoder.
            names: The object's name for each of B clouds.
            dynamic: `(B, D, width)` vectors that each cloud adds to both its prompts; D may be 0.

        Returns:
            Normal and anomalous text features, `(B, joint_dim)` each.
        """
        batch = len(names)
        if torch.is_grad_enabled():
            static = self.vectors[:, None].expand(-1, batch, -1, -1)
            prefix = torch.cat([static, dynamic[None].expand(2, -1, -1, -1)], 2)
            encoded = backbone.encode_text(prefix.flatten(0, 1), [*names, *names])
        else:
            prefix = dynamic[None].expand(2, -1, -1, -1).flatten(0, 1)
            after = self._static(backbone).repeated(batch)
            encoded = backbone.encode_text(prefix, [*names, *names], after=after)
        normal, anomalous = encoded.view(2, batch, -1)
        return normal, anomalous

    def _static(self, backbone: PointLanguageModel) -> TextPrefix:
        """What every row of a polarity begins with, encoded once for as long as it stays the same.

        Version and address of tensors change with every training step, load and move. Tensors made
        in inference mode have no version: what depends on them is encoded anew.
        """
        tensors = self.vectors, backbone.text.token_embedding.weight
        if any(tensor.is_inference() for tensor in tensors):
            return backbone.encode_prefix(self.vectors)
        state = tuple(key for t in tensors for key in (t._version, t.data_ptr(), t.device, t.dtype))
        if torch.is_autocast_enabled(self.vectors.device.type):
            state += (torch.get_autocast_dtype(self.vectors.device.type),)
        if self._encoded is None or self._encoded[0] != state:
            self._encoded = state, backbone.encode_prefix(self.vectors)
        return self._encoded[1]

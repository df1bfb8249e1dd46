"""The one interface PLANE sees: a frozen point encoder and text encoder with a joint space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from plane_anomalib.backbones.layers import Past
from plane_anomalib.backbones.point_transformer import (
    PointFeatures,
    PointTransformer,
    PointTransformerConfig,
    TokenPrompts,
)
from plane_anomalib.backbones.text_encoder import TextEncoder, TextEncoderConfig, create_tokenizer
from plane_anomalib.core.errors import ConfigurationError


@dataclass(frozen=True)
class TextPrefix:
    """The beginning of S rows of text, encoded.

    Args:
        past: Keys and values of each block of the text encoder.
    """

    past: Sequence[Past]

    @property
    def length(self) -> int:
        """Tokens of a row, the start token included."""
        return self.past[0][0].shape[2]

    def repeated(self, times: int) -> TextPrefix:
        """Each row so many times, one after the other."""
        return TextPrefix(
            [
                (key.repeat_interleave(times, 0), value.repeat_interleave(times, 0))
                for key, value in self.past
            ]
        )


class PointLanguageModel(nn.Module):
    """Point encoder and text encoder that were trained to meet in one space (ULIP).

    Frozen by default: no parameter asks for a gradient and `train()` leaves everything in
    evaluation mode, yet gradients flow through to whatever prompts are given.

    Args:
        points: Shape of the point encoder.
        text: Shape of the text encoder.
        weights: Where the weights come from, in words; "random" if they are untrained.
        frozen: Whether the model stays as it is. Only pretraining says no.

    Attributes:
        point_width: Channels of a point token.
        text_width: Channels of a text token.
        joint_dim: Channels of the joint space.
        num_blocks: Blocks of the point encoder.
        weights: As given.
    """

    def __init__(
        self,
        points: PointTransformerConfig,
        text: TextEncoderConfig,
        *,
        weights: str = "random",
        frozen: bool = True,
    ) -> None:
        super().__init__()
        self.points = PointTransformer(points)
        self.text = TextEncoder(text)
        self.point_projection = nn.Parameter(torch.zeros(2 * points.width, text.joint_dim))
        self.tokenizer = create_tokenizer(text.tokenizer)
        self.weights = weights
        self.frozen = frozen
        self.point_width = points.width
        self.text_width = text.width
        self.joint_dim = text.joint_dim
        self.num_blocks = points.depth
        self.requires_grad_(not frozen)
        self.train(not frozen)

    def train(self, mode: bool = True) -> Self:
        """Set training mode, unless frozen: statistics of a pretrained encoder never move."""
        return super().train(mode and not self.frozen)

    def encode_points(
        self,
        points: Tensor,
        *,
        layers: Sequence[int],
        num_groups: int | None = None,
        token_prompts: TokenPrompts | None = None,
    ) -> PointFeatures:
        """Encode a batch of clouds of equally many points.

        Args:
            points: Coordinates, (B, P, 3) float32, centered and scaled to the unit sphere.
            layers: 0-based blocks whose output to return.
            num_groups: Groups per cloud (P if there are fewer points); by default as in
                pretraining.
            token_prompts: `token_prompts(layer, batch)` gives tokens (B, n, W) that block `layer`
                sees before the others and that are left out of every output. Given at every block
                they are VPT-deep; None lets the outcome of those before pass on, so that tokens at
                block 0 only are VPT-shallow.

        Returns:
            Tokens of the blocks asked for, centers, pooled feature and groups.

        Raises:
            ConfigurationError: If a layer does not exist or `points` has another shape.
        """
        features: PointFeatures = self.points(
            points, layers=layers, num_groups=num_groups, token_prompts=token_prompts
        )
        return features

    def embed_points(self, pooled: Tensor) -> Tensor:
        """Bring pooled features (B, 2 W) into the joint space, (B, joint_dim), not normalised."""
        return pooled @ self.point_projection

    def encode_text(
        self,
        prompt_prefix: Tensor | None,
        names: Sequence[str],
        *,
        after: TextPrefix | None = None,
    ) -> Tensor:
        """Encode `[start | prefix | name | . | end]` for every row (eq. 1 and 2 of PLANE).

        The sequence is as long as the longest row needs, which is exact under causal attention.

        Args:
            prompt_prefix: Learnable vectors before the name, (S, n, text_width), which may differ
                from row to row, or None. Gradients flow to them.
            names: What is named, one per row. Names beyond the context are cut off.
            after: What comes before `prompt_prefix`, the start token included, encoded once by
                `encode_prefix`: a row for each row here.

        Returns:
            One vector per row, (S, joint_dim), not normalised.

        Raises:
            ConfigurationError: If there are not as many prefixes as names, or they leave no room.
        """
        tokens = [self.tokenizer.encode(f"{name}.") for name in names]
        return self._encode_tokens(tokens, prompt_prefix, after)

    def encode_prefix(self, prompts: Tensor) -> TextPrefix:
        """Encode `[start | prompts` once, to be continued by `encode_text` as often as needed.

        The result is the same, as attention is causal; without dynamic prompts after it more than
        half of a row's work is done once.

        Args:
            prompts: Learnable vectors, (S, n, text_width).
        """
        table = self.text.token_embedding
        start = torch.full((len(prompts), 1), self.tokenizer.start, device=prompts.device)
        dtype = self.text.position.dtype
        rows = torch.cat([table(start).to(dtype), prompts.to(dtype)], 1)
        return TextPrefix(self.text.prefix(rows))

    def encode_sentences(self, sentences: Sequence[str]) -> Tensor:
        """Encode sentences as they are, (S, joint_dim), not normalised."""
        return self._encode_tokens([self.tokenizer.encode(text) for text in sentences])

    def embed_words(self, words: str) -> Tensor:
        """Return the token embeddings of `words`, (n, text_width), to initialise prompts from.

        A new tensor without gradient; n is the number of tokens, which depends on the tokenizer.
        """
        token_ids = torch.tensor(self.tokenizer.encode(words), dtype=torch.long)
        table = self.text.token_embedding.weight
        found = table.detach()[token_ids.to(table.device)]
        return found.to(self.point_projection.dtype, copy=True)

    def _encode_tokens(
        self,
        tokens: list[list[int]],
        prompts: Tensor | None = None,
        after: TextPrefix | None = None,
    ) -> Tensor:
        own = (0 if prompts is None else prompts.shape[1]) + (after is None)
        before = own + (0 if after is None else after.length)
        self._check_prefix(prompts, len(tokens), before)
        room = self.text.config.context_length - before - 1
        device = self.point_projection.device
        rows = [torch.tensor([*row[:room], self.tokenizer.end]) for row in tokens]
        end = torch.tensor([own + len(row) - 1 for row in rows], device=device)
        # Padding follows the end token, so no row that is read ever sees it.
        embed, dtype = self.text.token_embedding, self.text.position.dtype
        parts = [embed(pad_sequence(rows, batch_first=True).to(device)).to(dtype)]
        if prompts is not None:
            parts.insert(0, prompts.to(dtype))
        if after is None:
            start = torch.full((len(rows), 1), self.tokenizer.start, device=device)
            parts.insert(0, embed(start).to(dtype))
        past = None if after is None else after.past
        encoded: Tensor = self.text(torch.cat(parts, 1), end, past)
        return encoded.to(self.point_projection.dtype)

    def _check_prefix(self, prefix: Tensor | None, num_rows: int, before: int) -> None:
        if num_rows == 0:
            raise ConfigurationError("There is no text to encode: give at least one name.")
        if prefix is None:
            return
        if prefix.ndim != 3 or prefix.shape[0] != num_rows or prefix.shape[2] != self.text_width:
            raise ConfigurationError(
                f"{num_rows} names need prompts of shape ({num_rows}, n, {self.text_width}), "
                f"not {tuple(prefix.shape)}."
            )
        if before + 3 > self.text.config.context_length:
            raise ConfigurationError(
                f"{before - 1} prompt vectors leave no room for a name in a context of "
                f"{self.text.config.context_length} tokens: use fewer."
            )

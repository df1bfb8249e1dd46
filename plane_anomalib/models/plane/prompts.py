"""PLANE's prompts: text (eq. 1 and 2), dynamic (eq. 3 and 4), of points and places, and visual."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from plane_anomalib.backbones.point_language_model import PointLanguageModel, TextPrefix

#: Half the edge of the cube that is told apart; what lies beyond shares its border cells.
REACH = 1.2
_PRIMES = (1, 2654435761, 805459861)


def seeded_linear(
    inputs: int,
    outputs: int,
    *,
    generator: torch.Generator,
    bias: bool = True,
    gain: float = 1.0,
) -> nn.Linear:
    """A linear layer with normal weights of variance `gain ** 2 / inputs` and zero bias."""
    # Not skip_init, which imports all of sympy (torch 2.14).
    layer = nn.Linear(inputs, outputs, bias=bias, device="meta")
    noise = torch.randn((outputs, inputs), generator=generator)
    layer.weight = nn.Parameter(noise * gain * inputs**-0.5)
    if bias:
        layer.bias = nn.Parameter(torch.zeros(outputs))
    return layer


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


class PlacePrompts(nn.Module):
    """Coordinates, their sines and cosines, and learnable vectors of each category's places.

    The paper has M static prompts per category, the same for every token. Ours are as many as the
    object has places: a token takes the prompts of where it lies, so that a category can say what
    is normal HERE. They are learnt from scratch; no template is looked up. The store is a
    multi-resolution hash grid (Mueller et al., "Instant Neural Graphics Primitives", 2022), because
    it learns faster than a network fed with coordinates alone.

    Args:
        num_categories: Categories with places of their own; 1 shares one set among all.
        octaves: Wavelengths of the sines and cosines, each half the one before.
        resolutions: Cells along an edge, one grid each.
        slots: Vectors per grid and category; finer grids share them by hash.
        channels: Channels of a vector.
        generator: Source of the initial vectors.
    """

    def __init__(
        self,
        num_categories: int,
        *,
        octaves: int = 6,
        resolutions: Sequence[int] = (8, 16, 32, 64, 128),
        slots: int = 2**13,
        channels: int = 4,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.resolutions, self.slots, self.num_categories = (
            tuple(resolutions),
            slots,
            num_categories,
        )
        shape = (len(self.resolutions) * num_categories * slots, channels)
        self.vectors = nn.Parameter(0.01 * torch.randn(shape, generator=generator))
        self.frequencies: Tensor
        self.corners: Tensor
        self.primes: Tensor
        self.register_buffer("frequencies", 1.5 * 2.0 ** torch.arange(octaves), persistent=False)
        corners = torch.cartesian_prod(*[torch.tensor([0, 1])] * 3)
        self.register_buffer("corners", corners, persistent=False)
        self.register_buffer("primes", torch.tensor(_PRIMES), persistent=False)

    @staticmethod
    def width(octaves: int, resolutions: Sequence[int], channels: int) -> int:
        """Channels that `forward` gives."""
        return 3 + 6 * octaves + channels * len(resolutions)

    def forward(self, places: Tensor, indices: Sequence[int | None]) -> Tensor:
        """What is known of each place.

        Args:
            places: `(B, P, 3)`, about within the unit sphere.
            indices: Category of each cloud; `None` has no prompts of its own and gets zeros.

        Returns:
            `(B, P, width)`.
        """
        phases = (places[..., None] * self.frequencies).flatten(-2)
        known = [0 if index is None else index for index in indices]
        prompts = self._look_up(places, torch.tensor(known, device=places.device))
        familiar = [float(index is not None) for index in indices]
        prompts = prompts * torch.tensor(familiar, device=places.device)[:, None, None]
        return torch.cat([places, phases.sin(), phases.cos(), prompts], -1)

    def _look_up(self, places: Tensor, category: Tensor) -> Tensor:
        """Trilinear interpolation of the vectors at the corners of a place's cell, per grid."""
        inside = places.clamp(-REACH, REACH) + REACH
        found = []
        for level, resolution in enumerate(self.resolutions):
            position = inside * (resolution / (2 * REACH))
            cell = position.floor()
            share = (position - cell)[..., None, :]
            keys = (cell.long()[..., None, :] + self.corners) * self.primes
            slot = (keys[..., 0] ^ keys[..., 1] ^ keys[..., 2]) % self.slots
            start = (level * self.num_categories + category) * self.slots
            weight = torch.where(self.corners.bool(), share, 1 - share).prod(-1)
            # Indexing would sum gradients in the order in which threads arrive.
            vectors = nn.functional.embedding(slot + start[:, None, None], self.vectors)
            found.append((vectors * weight[..., None]).sum(-2))
        return torch.cat(found, -1)


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

"""Static point prompts that live at places of the object.

The paper has M static prompts per category, the same for every token. Ours are as many as the
object has places: a token takes the prompts of where it lies, so that a category can say what is
normal HERE. They are learnt from scratch; no template is looked up. The store is a
multi-resolution hash grid (Mueller et al., "Instant Neural Graphics Primitives", 2022), because
it learns faster than a network fed with coordinates alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

#: Half the edge of the cube that is told apart; what lies beyond shares its border cells.
REACH = 1.2
_PRIMES = (1, 2654435761, 805459861)


class PlacePrompts(nn.Module):
    """Coordinates, their sines and cosines, and learnable vectors of each category's places.

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

"""The local shape of normal specimens, place by place, and how far a cloud's is from it.

A deviation says that the surface lies elsewhere, not that it is rough or bent where it should be
smooth; a scratch or a chipped rim moves few points by little and shows first in their local shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plane_anomalib.geometry.local_shape import local_shape_channels
from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.validation import FloatArray
from plane_anomalib.models.detector import ResizableBuffers

_FINEST = 2
"""Scales that are compared; coarser ones are smooth enough to be told by the deviations."""
_NEIGHBOURS = 8
"""Of each specimen."""
_LEAST_SPREAD = 0.3
"""Of the channel's spread over the whole specimen: few neighbours understate their own."""


def compared_channels(num_scales: int) -> tuple[int, ...]:
    """Which columns of the local shape at so many scales are compared."""
    few = set(local_shape_channels(min(num_scales, _FINEST))[:-2])
    return tuple(i for i, name in enumerate(local_shape_channels(num_scales)) if name in few)


class UsualShape(ResizableBuffers):
    """Local shape of the normal specimens of one category at places of their common frame."""

    places: Tensor
    shapes: Tensor
    spread: Tensor
    specimens: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("places", torch.zeros(0, 3))
        self.register_buffer("shapes", torch.zeros(0, 0, dtype=torch.float16))
        self.register_buffer("spread", torch.zeros(0))
        self.register_buffer("specimens", torch.tensor(0))
        self._index: NeighbourIndex | None = None

    def fit(self, places: Sequence[FloatArray], shapes: Sequence[FloatArray]) -> None:
        """Remember specimens.

        Args:
            places: (P_i, 3) of each specimen, in the common frame.
            shapes: (P_i, C) local shape there, the columns of `compared_channels`.
        """
        together = np.concatenate(shapes)
        self.places = torch.from_numpy(np.concatenate(places).astype(np.float32))
        self.shapes = torch.from_numpy(together.astype(np.float16))
        self.spread = torch.from_numpy(together.std(0, dtype=np.float64).astype(np.float32))
        self.specimens = torch.tensor(len(places))
        self._index = None

    def deviations(self, places: FloatArray, shapes: FloatArray) -> FloatArray:
        """How far local shapes are from what is usual at their places.

        Args:
            places: (Q, 3) in the common frame.
            shapes: (Q, C) local shape there.

        Returns:
            (Q, C) float32 differences from the mean of the nearest places, in standard deviations,
            through asinh.
        """
        if self._index is None:
            self._index = NeighbourIndex(self.places.cpu().numpy())
        count = min(_NEIGHBOURS * int(self.specimens), len(self.places))
        near = self._index.query(np.ascontiguousarray(places, np.float32), count)[1]
        usual = self.shapes.cpu().numpy()[near].astype(np.float32)
        least = _LEAST_SPREAD * self.spread.cpu().numpy() + 1e-6
        scale = np.sqrt(usual.var(1) + np.square(least))
        return np.arcsinh((shapes - usual.mean(1)) / scale).astype(np.float32)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the tree, which does not go from process to process."""
        return self.__dict__ | {"_index": None}

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        """Build the tree anew when next needed."""
        self._index = None
        super()._load_from_state_dict(*args, **kwargs)

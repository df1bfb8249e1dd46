"""From group centers to the points of a view, on the device of the model."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from plane_anomalib.geometry.neighbours import knn_torch


def propagate(centers: Tensor, points: Tensor, k: int = 3) -> Callable[[Tensor], Tensor]:
    """Prepare inverse squared distance interpolation; the neighbours serve several layers.

    Args:
        centers: `(B, G, 3)`.
        points: `(B, P, 3)`.
        k: Centers that share in a point's value.

    Returns:
        A function from `(B, G, C)` to `(B, P, C)`; gradients flow through it.
    """
    k = min(k, centers.shape[1])
    index = knn_torch(centers, points, k)
    batch = torch.arange(len(centers), device=centers.device)[:, None, None]
    squared = (centers[batch, index] - points[:, :, None]).square().sum(-1)
    weights = 1 / squared.clamp_min(1e-8)
    weights = weights / weights.sum(-1, keepdim=True)

    def spread(values: Tensor) -> Tensor:
        total = weights[..., :1].to(values.dtype) * values[batch[..., 0], index[..., 0]]
        for j in range(1, k):
            total = (
                total
                + weights[..., j : j + 1].to(values.dtype) * (values[batch[..., 0], index[..., j]])
            )
        return total

    return spread

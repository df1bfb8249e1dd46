"""Focal and dice loss on the anomaly maps (PLANE, eq. 7)."""

from __future__ import annotations

import torch
from torch import Tensor


def focal_loss(probability: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """Mean focal loss without class weights.

    Args:
        probability: Probability of an anomaly, any shape, in [0, 1].
        target: 1 where anomalous, same shape.
        gamma: How little well-classified points count.
    """
    with torch.autocast(probability.device.type, enabled=False):
        probability, target = probability.float().clamp(1e-6, 1 - 1e-6), target.float()
        right = torch.where(target > 0.5, probability, 1 - probability)
        return (-((1 - right) ** gamma) * right.log()).mean()


def dice_loss(probability: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """Mean over the clouds of one minus the soft Dice overlap of the anomalous points.

    Args:
        probability: `(B, P)`.
        target: `(B, P)`, 1 where anomalous.
        smooth: Added above and below, so that a cloud without anomalies has a defined loss.
    """
    probability, target = probability.float(), target.float()
    overlap = (probability * target).sum(-1)
    total = probability.sum(-1) + target.sum(-1)
    return (1 - (2 * overlap + smooth) / (total + smooth)).mean()

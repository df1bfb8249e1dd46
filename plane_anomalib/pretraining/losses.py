"""The losses of pretraining, as functions of tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def contrast(clouds: Tensor, texts: Tensor, scale: Tensor, ignored: Tensor) -> Tensor:
    """Symmetric InfoNCE: each cloud finds its caption, each caption its cloud.

    Args:
        clouds: Unit vectors, (B, D).
        texts: Unit vectors of the captions, (B, D).
        scale: Inverse temperature.
        ignored: (B, B) bool, pairs that are no counter-examples; False on the diagonal.
    """
    logits = (scale * clouds @ texts.T).masked_fill(ignored, -torch.inf)
    right = torch.arange(len(logits), device=logits.device)
    return 0.5 * (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right))


def anomaly_logits(features: Tensor, anchors: Tensor, tau: float) -> Tensor:
    """Log-odds of eq. 6: `sigmoid` of it is the softmax over the two cosines.

    Args:
        features: Unit vectors, (B, ..., D).
        anchors: T_N and T_A of each cloud, unit vectors, (2, B, D).
        tau: Temperature.
    """
    axis = (anchors[1] - anchors[0]) / tau
    while axis.ndim < features.ndim:
        axis = axis.unsqueeze(1)
    return (features * axis).sum(-1)


def focal(logits: Tensor, target: Tensor, counted: Tensor, gamma: float = 2.0) -> Tensor:
    """Mean focal loss with soft targets: cross-entropy times `|target - probability|^gamma`.

    Anomalous groups weigh as much as their share is short of a half, at most ten times as much as
    the others, so that the few are not drowned out.

    Args:
        logits: Any shape.
        target: Shares from 0 to 1.
        counted: bool, what counts.
        gamma: How little well-classified groups count.
    """
    valid = counted.float()
    share = (target * valid).sum() / valid.sum().clamp_min(1)
    lift = ((1 - share) / share.clamp_min(1e-6)).clamp(1, 10)
    weight = valid * (1 + (lift - 1) * target)
    distance = (target - logits.sigmoid()).abs()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (weight * distance**gamma * entropy).sum() / weight.sum().clamp_min(1)


def dice(logits: Tensor, target: Tensor, counted: Tensor, smooth: float = 1.0) -> Tensor:
    """Mean over the clouds of one minus the soft overlap.

    Args:
        logits: (B, G).
        target: Shares from 0 to 1, (B, G).
        counted: (B, G) bool, what counts.
        smooth: Added above and below, so that a cloud without anomalies has a defined loss.
    """
    valid = counted.float()
    probability, target = logits.sigmoid() * valid, target * valid
    overlap = (probability * target).sum(-1)
    # Squares: with plain sums a soft target would not be the best answer to itself.
    total = probability.square().sum(-1) + target.square().sum(-1)
    return (1 - (2 * overlap + smooth) / (total + smooth)).mean()


def segmentation(logits: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Focal and dice loss, the mean over the layers.

    Args:
        logits: (L, B, G).
        target: (B, G).
        counted: (B, G) bool.
    """
    parts = [focal(layer, target, counted) + dice(layer, target, counted) for layer in logits]
    return torch.stack(parts).mean()


def chamfer(predicted: Tensor, points: Tensor) -> Tensor:
    """Mean squared distance to the nearest point of the other set, both ways.

    Args:
        predicted: (M, K, 3).
        points: (M, L, 3).
    """
    squared = (
        predicted.square().sum(-1)[:, :, None]
        + points.square().sum(-1)[:, None]
        - 2 * predicted @ points.transpose(1, 2)
    ).clamp_min(0)
    return squared.amin(2).mean() + squared.amin(1).mean()


def directions(predicted: Tensor, normals: Tensor, counted: Tensor) -> Tensor:
    """One minus the cosine to the outward normals.

    Args:
        predicted: (B, G, 3), any length.
        normals: (B, G, 3) unit.
        counted: (B, G) bool, what counts.
    """
    valid = counted.float()
    cosine = F.cosine_similarity(predicted, normals, dim=-1)
    return ((1 - cosine) * valid).sum() / valid.sum().clamp_min(1)


def curvature(predicted: Tensor, curved: Tensor, counted: Tensor) -> Tensor:
    """Smooth absolute error of the logarithm of a curvature.

    Args:
        predicted: (B, G), of the logarithm.
        curved: (B, G), one minus the length of the mean normal.
        counted: (B, G) bool, what counts.
    """
    valid = counted.float()
    # Below a thousandth it is the noise of float16 normals.
    target = curved.clamp_min(1e-3).log()
    error = F.smooth_l1_loss(predicted, target, reduction="none")
    return (error * valid).sum() / valid.sum().clamp_min(1)

"""Anomaly maps from features and text (PLANE, eq. 6)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity


def anomaly_probability(
    features: Tensor, normal: Tensor, anomalous: Tensor, temperature: Tensor | float
) -> Tensor:
    """Softmax of the cosine similarities to both texts, the anomalous one's share.

    Args:
        features: `(B, T, J)` per-token features in the joint space.
        normal: `(B, J)` text features of the normal prompt.
        anomalous: `(B, J)` text features of the anomalous prompt.
        temperature: Divides the similarities; the paper has 1, which keeps the result within
            0.12 and 0.88.

    Returns:
        `(B, T) float32`.
    """
    with torch.autocast(features.device.type, enabled=False):
        features = features.float()
        difference = cosine_similarity(
            features, anomalous.float()[:, None], dim=-1
        ) - cosine_similarity(features, normal.float()[:, None], dim=-1)
        return torch.sigmoid(difference / temperature)

"""One cloud through a model, as every way of judging clouds does it."""

from __future__ import annotations

from typing import Any

import torch
from lightning.fabric.utilities import move_data_to_device
from torch import Tensor

from plane_anomalib.data.point_cloud import PointCloudBatch, PointCloudItem
from plane_anomalib.geometry.points import FloatArray


@torch.no_grad()
def score_cloud(model: Any, cloud: FloatArray, category: str) -> tuple[float, Tensor]:
    """What a model says of one cloud.

    Args:
        model: A Lightning model of this package.
        cloud: `(N, 3) float32`.
        category: What the object is; "" leaves it to the model.

    Returns:
        The object's score, and `(N,) float32` the points', on the model's device.
    """
    item = PointCloudItem(points=torch.from_numpy(cloud), category=category)
    batch = move_data_to_device(PointCloudBatch.collate([item]), model.device)
    scores = model.score_batch(batch)
    return float(scores.pred_score), scores.anomaly_map.detach().float()

"""What ModelName learns and how it scores; no anomalib, no Lightning in here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor

from model_name.config import ModelNameConfig
from plane_anomalib import CloudDetector, CloudScores, FittedModel

Points = NDArray[np.float32]


class ModelNameDetector(CloudDetector):
    """Scores a point by its distance to the normal clouds, which must all lie the same way.

    One detector learns one category. What it learns lies in buffers: they are what a checkpoint
    holds, and `fit` may change their shapes.

    Args:
        num_points: Points of the normal clouds that are kept.
        seed: Chooses them. Never use torch's or numpy's global generator.
    """

    normal: Tensor

    def __init__(self, num_points: int, seed: int) -> None:
        super().__init__()
        self.num_points = num_points
        self.seed = seed
        self.register_buffer("normal", torch.zeros(0, 3))

    def fit(self, clouds: Sequence[Points]) -> None:
        """Learn from normal clouds.

        Args:
            clouds: At least one, `(N_i, 3) float32`, in the object's own units.
        """
        points = np.concatenate(clouds)
        generator = np.random.default_rng(self.seed)
        kept = generator.choice(len(points), min(self.num_points, len(points)), replace=False)
        self.normal = torch.from_numpy(points[kept])

    def forward(self, cloud: Points) -> CloudScores:
        """Score a cloud.

        Args:
            cloud: `(N, 3) float32`, N >= 1, perhaps a million.

        Returns:
            One score per point, in input order, and one for the object: the mean of the highest
            hundredth.
        """
        distances, _ = KDTree(self.normal.cpu().numpy()).query(cloud)
        anomaly_map = np.asarray(distances, np.float32)
        highest = np.sort(anomaly_map)[-max(1, len(cloud) // 100) :]
        return CloudScores(anomaly_map, float(highest.mean()))


def create_model_name(config: ModelNameConfig) -> FittedModel:
    """Make the method: a detector for each category."""
    return FittedModel(partial(ModelNameDetector, config.num_points, config.seed))

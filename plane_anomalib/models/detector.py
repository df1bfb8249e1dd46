"""A detector that knows one category of objects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from plane_anomalib.geometry.validation import FloatArray


class CloudScores(NamedTuple):
    """Scores of one cloud.

    Attributes:
        anomaly_map: (N,) float32, one score per point in input order.
        pred_score: Score of the whole cloud.
    """

    anomaly_map: NDArray[np.float32]
    pred_score: float


class CloudDetector(nn.Module, ABC):
    """Fitted on the normal clouds of one category, then asked cloud by cloud."""

    @abstractmethod
    def fit(self, clouds: Sequence[FloatArray]) -> None:
        """Learn from normal clouds; everything learnt goes into registered buffers.

        Args:
            clouds: (N_i, 3) float32 each, any units.
        """

    @abstractmethod
    def forward(self, cloud: FloatArray) -> CloudScores:
        """Score one cloud.

        Args:
            cloud: (N, 3), 1 to 2,000,000 points.

        Returns:
            Scores of its points and of the whole.
        """

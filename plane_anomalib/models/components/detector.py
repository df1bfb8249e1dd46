"""What a model without gradient training consists of: one detector per category."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from plane_anomalib.geometry.points import FloatArray


class CloudScores(NamedTuple):
    """What a detector says of one cloud.

    Attributes:
        anomaly_map: `(N,) float32`, one score per point, in input order.
        pred_score: The object's score.
    """

    anomaly_map: NDArray[np.float32]
    pred_score: float


class ResizableBuffers(nn.Module):
    """A module whose buffers take over the shapes of a state that is loaded into them."""

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        for name, buffer in self.named_buffers(recurse=False):
            given = state_dict.get(prefix + name)
            if given is not None and given.shape != buffer.shape:
                setattr(self, name, buffer.new_empty(given.shape, dtype=given.dtype))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


class CloudDetector(ResizableBuffers, ABC):
    """Fitted on the normal clouds of one category, scores clouds of it.

    What is learnt lies in buffers, registered in the constructor; `fit` may change their shapes.
    """

    @abstractmethod
    def fit(self, clouds: Sequence[FloatArray]) -> None:
        """Learn from normal clouds.

        Args:
            clouds: At least one, `(N_i, 3) float32`, in the object's own units.
        """

    @property
    def transductive(self) -> bool:
        """Whether scores depend on the test set as a whole, which `observe` then has to see."""
        return False

    def observe(self, clouds: Iterable[FloatArray]) -> None:
        """Look at the clouds that will be tested, without their labels.

        Args:
            clouds: `(N_i, 3) float32`, aligned.
        """

    @abstractmethod
    def forward(self, cloud: FloatArray) -> CloudScores:
        """Score every point of a cloud.

        Args:
            cloud: `(N, 3) float32`, N >= 1, in the object's own units.
        """


class CloudAligner(ResizableBuffers, ABC):
    """Brings the clouds of one category into one pose."""

    @abstractmethod
    def fit(self, clouds: Sequence[FloatArray]) -> list[FloatArray]:
        """Choose the pose.

        Args:
            clouds: At least one normal cloud, `(N_i, 3) float32`.

        Returns:
            The clouds in that pose, their points in the same order.
        """

    @abstractmethod
    def forward(self, cloud: FloatArray) -> FloatArray:
        """Bring a cloud `(N, 3) float32` into the pose, its points in the same order."""


class Unaligned(CloudAligner):
    """Leaves the clouds as they are."""

    def fit(self, clouds: Sequence[FloatArray]) -> list[FloatArray]:
        """Return the clouds."""
        return list(clouds)

    def forward(self, cloud: FloatArray) -> FloatArray:
        """Return the cloud."""
        return cloud

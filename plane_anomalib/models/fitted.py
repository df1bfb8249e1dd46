"""Models that are fitted once on all training clouds, without gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from anomalib.data import InferenceBatch
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor

from plane_anomalib.data.point_cloud import PointCloudBatch
from plane_anomalib.errors import ConfigurationError
from plane_anomalib.geometry.validation import FloatArray
from plane_anomalib.models.base import PointCloudMixin
from plane_anomalib.models.fitted_model import FittedModel


class FittedMixin(PointCloudMixin):
    """Put before `AnomalibModule` in place of `PointCloudMixin`; the class sets `self.model`."""

    model: FittedModel

    def on_train_start(self) -> None:
        """Fit, before the validation that finds the thresholds."""
        super().on_train_start()
        self.model.fit(self._training_clouds())

    def _training_clouds(self) -> Iterator[tuple[str, list[FloatArray]]]:
        """Each category with its training clouds, read when their turn comes."""
        data = self.point_cloud_datamodule.train_data
        rows = data.samples.groupby("category", sort=True).indices
        for category, indices in rows.items():
            yield str(category), [data.untransformed(int(i)).points.numpy() for i in indices]

    def training_step(self, batch: PointCloudBatch, *args: Any, **kwargs: Any) -> STEP_OUTPUT:
        """Nothing to do: Lightning wants a step and a loss."""
        del args, kwargs
        if not isinstance(batch, PointCloudBatch):
            raise ConfigurationError(
                f"{type(self).__name__} is fitted on point clouds, not {type(batch).__name__}."
            )
        return torch.zeros((), requires_grad=True)

    def configure_optimizers(self) -> None:
        """None: there is nothing to optimise."""

    def score_batch(self, batch: PointCloudBatch) -> InferenceBatch:
        """Scores of all points; see `FittedModel.forward`."""
        return self.model(batch.points, batch.lengths, batch.category)

    @property
    def trainer_arguments(self) -> dict[str, Any]:
        """One step, in which nothing happens, then validation, where thresholds are found."""
        return {
            "max_epochs": 1,
            "limit_train_batches": 1,
            "num_sanity_val_steps": 0,
            "gradient_clip_val": 0,
        }

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Nothing to do."""

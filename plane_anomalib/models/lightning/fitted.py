"""Models that are fitted once on all training clouds, without gradients."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Self

import torch
from anomalib.data import InferenceBatch
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.data.dataset import PointCloudDataset
from plane_anomalib.data.point_cloud import PointCloudBatch
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.models.components.checkpoints import upgraded
from plane_anomalib.models.components.fitted_model import FittedModel
from plane_anomalib.models.lightning.base import PointCloudMixin

logger = logging.getLogger(__name__)


class FittedMixin(PointCloudMixin):
    """Put before `AnomalibModule` in place of `PointCloudMixin`; the class sets `self.model`."""

    model: FittedModel

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode: no layer learns here, and statistics must not move."""
        del mode
        return super().train(False)

    def setup(self, stage: str) -> None:
        """Refuse to fit in several processes: each would do all the work.

        Raises:
            ConfigurationError: Training is distributed.
        """
        if stage == "fit" and self.trainer.world_size > 1:
            raise ConfigurationError(
                f"{type(self).__name__} is fitted once, without gradients, by one process, not by "
                f"{self.trainer.world_size}: leave out --trainer.strategy and set "
                "--trainer.devices 1 (testing the checkpoint may use more)."
            )
        super().setup(stage)

    def on_train_start(self) -> None:
        """Fit, before the validation that finds the thresholds."""
        super().on_train_start()
        self.model.fit(_by_category(self.point_cloud_datamodule.train_data))

    def on_test_start(self) -> None:
        """Let a model that is transductive, as some reference code is, see the test set."""
        super().on_test_start()
        if self.model.transductive:
            logger.warning("Scores are normalised over the test set, as the reference code does.")
            self.model.observe(_by_category(self.point_cloud_datamodule.test_data))

    def training_step(self, batch: PointCloudBatch, *args: Any, **kwargs: Any) -> STEP_OUTPUT:
        """Nothing to do: Lightning wants a step and a loss."""
        del args, kwargs
        if not isinstance(batch, PointCloudBatch):
            raise ConfigurationError(
                f"{type(self).__name__} is fitted on point clouds, not {type(batch).__name__}: "
                "choose a dataset of point clouds."
            )
        return torch.zeros((), requires_grad=True)

    def configure_optimizers(self) -> None:
        """None: there is nothing to optimise."""

    def score_batch(self, batch: PointCloudBatch) -> InferenceBatch:
        """Scores of all points; see `Method.score_packed`."""
        scores = self.model.score_packed(batch.points, batch.lengths, batch.category)
        return InferenceBatch(**scores._asdict())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Compare the arguments; the state itself says how many detectors there are.

        Raises:
            ConfigurationError: The checkpoint was fitted with other arguments.
        """
        super().on_load_checkpoint(checkpoint)
        self.model.check_checkpoint(checkpoint, self.hparams)
        if "encoder" not in self._modules:
            checkpoint["state_dict"] = upgraded(checkpoint["state_dict"])

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


def _by_category(data: PointCloudDataset) -> Iterator[tuple[str, Iterator[FloatArray]]]:
    """Each category with its clouds, read when their turn comes."""
    for category, items in data.by_category():
        yield category, (item.points.numpy() for item in items)

"""What every point-cloud model shares in anomalib: its image-shaped parts are overridden once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self

import torch
from anomalib import LearningType
from anomalib.callbacks import ModelCheckpoint
from anomalib.data import InferenceBatch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.registry import DATASETS
from plane_anomalib.data.datamodule import PointCloudDataModule
from plane_anomalib.data.dataset import ItemTransform, PointCloudDataset
from plane_anomalib.data.point_cloud import PointCloudBatch
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.models.components.checkpoints import CHECKPOINT_MODEL, upgraded
from plane_anomalib.models.components.config import MethodConfig
from plane_anomalib.models.components.fitted_model import FittedModel
from plane_anomalib.models.components.method import EmbeddedPrompts, Method
from plane_anomalib.models.lightning.evaluator import PointCloudEvaluator
from plane_anomalib.models.lightning.post_processing import PointCloudPostProcessor
from plane_anomalib.models.lightning.visualizer import PointCloudVisualizer


class PointCloudMixin(LightningModule):
    """Put before `AnomalibModule`: `class Plane(PointCloudMixin, AnomalibModule)`.

    A model gives `score_batch`; if it is trained on changed clouds, `train_transform` too. It must
    derive from `AnomalibModule` directly, or anomalib's `get_model` does not find it.

    Attributes:
        contract_arguments: Constructor arguments that make the model quick on clouds of 300
            points, for `plane-anomalib check`; a model that is quick as it is needs none.
    """

    contract_arguments: ClassVar[Mapping[str, Any]] = {}

    config: MethodConfig
    """All choices, for a class that `core.configured` made the constructor of."""

    def build(self) -> None:
        """Make the method; called by a constructor that `core.configured` made."""
        self.model = self.config.create()

    def score_batch(self, batch: PointCloudBatch) -> InferenceBatch:
        """Score a packed batch.

        Args:
            batch: Clouds of any sizes.

        Returns:
            `anomaly_map (sum N,)`, one score per input point in input order, and `pred_score (B,)`.
        """
        raise NotImplementedError

    def embedded_prompts(self) -> EmbeddedPrompts | None:
        """What the model's text prompts mean, for a report's map of them; None without any."""
        method = getattr(self, "model", None)
        return method.embedded_prompts() if isinstance(method, Method) else None

    def train_transform(self, datamodule: PointCloudDataModule) -> ItemTransform | None:
        """What turns a training cloud into what `training_step` gets; runs in the workers."""
        del datamodule
        return None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say which model this is, so that the file can be read without being told."""
        super().on_save_checkpoint(checkpoint)
        checkpoint[CHECKPOINT_MODEL] = type(self).__name__

    @property
    def learning_type(self) -> LearningType:
        """Trained on normal clouds only."""
        return LearningType.ONE_CLASS

    @property
    def point_cloud_datamodule(self) -> PointCloudDataModule:
        """The datamodule of the run.

        Raises:
            ConfigurationError: The run has none, or one of images.
        """
        datamodule = getattr(self.trainer, "datamodule", None)
        if not isinstance(datamodule, PointCloudDataModule):
            raise ConfigurationError(
                f"{type(self).__name__} needs point clouds, but the data are "
                f"{type(datamodule).__name__}: choose --data {', '.join(DATASETS.names)}."
            )
        return datamodule

    def setup(self, stage: str) -> None:
        """Give the datamodule the model's transform before the loaders are built.

        Raises:
            ConfigurationError: The run has no clouds, or predicts in several processes.
        """
        super().setup(stage)
        if stage == "predict" and self.trainer.world_size > 1:
            # The files are written as clouds come, and other processes' would be missing.
            raise ConfigurationError(
                "Predictions are written by one process: set --trainer.devices 1 and leave out "
                "--trainer.strategy."
            )
        if stage == "fit":
            datamodule = self.point_cloud_datamodule
            datamodule.set_train_transform(self.train_transform(datamodule))

    def forward(self, batch: PointCloudBatch, *args: Any, **kwargs: Any) -> InferenceBatch:
        """Scores, thresholds applied."""
        del args, kwargs
        scores = self.score_batch(batch)
        return self.post_processor(scores) if self.post_processor else scores

    def _scored(self, batch: PointCloudBatch) -> STEP_OUTPUT:
        if not isinstance(batch, PointCloudBatch):
            raise ConfigurationError(
                f"{type(self).__name__} scores point clouds, not {type(batch).__name__}: "
                "choose a dataset of point clouds."
            )
        # In place: the evaluator reads the batch, not what a step returns.
        return batch.update(**self.score_batch(batch)._asdict())

    def validation_step(self, batch: PointCloudBatch, *args: Any, **kwargs: Any) -> STEP_OUTPUT:
        """Score in place."""
        return self._scored(batch)

    def test_step(self, batch: PointCloudBatch, *args: Any, **kwargs: Any) -> STEP_OUTPUT:
        """Score in place."""
        return self._scored(batch)

    def predict_step(self, batch: PointCloudBatch, *args: Any, **kwargs: Any) -> STEP_OUTPUT:
        """Score in place."""
        return self._scored(batch)

    @staticmethod
    def configure_pre_processor(image_size: tuple[int, int] | None = None) -> None:
        """None: a model normalises clouds itself, so that scores go back to every point."""
        del image_size

    def configure_post_processor(self) -> PointCloudPostProcessor:
        """Thresholds from validation; scores stay raw."""
        return PointCloudPostProcessor()

    @staticmethod
    def configure_evaluator() -> PointCloudEvaluator:
        """Exact metrics per category, `metrics.json`."""
        return PointCloudEvaluator()

    @classmethod
    def configure_visualizer(cls) -> PointCloudVisualizer:
        """Pictures and an interactive page."""
        return PointCloudVisualizer()

    @property
    def input_size(self) -> None:
        """Clouds have no fixed size."""
        return

    def to_onnx(self, export_root: Path | str, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: neighbour search and grouping have no ONNX form."""
        raise _no_export(self, "ONNX")

    def to_openvino(self, export_root: Path | str, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: neighbour search and grouping have no OpenVINO form."""
        raise _no_export(self, "OpenVINO")


def _no_export(model: object, kind: str) -> ConfigurationError:
    return ConfigurationError(
        f"{type(model).__name__} cannot be exported to {kind}, which has no form for neighbour "
        "search on clouds of any size: use --export_type torch or the checkpoint."
    )


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


def checkpoint_every_epoch(trainer: Trainer) -> list[ModelCheckpoint]:
    """What replaces the checkpoint callback that anomalib's engine adds.

    The engine's waits for validation, which comes once, at the end, or never. Lightning puts a
    model's callback in the place of the trainer's of the same class; one that a user configured
    stays.

    Args:
        trainer: The run's.
    """
    return [
        ModelCheckpoint(
            dirpath=callback.dirpath,
            filename=callback.filename,
            auto_insert_metric_name=False,
            save_on_train_epoch_end=True,
        )
        for callback in trainer.checkpoint_callbacks
        if type(callback) is ModelCheckpoint
        and callback.monitor is None
        and callback._save_on_train_epoch_end is None
    ]

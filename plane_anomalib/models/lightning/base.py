"""What every point-cloud model shares: the image-shaped parts of anomalib, overridden once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from anomalib import LearningType
from anomalib.data import InferenceBatch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import STEP_OUTPUT

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.registry import DATASETS
from plane_anomalib.data.datamodule import PointCloudDataModule
from plane_anomalib.data.dataset import ItemTransform
from plane_anomalib.data.point_cloud import PointCloudBatch
from plane_anomalib.models.components.checkpoints import CHECKPOINT_MODEL
from plane_anomalib.models.components.config import MethodConfig
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

"""PLANE for anomalib: trains, saves and configures `PlaneModel`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import rich.progress
import torch
from anomalib.data import InferenceBatch
from anomalib.models.components import AnomalibModule
from lightning.pytorch import Callback
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor
from torch import distributed as dist

from plane_anomalib.core.configured import configured
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.progress import Progress
from plane_anomalib.data.datamodule import PointCloudDataModule
from plane_anomalib.data.dataset import ItemTransform
from plane_anomalib.data.point_cloud import PointCloudBatch, PointCloudItem
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.models.lightning.base import PointCloudMixin, checkpoint_every_epoch
from plane_anomalib.models.plane.compatibility import check_resumed_data
from plane_anomalib.models.plane.config import PlaneConfig
from plane_anomalib.models.plane.template_context import Rehearsal
from plane_anomalib.models.plane.torch_model import PlaneModel
from plane_anomalib.models.plane.training import (
    STEPS_PER_EPOCH,
    TrainingView,
    calibration_draws,
    create_optimizer,
    training_loss,
    training_view,
)


@configured(PlaneConfig)
class Plane(PointCloudMixin, AnomalibModule):
    """PLANE: one model for all categories, taught by synthetic defects.

    "Exploiting Point-Language Models with Dual-Prompts for 3D Anomaly Detection". The defaults are
    those of `configs/models/plane.yaml`; `plane_paper.yaml` is the literal reading of the paper.

    Raises:
        ConfigurationError: An argument cannot work.
        WeightsError: The backbone's weights are missing or damaged.
    """

    model: PlaneModel

    contract_arguments: ClassVar[Mapping[str, Any]] = {
        "num_points": 128,
        "extra_points": 16,
        "num_groups": 16,
        "num_views": 2,
        "adapter_hidden": 32,
        "max_steps": 2,
    }

    def build(self) -> None:
        """Make the network."""
        super().build()
        self._rehearsals: dict[str, Rehearsal] = {}

    def train_transform(self, datamodule: PointCloudDataModule) -> ItemTransform:
        """Views with synthetic defects, made in the loader's workers."""
        one_sided = datamodule.one_sided_tests
        return ItemView(training_view(self.model, self._rehearsals, one_sided=one_sided))

    def setup(self, stage: str) -> None:
        """Learn categories, their frames and the scale of the geometry channels, then the rest."""
        if stage == "fit":
            self._learn_data(self.point_cloud_datamodule)
        super().setup(stage)
        if stage == "fit" and self.model.inputs().channels:
            data = self.point_cloud_datamodule.train_data
            draws = calibration_draws(len(data), self.model.config.seed)
            features = [data[draw].features for draw in draws]
            self.model.calibrate(torch.cat([each for each in features if each is not None]))

    def _learn_data(self, datamodule: PointCloudDataModule) -> None:
        if (self.model.config.max_steps or 0) > 0 and datamodule.samples_per_epoch is None:
            datamodule.samples_per_epoch = STEPS_PER_EPOCH * datamodule.train_batch_size
        data = datamodule.train_data

        def clouds() -> Iterator[tuple[str, dict[str, FloatArray]]]:
            for category, items in data.by_category():
                yield category, {item.path: item.points.numpy() for item in items}

        with _Bar() as bar:
            self._rehearsals = self.model.learn_specimens(
                clouds,
                datamodule.categories,
                common_pose=datamodule.common_pose,
                progress=bar,
                total=len(data),
            )

    def training_step(self, batch: PointCloudBatch, *args: Any, **kwargs: Any) -> STEP_OUTPUT:
        """Focal and dice loss of the mean map (eq. 7)."""
        del args, kwargs
        if batch.features is None or batch.gt_mask is None:
            raise ConfigurationError(
                "PLANE trains on views that its own transform made: leave the datamodule's "
                "training transform to it."
            )
        loss = training_loss(
            self.model, batch.points, batch.features, batch.gt_mask, batch.category
        )
        if dist.is_available() and dist.is_initialized():
            loss = loss + self._touch_all()
        self.log("loss", loss, prog_bar=True, batch_size=batch.batch_size)
        return loss

    def _touch_all(self) -> Tensor:
        """Zero, with every learnable parameter in it.

        Distributed training waits for the gradient of each; prompts that an ablation turns off
        would be waited for in vain.
        """
        return torch.stack([0.0 * p.sum() for p in self.parameters() if p.requires_grad]).sum()

    def score_batch(self, batch: PointCloudBatch) -> InferenceBatch:
        """Scores of all points; see `Method.score_packed`."""
        scores = self.model.score_packed(batch.points, batch.lengths, batch.category)
        return InferenceBatch(**scores._asdict())

    def configure_optimizers(self) -> Any:
        """AdamW with three rates, see the arguments."""
        steps = int(self.trainer.estimated_stepping_batches)
        optimizer, schedule = create_optimizer(self.model, steps)
        if schedule is None:
            return optimizer
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    @property
    def trainer_arguments(self) -> dict[str, Any]:
        """Length of training; validation once, at its end, where thresholds are found."""
        config = self.model.config
        steps, epochs = max(config.max_steps or 0, 0), max(config.max_epochs, 0)
        # Batches over all epochs, or epochs; after every epoch if either may come first.
        by_steps = steps and not epochs
        return {
            "max_steps": steps or -1,
            "max_epochs": epochs or -1,
            "val_check_interval": steps if by_steps else 1.0,
            "check_val_every_n_epoch": None if by_steps else 1 if steps else epochs,
            "num_sanity_val_steps": 0,
            "gradient_clip_val": config.gradient_clip,
        }

    def configure_callbacks(self) -> list[Callback]:
        """Add a checkpoint per epoch to resume from."""
        return [*super().configure_callbacks(), *checkpoint_every_epoch(self.trainer)]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what was learnt of the data: the categories, and how their clouds lie."""
        super().on_save_checkpoint(checkpoint)
        checkpoint.update(self.model.checkpoint_entries())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make room for the prompts of the categories that were trained on.

        Raises:
            ConfigurationError: The checkpoint is of another model, or of other arguments or data.
        """
        super().on_load_checkpoint(checkpoint)
        resumed = self._trainer is not None and self.trainer.training
        self.model.check_checkpoint(checkpoint, self.hparams, resumed=resumed)
        if resumed:
            check_resumed_data(checkpoint, self.model.categories, self.model.pose)
        self.model.make_room(checkpoint)


@dataclass(frozen=True)
class ItemView:
    """PLANE's training view as a dataset's transform.

    Attributes:
        view: Makes the views.
    """

    view: TrainingView

    def __call__(self, item: PointCloudItem, generator: np.random.Generator) -> PointCloudItem:
        """Corrupt and cut a normal cloud."""
        sample = self.view(item.path, item.category, item.points.numpy(), generator)
        return PointCloudItem(
            points=sample.points,
            features=sample.features,
            gt_mask=sample.mask,
            gt_label=torch.tensor(sample.anomalous),
            category=item.category,
            path=item.path,
            defect=item.defect,
        )


class _Bar(Progress):
    """A bar that goes when it is full."""

    def __enter__(self) -> Self:
        self._bar = rich.progress.Progress(transient=True)
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def start(self, what: str, total: int, done: int = 0) -> None:
        self._task = self._bar.add_task(what, total=total or None, completed=done)

    def advance(self, count: int = 1) -> None:
        self._bar.advance(self._task, count)

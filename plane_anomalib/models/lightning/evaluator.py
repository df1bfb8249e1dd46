"""The callback that stands where anomalib's Evaluator stands and measures point clouds.

anomalib's own metrics squash scores outside [0, 1] through a sigmoid and know no categories. This
one keeps the raw scores of a whole epoch and computes every number from them at its end: per
category, mean over categories and pooled, from one test run. The means are logged, so anomalib's
table shows them; the rest goes into `metrics.json` in the run directory.
"""

from __future__ import annotations

import itertools
import logging
import time
from typing import Any

import numpy as np
import torch
from anomalib.metrics import Evaluator
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.types import STEP_OUTPUT
from numpy.typing import NDArray
from torch.utils.data import DistributedSampler

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.provenance import software_versions
from plane_anomalib.core.results import (
    Metrics,
    RunResult,
    Timing,
    Versions,
    render_table,
    write_metrics_json,
)
from plane_anomalib.metrics.collection import ScoreCollection
from plane_anomalib.metrics.summary import summarise
from plane_anomalib.models.lightning.run_record import describe_run, utc_now

logger = logging.getLogger(__name__)

VALIDATION_PREFIX = "val_"


class PointCloudEvaluator(Evaluator):
    """Per-category metrics of packed point-cloud batches, on raw scores.

    Validation logs the means over categories as `val_object_AUROC` and so on, for checkpoints and
    early stopping; AU-PRO, the slow one, is left to the test. A test logs `object_AUROC`,
    `object_AP`, `object_F1max`, `point_AUROC`, `point_AP`, `point_F1max`,
    `point_AUPRO` and `point_AUROC_per_cloud` (those that exist), prints the table and writes
    `metrics.json`. Steps must have put `pred_score` and `anomaly_map` into the batch itself.

    Args:
        radius_factor: Radius that joins anomalous points into one region, in units of their typical
            spacing (AU-PRO).
        pro_limit: False-positive rate up to which AU-PRO is integrated.
        write_results: Write `metrics.json` and print the table after a test.
        memory_bytes: Memory for scores of normal points before they go to a temporary file.
    """

    def __init__(
        self,
        radius_factor: float = 2.5,
        pro_limit: float = 0.3,
        write_results: bool = True,
        memory_bytes: int = 2**29,
    ) -> None:
        super().__init__()
        if radius_factor <= 0:
            raise ConfigurationError(f"radius_factor must be positive and is {radius_factor}.")
        if not 0 < pro_limit <= 1:
            raise ConfigurationError(f"pro_limit must be in (0, 1] and is {pro_limit}.")
        self.radius_factor = radius_factor
        self.pro_limit = pro_limit
        self.write_results = write_results
        self.memory_bytes = memory_bytes
        self.result: RunResult | None = None
        self._versions: Versions | None = None
        self._collection = ScoreCollection(None)
        self._clock = _TestClock()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Note which code is running: by the end of a run its checkout may have moved on."""
        super().setup(trainer, pl_module, stage)
        self._versions = self._versions or software_versions()

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the previous epoch."""
        del trainer, pl_module
        self._collection = ScoreCollection(None, self.memory_bytes)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: STEP_OUTPUT | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the batch's raw scores, unless Lightning only checks that validation runs."""
        del pl_module, outputs, batch_idx, dataloader_idx
        if not trainer.sanity_checking:
            collect_batch(self._collection, batch)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the means with the prefix `val_`; a metric that does not exist is not logged."""
        if trainer.sanity_checking:
            return
        collection = gather(self._collection, trainer)
        if len(collection):
            metrics = summarise(collection, self.pro_limit)
            _log(trainer, pl_module, metrics, VALIDATION_PREFIX, len(collection))
        self._collection = ScoreCollection(None)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget earlier scores and start the clock."""
        del trainer, pl_module
        self._collection = ScoreCollection(self.radius_factor, self.memory_bytes)
        self._clock = _TestClock()

    def on_test_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Note when the test step starts."""
        del trainer, pl_module, batch, batch_idx, dataloader_idx
        self._clock.step_starts()

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: STEP_OUTPUT | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the batch's raw scores."""
        del trainer, pl_module, outputs, batch_idx, dataloader_idx
        self._clock.step_ends()
        collect_batch(self._collection, batch)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute everything, log the means, write `metrics.json` and print the table."""
        self._clock.loop_ends(len(self._collection))
        collection = gather(self._collection, trainer)
        if not len(collection):
            logger.warning("The test set is empty: there is nothing to measure.")
            return
        metrics = summarise(collection, self.pro_limit)
        _log(trainer, pl_module, metrics, "", len(collection))
        datamodule = getattr(trainer, "datamodule", None)
        timing = self._clock.timing()
        versions = self._versions or software_versions()
        self.result = describe_run(collection, metrics, timing, versions, pl_module, datamodule)
        if self.write_results and trainer.is_global_zero:
            file = write_metrics_json(trainer.default_root_dir, self.result)
            trainer.print(f"\n{render_table(self.result)}\n\nWritten to {file}")
        # The scores may be gigabytes, and an open temporary file cannot be pickled with the model.
        self._collection = ScoreCollection(None)


def collect_batch(collection: ScoreCollection, batch: Any) -> None:
    """Add every cloud of a packed batch.

    Args:
        collection: Where to.
        batch: A :class:`~plane_anomalib.data.point_cloud.PointCloudBatch` with scores in it.

    Raises:
        ConfigurationError: The batch has no scores at all, or NaN among them.
    """
    if batch.pred_score is None and batch.anomaly_map is None:
        raise ConfigurationError(
            "the step left neither pred_score nor anomaly_map in the batch: "
            "it must update the batch in place, e.g. batch.update(pred_score=..., anomaly_map=...)."
        )
    bounds = np.concatenate([[0], np.cumsum(_array(batch.lengths))])
    points, maps, masks = _array(batch.points), _floats(batch.anomaly_map), _array(batch.gt_mask)
    labels, scores = _array(batch.gt_label), _floats(batch.pred_score)
    known = batch.masks_known
    for i, (start, stop) in enumerate(itertools.pairwise(bounds)):
        collection.add(
            path=str(batch.path[i]),
            category=str(batch.category[i]),
            points=points[start:stop],
            label=None if labels is None else bool(labels[i]),
            score=None if scores is None else float(scores[i]),
            anomaly_map=None if maps is None else maps[start:stop],
            mask=masks[start:stop].astype(bool, copy=False) if known[i] else None,
        )


class _TestClock:
    """Wall-clock of the test loop and of its steps."""

    def __init__(self) -> None:
        self._started, self._start = utc_now(), time.perf_counter()
        self._step_start = self._start
        self._in_steps = 0.0
        self._loop_end = self._start
        self._clouds = 0

    def step_starts(self) -> None:
        self._step_start = self._now()

    def step_ends(self) -> None:
        self._in_steps += self._now() - self._step_start

    def loop_ends(self, clouds: int) -> None:
        self._loop_end, self._clouds = self._now(), clouds

    def timing(self) -> Timing:
        return Timing(
            started=self._started,
            finished=utc_now(),
            test_seconds=self._loop_end - self._start,
            metrics_seconds=self._now() - self._loop_end,
            seconds_per_cloud=self._in_steps / self._clouds if self._clouds else None,
        )

    @staticmethod
    def _now() -> float:
        if torch.cuda.is_initialized():
            # Kernels are queued: without waiting, their time would be charged to someone else.
            torch.cuda.synchronize()
        return time.perf_counter()


def gather(collection: ScoreCollection, trainer: Trainer) -> ScoreCollection:
    """Bring the clouds of all processes together; metrics of a part of them would be wrong.

    Args:
        collection: What this process has; changed in place.
        trainer: Says how many processes there are, and how the clouds were dealt out.

    Returns:
        The collection, the same in every process and, but for the time it took, the same as one
        process would have.

    Raises:
        ConfigurationError: There are several loaders, so that the order of the clouds is unknown.
    """
    if trainer.world_size == 1:
        return collection
    loader = trainer.test_dataloaders if trainer.testing else trainer.val_dataloaders
    if isinstance(loader, list | tuple):
        if len(loader) != 1:
            raise ConfigurationError(
                "several processes can measure one loader at a time; give a datamodule, or one "
                "loader, or --trainer.devices 1."
            )
        loader = loader[0]
    if not isinstance(loader.sampler, DistributedSampler):
        # Every process has scored every cloud (use_distributed_sampler is off).
        return collection
    parts: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(parts, collection.export())
    collection.merge(parts, len(loader.dataset))
    return collection


def _log(
    trainer: Trainer, pl_module: LightningModule, metrics: Metrics, prefix: str, clouds: int
) -> None:
    values = {f"{prefix}{name}": v for name, v in metrics.mean.items() if v is not None}
    for name, value in values.items():
        if trainer.barebones:
            # Lightning logs nothing there, yet its results and ModelCheckpoint read these.
            trainer.callback_metrics[name] = torch.tensor(value)
            trainer.logged_metrics[name] = torch.tensor(value)
        else:
            # Every process has the same value; sync_dist only keeps Lightning from warning.
            several = trainer.world_size > 1
            pl_module.log(name, value, batch_size=clouds, sync_dist=several)


def _array(tensor: torch.Tensor | None) -> Any:
    return None if tensor is None else tensor.detach().cpu().numpy()


def _floats(tensor: torch.Tensor | None) -> NDArray[np.float32] | None:
    return None if tensor is None else _array(tensor.float())

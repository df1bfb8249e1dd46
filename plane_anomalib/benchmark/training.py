"""One job's training and test: what `anomalib train` does on the same arguments, in Python."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomalib.engine import Engine
from lightning.pytorch import Callback, LightningModule, Trainer

from plane_anomalib.benchmark.schema import Job
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.registry import DATASETS, MODELS
from plane_anomalib.core.results import RunResult, read_metrics_json


@dataclass(frozen=True)
class Trained:
    """What a training and test left.

    Attributes:
        result: The numbers.
        fit_seconds: Wall-clock seconds of fitting, loading included.
        model: The trained Lightning model.
    """

    result: RunResult
    fit_seconds: float | None
    model: Any


def train_and_test(job: Job, folder: Path, watchers: Sequence[Callback] = ()) -> Trained:
    """Train and test once.

    Args:
        job: What.
        folder: Where checkpoint and metrics go.
        watchers: See the test after the evaluator has, so that its clock runs without them.

    Raises:
        ConfigurationError: The model leaves no `metrics.json`, so that there is nothing to compare.
    """
    datamodule: Any = DATASETS.get(job.data.name)(**job.data.arguments)
    model: Any = MODELS.get(job.model.name)(**job.model.arguments)
    own = model.configure_callbacks
    # Lightning puts callbacks of the model behind those of the trainer, in this order.
    model.configure_callbacks = lambda: [*own(), *watchers]
    clock = _FitClock()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    engine = Engine(callbacks=[clock], default_root_dir=folder, devices=1, **quiet)
    engine.train(model, datamodule=datamodule)
    found = sorted(folder.rglob("metrics.json"))
    if len(found) != 1:
        raise ConfigurationError(
            f"{job.model.name} wrote no metrics.json: its evaluator must be a PointCloudEvaluator."
        )
    return Trained(read_metrics_json(found[0]), clock.seconds, model)


class _FitClock(Callback):
    """Times fitting, from before the data are set up to after the last validation."""

    def __init__(self) -> None:
        self.seconds: float | None = None
        self._start = time.perf_counter()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        del trainer, pl_module
        if stage == "fit":
            self._start = time.perf_counter()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        del trainer, pl_module
        self.seconds = time.perf_counter() - self._start

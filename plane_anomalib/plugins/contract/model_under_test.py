"""The model under check: made, trained once on small data, and asked for scores."""

from __future__ import annotations

import inspect
import io
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from anomalib.data import InferenceBatch
from anomalib.engine import Engine
from numpy.typing import ArrayLike

from plane_anomalib.core.errors import ContractError
from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet
from plane_anomalib.data.point_cloud import PointCloudBatch, PointCloudItem
from plane_anomalib.models.lightning.base import PointCloudMixin
from plane_anomalib.plugins.contract.sample_data import shapenet_tree

CATEGORIES = ("bowl0", "cup1")
"""What the model is trained on: four clouds of 300 points each."""


def packed(*clouds: ArrayLike, category: str | Sequence[str] = CATEGORIES[0]) -> PointCloudBatch:
    """Pack clouds without labels.

    Args:
        clouds: `(N_i, 3)` each.
        category: One for all, or one per cloud.
    """
    names = [category] * len(clouds) if isinstance(category, str) else category
    return PointCloudBatch.collate(
        [
            PointCloudItem(points=torch.from_numpy(np.asarray(cloud, np.float32)), category=name)
            for cloud, name in zip(clouds, names, strict=True)
        ]
    )


class TrainingError(ContractError):
    """The model cannot be trained, so that what needs a trained one cannot be checked."""


class CheckedRun:
    """One run of `train`.

    Attributes:
        model: The trained model.
        checkpoint: Its file.
        run: The run's folder, with `metrics.json`.
        printed: What was written to stdout.
    """

    def __init__(self, subject: ModelUnderTest) -> None:
        folder = subject.new_folder()
        engine, self.model = subject.engine(folder), subject.make()
        printed = io.StringIO()
        with redirect_stdout(printed):
            engine.train(self.model, datamodule=subject.data())
        self.printed = printed.getvalue()
        self.checkpoint = Path(engine.best_model_path)
        found = list(folder.rglob("metrics.json"))
        if len(found) != 1:
            raise ContractError(
                "Training wrote no metrics.json: leave configure_evaluator as PointCloudMixin has "
                "it, and hand the argument `evaluator` on to super().__init__."
            )
        self.run = found[0].parent


class ModelUnderTest:
    """A model under check.

    Args:
        name: Its name in the registry.
        cls: Its Lightning class.
        folder: A folder to work in.
        seed: Of all random input.

    Raises:
        ContractError: The class does not derive from `PointCloudMixin`, or its
            `contract_arguments` name something that its constructor does not take.
    """

    def __init__(self, name: str, cls: type, folder: Path, seed: int = 0) -> None:
        if not issubclass(cls, PointCloudMixin):
            raise ContractError(
                f"{name} is no point-cloud model: write `class {cls.__name__}(PointCloudMixin, "
                "AnomalibModule)`, or FittedMixin in place of PointCloudMixin."
            )
        self.name, self.cls, self.folder, self.seed = name, cls, folder, seed
        for argument in cls.contract_arguments:
            if argument not in inspect.signature(cls).parameters:
                raise ContractError(
                    f"contract_arguments of {name} name {argument!r}, which its constructor does "
                    "not take: correct it or take it out."
                )

    def make(self, **arguments: Any) -> PointCloudMixin:
        """An untrained model with its quick arguments and no pictures, others as given."""
        return self.cls(**{"visualizer": False, **self.cls.contract_arguments, **arguments})

    def load(self, checkpoint: str | Path) -> PointCloudMixin:
        """The model of a checkpoint."""
        # Without the map it would go to the device that it was saved on.
        return self.cls.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)

    def new_folder(self) -> Path:
        """An empty folder, of which nobody else knows."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    @cached_property
    def tree(self) -> Path:
        """A small dataset of two categories in Anomaly-ShapeNet's layout."""
        generator = np.random.default_rng(self.seed)
        return shapenet_tree(self.new_folder(), generator, CATEGORIES, count=300)

    def data(self, **arguments: Any) -> AnomalyShapeNet:
        """The small dataset."""
        small = {"samples_per_epoch": 8, "val_variants": 1}
        return AnomalyShapeNet(root=self.tree, **{**small, **arguments})

    def engine(self, folder: Path) -> Engine:
        """An engine on the CPU that writes to `folder` and shows no bars."""
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        return Engine(default_root_dir=folder, accelerator="cpu", devices=1, **quiet)

    @property
    def trained(self) -> CheckedRun:
        """One run of `train` with the quick arguments, shared by all checks.

        Raises:
            TrainingError: It failed, now or before.
        """
        outcome = self._training
        if isinstance(outcome, Exception):
            raise TrainingError(f"{type(outcome).__name__}: {outcome}") from outcome
        return outcome

    @cached_property
    def _training(self) -> CheckedRun | Exception:
        try:
            return CheckedRun(self)
        except Exception as error:
            return error

    @property
    def model(self) -> PointCloudMixin:
        """The trained model."""
        return self.trained.model

    def scores(
        self, *clouds: ArrayLike, category: str | Sequence[str] = CATEGORIES[0]
    ) -> InferenceBatch:
        """What the trained model says of clouds `(N_i, 3)`."""
        return self.model.score_batch(packed(*clouds, category=category))

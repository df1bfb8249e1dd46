"""A method: what is fitted or trained on normal clouds and scores others; plain numpy and torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from plane_anomalib.core.configured import from_arguments, to_arguments
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.progress import Progress
from plane_anomalib.core.registry import METHODS, MODELS
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.models.components.scores import CloudScores

NormalClouds = Iterable[tuple[str, Iterable[FloatArray]]]
"""Each category with its normal clouds `(N_i, 3) float32`, in the objects' own units."""


class PackedScores(NamedTuple):
    """What a method says of a packed batch.

    Attributes:
        anomaly_map: `(sum N,) float32` in input order.
        pred_score: `(B,) float32`.
    """

    anomaly_map: Tensor
    pred_score: Tensor


class EmbeddedPrompts(NamedTuple):
    """Embeddings of the two text prompts of each category.

    Attributes:
        categories: C names, those the method was trained on.
        normal: `(C, D) float32`.
        anomalous: `(C, D) float32`.
    """

    categories: list[str]
    normal: NDArray[np.float32]
    anomalous: NDArray[np.float32]


class Method(nn.Module, ABC):
    """Scores clouds, once it was fitted or trained on normal ones.

    What was learnt lies in the state dict, and what no tensor can say in `checkpoint_entries`.

    Attributes:
        name: The registered name; empty for one that `create_method` has not made.
        arguments: All its arguments by name, as plain data.
        categories: What it was fitted or trained on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.name = ""
        self.arguments: dict[str, Any] = {}
        self.categories: tuple[str, ...] = ()

    @abstractmethod
    def fit(self, clouds: NormalClouds) -> None:
        """Forget what was learnt before, and learn.

        Args:
            clouds: Each category with its normal clouds.

        Raises:
            ConfigurationError: There is no category, or one without a cloud.
        """

    @abstractmethod
    def forward(self, cloud: FloatArray, category: str = "") -> CloudScores:
        """Score every point of a cloud.

        Args:
            cloud: `(N, 3) float32`, N >= 1, in the object's own units.
            category: What the object is; "" leaves it to the method.

        Raises:
            ConfigurationError: Nothing was learnt yet.
        """

    def score_packed(
        self, points: Tensor, lengths: Tensor, categories: Sequence[str]
    ) -> PackedScores:
        """Score every point of a packed batch.

        Args:
            points: `(sum N, 3) float32` in the objects' own units.
            lengths: `(B,)`.
            categories: One per cloud.

        Returns:
            The scores, on the device of the points.
        """
        clouds = torch.split(points.detach().float().cpu(), lengths.tolist())
        scored = [
            self(cloud.numpy(), category)
            for cloud, category in zip(clouds, categories, strict=True)
        ]
        maps = torch.cat([torch.from_numpy(scores.anomaly_map) for scores in scored])
        return PackedScores(
            maps.to(points.device, torch.float32),
            torch.tensor([scores.pred_score for scores in scored], device=points.device),
        )

    @property
    def transductive(self) -> bool:
        """Whether scores depend on the test set as a whole, which `observe` then has to see."""
        return False

    def checkpoint_entries(self) -> dict[str, Any]:
        """What stands in a checkpoint beside the state dict, as plain data."""
        return {}

    def check_checkpoint(
        self, checkpoint: Mapping[str, Any], given: Mapping[str, Any], *, resumed: bool = False
    ) -> None:
        """Refuse a checkpoint of other arguments, before any tensor is compared.

        Args:
            checkpoint: As Lightning or `save_checkpoint` wrote it.
            given: The arguments of this method by name.
            resumed: Whether a training goes on with it.

        Raises:
            ConfigurationError: An argument must be repeated.
        """

    def make_room(self, checkpoint: Mapping[str, Any]) -> None:
        """Take over what stands in a checkpoint beside the state dict, which is loaded next."""

    def embedded_prompts(self) -> EmbeddedPrompts | None:
        """What the method's text prompts mean, for a report's map of them; None without any."""
        return None


@dataclass(frozen=True)
class TrainingRun:
    """How a method is trained.

    Attributes:
        common_pose: Whether all clouds of a category lie the same way.
        one_sided: Whether clouds to be judged show one side of the object.
        progress: Is told after each step.
        checkpoint: Is written after each epoch; None keeps nothing.
        resume: Go on from the checkpoint.
    """

    common_pose: bool = False
    one_sided: bool = False
    progress: Progress = field(default_factory=Progress)
    checkpoint: Path | None = None
    resume: bool = False


class TrainedMethod(Method):
    """A method that is trained step by step: it can be stopped, and go on from a checkpoint."""

    @abstractmethod
    def fit(self, clouds: NormalClouds, run: TrainingRun | None = None) -> None:
        """Train; the same clouds, arguments and run give the same method, stopped or not.

        Args:
            clouds: Each category with its normal clouds.
            run: How it is done; by default without a checkpoint.

        Raises:
            ConfigurationError: There is no cloud, or the checkpoint is of another training.
            KeyboardInterrupt: Ctrl-C was pressed; the checkpoint is that of the last whole epoch.
        """


def create_method(name: str, arguments: Mapping[str, Any] | None = None) -> Method:
    """Make a method by its registered name, without anomalib for those of this package.

    Args:
        name: As typed after `--model`.
        arguments: By name; the others have their defaults.

    Returns:
        The method, neither fitted nor trained.

    Raises:
        ConfigurationError: There is no such method or argument, or a value cannot work.
        WeightsError: A backbone's weights are missing or damaged.
    """
    given = dict(arguments or {})
    if MODELS.entry(name).name not in METHODS.names:
        return _of_lightning(MODELS.get(name)(visualizer=False, evaluator=False, **given))
    entry = METHODS.entry(name)
    config: Any = from_arguments(entry.load(), given, owner=entry.name)
    method: Method = config.create()
    method.name, method.arguments = entry.name, to_arguments(config)
    return method


def _of_lightning(model: Any) -> Method:
    """The plain method within the Lightning model of another package."""
    method = getattr(model, "model", None)
    if not isinstance(method, Method):
        raise ConfigurationError(
            f"{type(model).__name__} works within anomalib only: use `anomalib train --model "
            f"{type(model).__name__}`."
        )
    method.name, method.arguments = type(model).__name__, dict(model.hparams)
    return method

"""Methods without gradient training: one detector per category behind the interface of a method."""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from plane_anomalib.backbones.tensor_file import write_tensors
from plane_anomalib.core.errors import ConfigurationError, WeightsError
from plane_anomalib.geometry.points import FloatArray, as_points
from plane_anomalib.models.components.config import Scope, different_arguments, refuse_different
from plane_anomalib.models.components.method import Method
from plane_anomalib.models.components.scores import CloudScores

logger = logging.getLogger(__name__)


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


class FittedModel(Method):
    """One detector per category, or one for all, each cloud aligned to its category first.

    Args:
        make: Makes an unfitted detector.
        make_aligner: Makes what brings the clouds of a category into one pose.
        scope: `"category"` fits a detector for each category; `"all"` fits one on the clouds of
            all categories.
        encoder: A frozen network that the detectors describe clouds by, to be moved and saved with
            the model.
    """

    def __init__(
        self,
        make: Callable[[], CloudDetector],
        make_aligner: Callable[[], CloudAligner] = Unaligned,
        *,
        scope: Scope = "category",
        encoder: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.make = make
        self.make_aligner = make_aligner
        self.scope = scope
        self.encoder = encoder
        self.aligners = nn.ModuleList()
        self.detectors = nn.ModuleList()
        self._warned: set[str] = set()

    @torch.no_grad()
    def fit(self, clouds: Iterable[tuple[str, Iterable[FloatArray]]]) -> None:
        """Forget what was learnt before, and learn.

        Args:
            clouds: Each category with its normal clouds, `(N_i, 3) float32`; taken one by one, so
                that a generator need not hold the clouds of all categories.

        Raises:
            ConfigurationError: There is no category, or one without a cloud.
        """
        names, pooled = [], []
        aligners, detectors = nn.ModuleList(), nn.ModuleList()
        for category, given in clouds:
            normal = [as_points(cloud) for cloud in given]
            if not normal:
                raise ConfigurationError(
                    f"{category}: there is no normal cloud to fit on: give training clouds."
                )
            aligner = self.make_aligner()
            aligned = aligner.fit(normal)
            names.append(category)
            aligners.append(aligner)
            if self.scope == "all":
                pooled.extend(aligned)
            else:
                detectors.append(self._fitted(aligned))
        if not names:
            raise ConfigurationError("There is no normal cloud to fit on: give training clouds.")
        if pooled:
            detectors.append(self._fitted(pooled))
        self.categories = tuple(names)
        device = next((buffer.device for buffer in self.buffers()), torch.device("cpu"))
        self.aligners, self.detectors = aligners.to(device), detectors.to(device)

    def _fitted(self, clouds: Sequence[FloatArray]) -> CloudDetector:
        detector = self.make()
        detector.fit(clouds)
        return detector

    @torch.no_grad()
    def forward(self, cloud: FloatArray, category: str = "") -> CloudScores:
        """Score every point of a cloud.

        Args:
            cloud: `(N, 3) float32` in the object's own units.
            category: What the object is. A cloud of a category that was not fitted, or of an empty
                one, is scored as the category to which it looks most normal.

        Raises:
            ConfigurationError: The model is not fitted, or the cloud is empty.
        """
        if not self.categories:
            raise ConfigurationError(
                "The model is not fitted: train it first, or give a checkpoint."
            )
        points = as_points(cloud)
        known = range(len(self.categories))
        if category in self.categories:
            known = range(index := self.categories.index(category), index + 1)
        elif len(known) > 1 and category not in self._warned:
            self._warned.add(category)
            logger.warning(
                "The model was not fitted on the category %r: of %s, the one to which a cloud "
                "looks most normal serves.",
                category,
                ", ".join(self.categories),
            )
        return min((self._score_as(points, i) for i in known), key=lambda scores: scores.pred_score)

    def _score_as(self, cloud: FloatArray, index: int) -> CloudScores:
        scores: CloudScores = self._detector(index)(self.aligners[index](cloud))
        return scores

    def _detector(self, category: int) -> CloudDetector:
        return cast("CloudDetector", self.detectors[0 if self.scope == "all" else category])

    @property
    def transductive(self) -> bool:
        """Whether scores depend on the test set as a whole, which `observe` then has to see."""
        return any(cast("CloudDetector", each).transductive for each in self.detectors)

    @torch.no_grad()
    def observe(self, clouds: Iterable[tuple[str, Iterable[FloatArray]]]) -> None:
        """Let transductive detectors look at the test clouds.

        Args:
            clouds: Each fitted category with its test clouds, `(N_i, 3) float32`.
        """
        if self.scope == "all":
            pooled = (
                self.aligners[self.categories.index(category)](as_points(cloud))
                for category, given in clouds
                for cloud in given
            )
            self._detector(0).observe(pooled)
            return
        for category, given in clouds:
            index = self.categories.index(category)
            self._detector(index).observe(self.aligners[index](as_points(c)) for c in given)

    def check_checkpoint(
        self, checkpoint: Mapping[str, Any], given: Mapping[str, Any], *, resumed: bool = False
    ) -> None:
        """Compare the arguments; the state itself says how many detectors there are."""
        del resumed
        trained = checkpoint.get("hyper_parameters", {})
        names = [name for name in trained if name in given]
        refuse_different(different_arguments(trained, given, names))

    def save(self, path: str | Path) -> None:
        """Write what was learnt as one safetensors file, whole or not at all."""
        state = {k: v for k, v in self.state_dict().items() if isinstance(v, Tensor)}
        write_tensors(Path(path), state, {"fitted": json.dumps(self.get_extra_state())})

    def load(self, path: str | Path) -> None:
        """Read what `save` wrote; the training data are not needed.

        Raises:
            WeightsError: The file is missing or damaged, or of a model with other arguments.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(path), framework="pt") as file:
                state: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                state["_extra_state"] = json.loads(file.metadata()["fitted"])
            self.load_state_dict(state)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise WeightsError(
                f"{path}: not a file of this model ({reason}); give one that its save wrote."
            ) from error

    def get_extra_state(self) -> dict[str, Any]:
        """What is no tensor, as plain data."""
        return {"categories": list(self.categories), "detectors": len(self.detectors)}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Make room for what the state holds; torch loads the children after this."""
        self.categories = tuple(state["categories"])
        self.aligners = nn.ModuleList(self.make_aligner() for _ in self.categories)
        self.detectors = nn.ModuleList(self.make() for _ in range(state["detectors"]))

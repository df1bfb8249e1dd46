"""Methods in files: checkpoints as Lightning writes them, read and written without it.

Nothing in a file is executed: tensors and plain data are all that is read.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from plane_anomalib.backbones.encoders import values_follow
from plane_anomalib.core.configured import flat_arguments
from plane_anomalib.core.errors import ConfigurationError, PlaneAnomalibError
from plane_anomalib.core.files import replaced
from plane_anomalib.core.registry import METHODS, MODELS
from plane_anomalib.metrics.thresholds import (
    OBJECT_QUANTILE,
    POINT_QUANTILE,
    ScoreThreshold,
)
from plane_anomalib.models.components.method import Method, create_method
from plane_anomalib.models.components.scores import OpenedMethod

CHECKPOINT_MODEL = "plane_anomalib_model"
"""Key of a checkpoint under which the registered name of its model stands."""
_TRAINING = "plane_anomalib_training"
_THRESHOLDS = "anomalib_post_processor_config"
_ENABLED = {"pre_processor": False, "post_processor": True, "evaluator": True, "visualizer": True}
_MODEL, _POST = "model.", "post_processor."
_ENCODER = "encoder."
"""Where 0.1 kept the encoder of a baseline: beside the model, not in it."""


class CheckpointError(PlaneAnomalibError):
    """A file is no checkpoint of a method, or damaged, or not safe to read."""


def save_checkpoint(
    path: Path,
    method: Method,
    threshold: ScoreThreshold | None = None,
    point_threshold: ScoreThreshold | None = None,
    *,
    training: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a method as Lightning writes its model, whole or not at all.

    Args:
        path: The file.
        method: One that `create_method` made.
        threshold: Of objects; None if there is none.
        point_threshold: Of points, likewise.
        training: What a training needs to go on.

    Returns:
        The state dict that was written.
    """
    state = {f"{_MODEL}{name}": value for name, value in method.state_dict().items()}
    limits = threshold or ScoreThreshold(), point_threshold or ScoreThreshold()
    state |= _post_processor_state(*limits)
    content: dict[str, Any] = {
        "epoch": 0,
        "global_step": 0 if training is None else int(training["step"]),
        "pytorch-lightning_version": _lightning_version(),
        "state_dict": state,
        "hyper_parameters": method.arguments,
        "anomalib_components_enabled": _ENABLED,
        _THRESHOLDS: _post_processor_config(*limits),
        CHECKPOINT_MODEL: method.name,
        **method.checkpoint_entries(),
    }
    if training is not None:
        content[_TRAINING] = dict(training)
    with replaced(path) as temporary:
        torch.save(content, temporary)
    return state


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a file of tensors and plain data; the tensors stay in the file until they are used.

    Raises:
        CheckpointError: The file is damaged, not safe to read, or no checkpoint.
    """
    if path.suffix in {".pt", ".pth", ".onnx"}:
        raise CheckpointError(
            f"{path}: an exported model can run anything when it is opened, so it is not; give the "
            "checkpoint (.ckpt) it was exported from."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path}: is no readable checkpoint ({reason}).") from error
    if not isinstance(content, dict) or not {"state_dict", "hyper_parameters"} <= content.keys():
        raise CheckpointError(f"{path}: is no checkpoint of `anomalib train` or `plane-anomalib`.")
    return content


def open_checkpoint(
    path: Path, *, name: str | None = None, arguments: Mapping[str, Any] | None = None
) -> OpenedMethod:
    """Make the method that a checkpoint is of, and load it.

    Args:
        path: A checkpoint of `anomalib train` or `plane-anomalib train`.
        name: Registered name of the method, if the checkpoint does not say. What a checkpoint names
            is looked up among the registered ones and nowhere else.
        arguments: Of the method, instead of the checkpoint's.

    Raises:
        CheckpointError: The file is damaged, not safe to read, or no checkpoint.
        ConfigurationError: The method is not known, or the checkpoint is of other arguments.
    """
    content = read_checkpoint(path)
    known = name or content.get(CHECKPOINT_MODEL)
    if not isinstance(known, str):
        raise ConfigurationError(
            f"{path}: does not say which model it is of; give model=..., one of "
            f"{', '.join(MODELS.names)}."
        )
    with values_follow():
        method = create_method(known, {**_arguments(known, content), **(arguments or {})})
    method.check_checkpoint(content, method.arguments)
    method.make_room(content)
    state = content["state_dict"]
    named = upgraded(state) if method.name in METHODS.names else state
    own = {k.removeprefix(_MODEL): v for k, v in named.items() if k.startswith(_MODEL)}
    try:
        method.load_state_dict(own)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: its tensors are not those of {method.name} in this version: train again."
        ) from error
    method.eval()
    return OpenedMethod(method, *_thresholds(content), state)


def upgraded(state: Mapping[str, Any]) -> dict[str, Any]:
    """A Lightning model's state dict of any version, as this version names things."""
    return {
        f"{_MODEL}{name}" if name.startswith(_ENCODER) else name: value
        for name, value in state.items()
    }


def shifted(threshold: Tensor, sensitivity: float, span: Tensor) -> Tensor:
    """Move a threshold by anomalib's sensitivity.

    Args:
        threshold: As it was found, a scalar.
        sensitivity: 0.5 leaves it; more lowers it.
        span: Range of the scores that it was found on, a scalar.
    """
    # An infinite score makes the span infinite, and 0 x infinity is nan: leave 0.5 alone.
    return threshold if sensitivity == 0.5 else threshold + (0.5 - sensitivity) * span


def training_state(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `save_checkpoint` kept for a training to go on; None if there is nothing."""
    found: dict[str, Any] | None = content.get(_TRAINING)
    return found


def _arguments(name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint's arguments, without those that this version does not have any more."""
    given = content["hyper_parameters"]
    if MODELS.entry(name).name not in METHODS.names:
        return dict(given)
    names = flat_arguments(METHODS.get(name)).keys()
    return {key: value for key, value in given.items() if key in names}


def _post_processor_config(threshold: ScoreThreshold, point: ScoreThreshold) -> dict[str, Any]:
    return {
        "enable_normalization": False,
        "enable_thresholding": True,
        "enable_threshold_matching": False,
        "image_sensitivity": 0.5,
        "pixel_sensitivity": 0.5,
        "object_quantile": OBJECT_QUANTILE,
        "point_quantile": POINT_QUANTILE,
        "object_threshold_source": threshold.source,
        "point_threshold_source": point.source,
    }


def _post_processor_state(threshold: ScoreThreshold, point: ScoreThreshold) -> dict[str, Tensor]:
    values = {
        "_image_threshold": threshold.value,
        "_pixel_threshold": point.value,
        "image_min": threshold.low,
        "image_max": threshold.high,
        "pixel_min": point.low,
        "pixel_max": point.high,
    }
    return {f"{_POST}{name}": torch.tensor(value) for name, value in values.items()}


def _thresholds(content: Mapping[str, Any]) -> tuple[ScoreThreshold, ScoreThreshold]:
    """Of objects and of points, moved by the sensitivities as the post-processor moves them."""
    state, config = content["state_dict"], content.get(_THRESHOLDS) or {}

    def of(level: str, sources: str) -> ScoreThreshold:
        names = (f"_{level}_threshold", f"{level}_min", f"{level}_max")
        value, low, high = (state.get(f"{_POST}{name}", torch.tensor(math.nan)) for name in names)
        value = shifted(value, config.get(f"{level}_sensitivity", 0.5), high - low)
        source = config.get(f"{sources}_threshold_source", "none")
        return ScoreThreshold(float(value), source, float(low), float(high))

    return of("image", "object"), of("pixel", "point")


def _lightning_version() -> str:
    """Lightning reads no file without it."""
    for package in ("lightning", "pytorch-lightning"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return "2.0.0"

"""A model out of a checkpoint, without executing anything in the file."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.registry import MODELS
from plane_anomalib.inspection.card import DetectorError

if TYPE_CHECKING:
    from plane_anomalib.models.lightning.base import PointCloudMixin


def open_checkpoint(
    path: Path, *, model: str | None, arguments: Mapping[str, Any]
) -> PointCloudMixin:
    """Make the model that a checkpoint is of, and load it.

    Args:
        path: A checkpoint that Lightning wrote.
        model: Registered name, if the checkpoint does not say. What a checkpoint names is looked
            up among the registered models and nowhere else.
        arguments: Of the model, instead of the checkpoint's.

    Raises:
        DetectorError: The file is damaged, not safe to read, or no checkpoint.
        ConfigurationError: The model is not known, or the checkpoint is of other arguments.
    """
    from plane_anomalib.models.lightning.base import CHECKPOINT_MODEL, PointCloudMixin

    if path.suffix in {".pt", ".pth", ".onnx"}:
        raise DetectorError(
            f"{path}: an exported model can run anything when it is opened, so it is not; give the "
            "checkpoint (.ckpt) it was exported from."
        )
    try:
        # Mapped: the tensors are read when the model is loaded, not now as well.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise DetectorError(f"{path}: is no readable checkpoint ({reason}).") from error
    if not isinstance(content, dict) or not {"state_dict", "hyper_parameters"} <= content.keys():
        raise DetectorError(f"{path}: is no checkpoint of `anomalib train` or `plane-anomalib`.")
    name = model or content.get(CHECKPOINT_MODEL)
    if not isinstance(name, str):
        raise ConfigurationError(
            f"{path}: does not say which model it is of; give model=..., one of "
            f"{', '.join(MODELS.names)}."
        )
    found = MODELS.get(name)
    if not issubclass(found, PointCloudMixin):
        raise ConfigurationError(f"{name} is no point-cloud model.")
    parts = {"visualizer": False, "evaluator": False}
    opened: PointCloudMixin = found.load_from_checkpoint(
        path, map_location="cpu", weights_only=True, **parts, **arguments
    )
    return opened

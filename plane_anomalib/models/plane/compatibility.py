"""Whether a checkpoint fits the model that loads it, told before any tensor is compared."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.models.components.config import (
    as_typed,
    different_arguments,
    refuse_different,
)
from plane_anomalib.models.plane.config import PlaneConfig

logger = logging.getLogger(__name__)

#: May differ at test time, but thresholds come from validation with the trained ones.
_SCORING = ("backbone_precision", "num_views", "object_score", "object_score_share")
#: May differ without a word; the pose is compared as the data resolved it, the backbone by shapes.
_FREE = ("backbone", "pose", "text_prompt_std", "unknown_category", "seed")
#: What only training goes by.
_TRAINING = (
    *("focal_weight", "focal_gamma", "dice_weight", "dice_smooth", "synthesis", "rotation"),
    *("one_sided", "views_per_cloud", "extra_points", "learning_rate", "prompt_learning_rate"),
    *("place_learning_rate", "gradient_clip", "weight_decay", "schedule", "max_steps"),
    *("max_epochs", "precision"),
)
_SCHEDULED = ("schedule", "max_steps", "max_epochs")


def check_arguments(
    checkpoint: Mapping[str, Any],
    given: Mapping[str, Any],
    backbone: Mapping[str, Any],
    *,
    resumed: bool,
) -> None:
    """Compare the arguments that shape the network and its inputs.

    Args:
        checkpoint: Of `Plane`; `hyper_parameters`, `plane_pose` and `state_dict` are read.
        given: The arguments of the model that loads it.
        backbone: Tensors of that model's backbone by name.
        resumed: Whether training goes on; then the schedule must be the same, too.

    Raises:
        ConfigurationError: An argument must be repeated.
    """
    # Checkpoints from before these arguments were trained so.
    trained = _resolved({"point_tokens": True, "views_per_cloud": 1} | _known(checkpoint))
    given = _resolved(given)
    names = [name for name in given if name not in (*_TRAINING, *_SCORING, *_FREE)]
    if resumed and "one-cycle" in (trained.get("schedule"), given["schedule"]):
        names += _SCHEDULED
    different = different_arguments(trained, given, names)
    pose = checkpoint["plane_pose"]
    if given["pose"] != pose and (given["pose"] != "auto" or pose == "none"):
        different["pose"] = pose
    if _shapes(checkpoint["state_dict"], "model.backbone.") != _shapes(backbone):
        different["backbone"] = trained["backbone"]
    refuse_different(different)
    scoring = different_arguments(trained, given, _SCORING)
    if scoring:
        logger.warning(
            "The checkpoint's thresholds were found with %s; other values are given, so they may "
            "not fit.",
            ", ".join(f"{name}={as_typed(value)}" for name, value in scoring.items()),
        )


def check_resumed_data(checkpoint: Mapping[str, Any], categories: Sequence[str], pose: str) -> None:
    """Compare the data of a training that goes on with those it began with.

    Args:
        checkpoint: Of `Plane`; `plane_categories` and `plane_pose` are read.
        categories: Of the data.
        pose: As the data resolved it.

    Raises:
        ConfigurationError: They differ: prompts would be missing, or places mean something else.
    """
    before, after = (
        f"{', '.join(names)} (pose {how})"
        for names, how in (
            (checkpoint["plane_categories"], checkpoint["plane_pose"]),
            (categories, pose),
        )
    )
    if before != after:
        raise ConfigurationError(
            f"The checkpoint was trained on {before} and cannot go on with {after}: give the same "
            "--data, or train anew."
        )


def _shapes(tensors: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    return {
        name.removeprefix(prefix): value.shape
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _known(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(PlaneConfig)}
    return {n: value for n, value in checkpoint["hyper_parameters"].items() if n in names}


def _resolved(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name with what null stands for; those that are not given are left out."""
    known = {
        field.name: arguments[field.name]
        for field in fields(PlaneConfig)
        if field.name in arguments
    }
    resolved = PlaneConfig(**known).resolved()
    return {name: getattr(resolved, name) for name in known}

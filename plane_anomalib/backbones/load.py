"""Point-language models and point encoders from files, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from plane_anomalib.atomic import replaced
from plane_anomalib.backbones.checkpoint import read_tensors
from plane_anomalib.backbones.official import (
    below,
    infer_points,
    infer_text,
    point_language_state,
)
from plane_anomalib.backbones.point_file import ENCODER_FORMAT, MODEL_FORMAT, points_of
from plane_anomalib.backbones.point_language import PointLanguageModel
from plane_anomalib.backbones.point_transformer import PointTransformer, PointTransformerConfig
from plane_anomalib.backbones.text_encoder import TextEncoderConfig
from plane_anomalib.errors import WeightsError


def load_point_language_model(
    path: str | Path, *, num_groups: int = 512, group_size: int = 32
) -> PointLanguageModel:
    """Read a point-language model from a file.

    Args:
        path: A checkpoint in ULIP's layout (.pt, .safetensors) or a file of
            `save_point_language_model`. Nothing in it is ever executed.
        num_groups: Groups per cloud of an official checkpoint, which does not say.
        group_size: Points per group of an official checkpoint.

    Returns:
        The frozen model on the CPU in float32.

    Raises:
        WeightsError: If the file is missing, damaged, not safe, or not all of its tensors and all
            of the model's find each other; the names are in the message.
    """
    path = Path(path)
    state, metadata = read_tensors(path)
    if metadata.get("format") == MODEL_FORMAT:
        points, text = _own_config(metadata, path)
    elif metadata.get("format") == ENCODER_FORMAT:
        raise _without_text(metadata, path)
    else:
        state = point_language_state(state, path)
        points = infer_points(below(state, "points."), path)
        points = replace(points, num_groups=num_groups, group_size=group_size)
        text = infer_text(state, path)
    with torch.device("meta"):
        model = PointLanguageModel(points, text, weights=metadata.get("weights", path.name))
    _fill(model, state, path)
    return model


def load_point_transformer(
    path: str | Path, *, num_groups: int = 1024, group_size: int = 128, skip_origin: bool = True
) -> PointTransformer:
    """Read a point encoder alone, as M3DM, PatchCore and Reg3DAD use it.

    Args:
        path: A checkpoint of Point-MAE (`MAE_encoder.*`), Point-BERT (`transformer_q.*`), ULIP
            (`point_encoder.*`), PatchAlign3D, or of an encoder by itself; or a file of ours, with
            or without a text side.
        num_groups: Groups per cloud.
        group_size: Points per group.
        skip_origin: As in `PointTransformerConfig`.

    Returns:
        The frozen encoder on the CPU in float32, in evaluation mode.

    Raises:
        WeightsError: As for `load_point_language_model`.
    """
    path = Path(path)
    points, state = points_of(*read_tensors(path), path)
    config = replace(
        points,
        num_groups=num_groups,
        group_size=group_size,
        skip_origin=skip_origin,
    )
    with torch.device("meta"):
        model = PointTransformer(config)
    _fill(model, state, path)
    return model.requires_grad_(False).eval()


def save_point_language_model(
    model: PointLanguageModel, path: str | Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a model and its shape as one safetensors file.

    Args:
        model: The model.
        path: The file, replaced only once the new one is complete.
        metadata: More about it: where it comes from, checksum of the source, licence.
    """
    from safetensors.torch import save_file

    path = Path(path)
    config = {"points": asdict(model.points.config), "text": asdict(model.text.config)}
    described = {
        **(metadata or {}),
        "format": MODEL_FORMAT,
        "config": json.dumps(config),
        "weights": model.weights,
    }
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    with replaced(path) as temporary:
        save_file(state, temporary, metadata=described)


def _without_text(metadata: Mapping[str, str], path: Path) -> WeightsError:
    text = metadata.get("text", "")
    missing = f"its text side, {text}, is a file of its own" if text else "it has no text side"
    return WeightsError(
        f"{path}: this is a point encoder, and {missing}: it cannot be a point-language model by "
        'itself; take "ulip2-xyz", whose file holds both, or "builtin". M3DM, PatchCore3D and '
        "Reg3DAD take it as it is."
    )


def _own_config(
    metadata: Mapping[str, str], path: Path
) -> tuple[PointTransformerConfig, TextEncoderConfig]:
    try:
        config = json.loads(metadata["config"])
        return PointTransformerConfig(**config["points"]), TextEncoderConfig(**config["text"])
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{path}: the model's shape in this file cannot be read ({error}); "
            "write it again with this version."
        ) from error


def _fill(model: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Give every tensor of `model`, which is on "meta", its value from `state`."""
    expected = model.state_dict()
    missing, unused = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    wrong = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    problems = [
        f"{what}: {_list(names)}"
        for what, names in (("missing", missing), ("unused", unused), ("wrong shape", wrong))
        if names
    ]
    if problems:
        raise WeightsError(f"{path}: the tensors do not fit the model; {'; '.join(problems)}.")
    floats = {n: t.float() if t.is_floating_point() else t for n, t in state.items()}
    model.load_state_dict(floats, assign=True)


def _list(names: list[str], limit: int = 5) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more

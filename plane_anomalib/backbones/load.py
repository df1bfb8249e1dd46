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
    point_state,
)
from plane_anomalib.backbones.point_language import PointLanguageModel
from plane_anomalib.backbones.point_transformer import PointTransformer, PointTransformerConfig
from plane_anomalib.backbones.text_encoder import TextEncoderConfig
from plane_anomalib.backbones.text_tower import read_text_tower
from plane_anomalib.errors import WeightsError

_FORMAT = "plane-anomalib point-language model, version 1"


def load_point_language_model(
    path: str | Path,
    *,
    text: str | Path | None = None,
    text_activation: str = "gelu",
    text_dtype: torch.dtype = torch.float32,
    num_groups: int = 512,
    group_size: int = 32,
) -> PointLanguageModel:
    """Read a point-language model from a file.

    Args:
        path: A checkpoint in ULIP's layout (.pt, .safetensors) or a file of
            `save_point_language_model`. Nothing in it is ever executed.
        text: An open_clip checkpoint whose text tower the point encoder was trained beside, for
            files that hold none (ULIP-2 with colours: ViT-bigG-14, laion2b_s39b_b160k).
        text_activation: Of that tower; see `read_text_tower`.
        text_dtype: Of that tower; bfloat16 halves its memory.
        num_groups: Groups per cloud of an official checkpoint, which does not say.
        group_size: Points per group of an official checkpoint.

    Returns:
        The frozen model on the CPU, in float32 but for a text tower in another type.

    Raises:
        WeightsError: If a file is missing, damaged, not safe, or not all of its tensors and all
            of the model's find each other; the names are in the message.
    """
    path = Path(path)
    state, metadata = read_tensors(path)
    if metadata.get("format") == _FORMAT:
        points, config = _own_config(metadata, path)
        with torch.device("meta"):
            model = PointLanguageModel(points, config, weights=metadata.get("weights", path.name))
        _fill(model, state, path)
        return model
    named = _as_float(point_language_state(state, path, needs_text=text is None))
    points = infer_points(below(named, "points."), path)
    points = replace(points, num_groups=num_groups, group_size=group_size)
    if text is None:
        config = infer_text(named, path)
    else:
        config, tower = read_text_tower(text, activation=text_activation, dtype=text_dtype)
        named |= tower
    with torch.device("meta"):
        model = PointLanguageModel(points, config, weights=path.name)
    _fill(model, named, path)
    return model


def load_point_transformer(
    path: str | Path, *, num_groups: int = 1024, group_size: int = 128, skip_origin: bool = True
) -> PointTransformer:
    """Read a point encoder alone, as M3DM, PatchCore and Reg3DAD use it.

    Args:
        path: A checkpoint of Point-MAE (`MAE_encoder.*`), Point-BERT (`transformer_q.*`), ULIP
            (`point_encoder.*`), or of an encoder by itself.
        num_groups: Groups per cloud.
        group_size: Points per group.
        skip_origin: As in `PointTransformerConfig`.

    Returns:
        The frozen encoder on the CPU in float32, in evaluation mode.

    Raises:
        WeightsError: As for `load_point_language_model`.
    """
    path = Path(path)
    state, _ = read_tensors(path)
    for prefix in ("MAE_encoder.", "transformer_q.", "point_encoder."):
        if any(name.startswith(prefix) for name in state):
            state = below(state, prefix)
            break
    state = _as_float(point_state(state))
    config = replace(
        infer_points(state, path),
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
        "format": _FORMAT,
        "config": json.dumps(config),
        "weights": model.weights,
    }
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    with replaced(path) as temporary:
        save_file(state, temporary, metadata=described)


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
    model.load_state_dict(dict(state), assign=True)


def _as_float(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n: t.float() if t.is_floating_point() else t for n, t in state.items()}


def _list(names: list[str], limit: int = 5) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more

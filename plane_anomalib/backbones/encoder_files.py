"""Point-language models, point encoders and text towers from files, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from plane_anomalib.backbones.layers import hold, is_held
from plane_anomalib.backbones.layouts import (
    ENCODER_FORMAT,
    MODEL_FORMAT,
    below,
    infer_points,
    infer_text,
    is_text_tensor,
    point_language_state,
    points_of,
    stored_config,
    text_name,
)
from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.backbones.point_transformer import PointTransformer, PointTransformerConfig
from plane_anomalib.backbones.tensor_file import read_tensors, stream_tensors, write_tensors
from plane_anomalib.backbones.text_encoder import TextEncoderConfig
from plane_anomalib.core.errors import WeightsError

#: Format of a file of `save_text_tower`.
TOWER_FORMAT = "plane-anomalib text tower, version 1"


def load_point_language_model(
    path: str | Path,
    *,
    text: str | Path | None = None,
    text_activation: str = "gelu",
    dtype: torch.dtype = torch.float32,
    num_groups: int = 512,
    group_size: int = 32,
) -> PointLanguageModel:
    """Read a frozen point-language model from a file, onto the CPU.

    Args:
        path: A checkpoint in ULIP's layout, or a file of ours; nothing in it is ever executed.
        text: The open_clip checkpoint that an encoder without text was trained beside (ULIP-2 with
            colours: ViT-bigG-14, laion2b_s39b_b160k).
        text_activation: Of that tower; see `read_text_tower`.
        dtype: In which the encoders are held; bfloat16 halves their memory, see `layers.hold`.
        num_groups: Groups per cloud of an official checkpoint, which does not say.
        group_size: Points per group of an official checkpoint.

    Raises:
        WeightsError: A file is missing, damaged or not safe, or its tensors are not the model's.
    """
    path = Path(path)
    state, metadata = read_tensors(path)
    if metadata.get("format") == MODEL_FORMAT:
        points = stored_config(PointTransformerConfig, "points", metadata, path)
        config, named = stored_config(TextEncoderConfig, "text", metadata, path), _single(state)
    else:
        points, named = _points_side(state, metadata, path, needs_text=text is None)
        if metadata.get("format") != ENCODER_FORMAT:
            points = replace(points, num_groups=num_groups, group_size=group_size)
        config, tower = _text_side(named, path, text, text_activation, dtype)
        named |= tower
    with torch.device("meta"):
        model = PointLanguageModel(points, config, weights=metadata.get("weights", path.name))
    _fill(model, named, path)
    hold(model, dtype)
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
    points, named = points_of(*read_tensors(path), path)
    config = replace(
        points,
        num_groups=num_groups,
        group_size=group_size,
        skip_origin=skip_origin,
    )
    with torch.device("meta"):
        model = PointTransformer(config)
    _fill(model, _as_float(named), path)
    return model.requires_grad_(False).eval()


def save_point_language_model(
    model: PointLanguageModel,
    path: str | Path,
    metadata: Mapping[str, str] | None = None,
    *,
    half: bool = False,
) -> None:
    """Write a model and its shape as one safetensors file.

    Args:
        model: The model.
        path: The file, replaced only once the new one is complete.
        metadata: More about it: where it comes from, checksum of the source, licence.
        half: Store numbers as float16, half the size; they are float32 again once read.

    Raises:
        WeightsError: A number is too large for float16.
    """
    config = {"points": asdict(model.points.config), "text": asdict(model.text.config)}
    described = {
        **(metadata or {}),
        "format": MODEL_FORMAT,
        "config": json.dumps(config),
        "weights": model.weights,
    }
    state = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    write_tensors(Path(path), _halved(state, path) if half else state, described)


def save_point_encoder(
    model: PointTransformer,
    path: Path,
    metadata: Mapping[str, str],
    projection: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a point encoder, and what brings its features into a joint space, as safetensors.

    The names are those of `PointLanguageModel` (`points.*`, `point_projection`), so that a text
    tower from elsewhere makes the model complete.

    Args:
        model: The encoder.
        path: The file, replaced only once the new one is complete.
        metadata: More about it.
        projection: See `projection_of`.
    """
    state = {f"points.{name}": tensor for name, tensor in model.state_dict().items()}
    state |= projection or {}
    config = json.dumps({"points": asdict(model.config)})
    write_tensors(path, state, {**metadata, "format": ENCODER_FORMAT, "config": config})


def read_text_tower(
    path: str | Path, *, activation: str = "gelu", dtype: torch.dtype = torch.float32
) -> tuple[TextEncoderConfig, dict[str, Tensor]]:
    """Read the text tower out of an open_clip checkpoint (ViT-B-16, L-14, bigG-14 and the like).

    Both layouts that open_clip writes are known: the text tower beside `visual.*`, and below
    `text.`. Tensors are taken one by one, so that memory holds little more than the result.

    Args:
        path: A .safetensors file, a torch checkpoint, or a file of `save_text_tower`. Nothing in it
            is ever executed.
        activation: "gelu", or "quick_gelu" for OpenAI's weights and those whose model name ends in
            "-quickgelu"; published files do not say.
        dtype: Of the tensors that `layers.hold` converts; the others come in float32.

    Returns:
        The shape, and the tensors by their name in `PointLanguageModel`, `text.*`.

    Raises:
        WeightsError: If the file is missing, damaged, not safe, or holds no text tower.
    """
    path = Path(path)
    state: dict[str, Tensor] = {}
    _, metadata = read_tensors(path)
    converted = metadata.get("format") == TOWER_FORMAT
    wanted = (lambda _: True) if converted else is_text_tensor
    for name, tensor in stream_tensors(path, wanted):
        own = name if converted else text_name(name)
        state[own] = tensor.to(dtype if is_held(own) else torch.float32, copy=True)
    if converted:
        return stored_config(TextEncoderConfig, "text", metadata, path), state
    if "text.token_embedding.weight" not in state:
        raise WeightsError(
            f"{path}: this file holds no text tower of open_clip: no tensor is named "
            "token_embedding.weight; give the checkpoint that the point encoder was trained beside."
        )
    return replace(infer_text(state, path), activation=activation), state


def save_text_tower(
    config: TextEncoderConfig,
    state: Mapping[str, Tensor],
    path: Path,
    metadata: Mapping[str, str],
) -> None:
    """Write a text tower alone, so that the file it came from need not be read again.

    Args:
        config: The shape.
        state: As of `read_text_tower`.
        path: The file, replaced only once the new one is complete.
        metadata: More about it.
    """
    described = json.dumps({"text": asdict(config)})
    write_tensors(path, state, {**metadata, "format": TOWER_FORMAT, "config": described})


def _points_side(
    state: Mapping[str, Tensor], metadata: Mapping[str, str], path: Path, *, needs_text: bool
) -> tuple[PointTransformerConfig, dict[str, Tensor]]:
    """Shape of the point encoder, and the tensors of a file that is no model of ours, renamed."""
    if metadata.get("format") != ENCODER_FORMAT:
        named = _as_float(point_language_state(state, path, needs_text=needs_text))
        return infer_points(below(named, "points."), path), named
    if "point_projection" not in state:
        raise WeightsError(
            f"{path}: this is a point encoder without a projection of whole clouds into a joint "
            "space, so it cannot be a point-language model. M3DM, PatchCore3D and Reg3DAD take it."
        )
    if needs_text:
        raise WeightsError(
            f"{path}: this is a point encoder, and its text side, {metadata.get('text') or '?'}, "
            "is a file of its own, which has to be given as well."
        )
    return points_of(state, metadata, path)[0], dict(state)


def _text_side(
    named: Mapping[str, Tensor],
    path: Path,
    text: str | Path | None,
    activation: str,
    dtype: torch.dtype,
) -> tuple[TextEncoderConfig, dict[str, Tensor]]:
    """Shape of the text encoder, and its tensors if they come from a file of their own."""
    if text is None:
        return infer_text(named, path), {}
    return read_text_tower(text, activation=activation, dtype=dtype)


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


def _single(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What was stored as float16 for its size alone, as float32."""
    return {n: t.float() if t.dtype == torch.float16 else t for n, t in state.items()}


def _halved(state: Mapping[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    halved = {n: t.half() if t.is_floating_point() else t for n, t in state.items()}
    too_large = [n for n, t in halved.items() if t.is_floating_point() and not t.isfinite().all()]
    if too_large:
        raise WeightsError(
            f"{path}: float16 cannot hold the numbers of {_list(too_large)}; keep them as float32."
        )
    return halved


def _list(names: list[str], limit: int = 5) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more

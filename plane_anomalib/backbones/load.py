"""Weights from files: official checkpoints by their own names, and this package's files."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from plane_anomalib.backbones.point_language import PointLanguageModel
from plane_anomalib.backbones.point_transformer import PointTransformer, PointTransformerConfig
from plane_anomalib.backbones.text_encoder import TextEncoderConfig
from plane_anomalib.errors import WeightsError

#: Suffixes of files that weights can be read from.
WEIGHT_SUFFIXES = frozenset({".pt", ".pth", ".bin", ".ckpt", ".safetensors"})

_FORMAT = "plane-anomalib point-language model, version 1"
#: Colour that encoders of coloured points were fed where a cloud has none.
_CONSTANT_COLOR = 0.4
_HEAD_WIDTH = 64  # of every official encoder, point and text
#: Tensors of official checkpoints that no encoder here needs.
_UNNEEDED = re.compile(r"logit_scale$|image_projection$|visual\.|cls_head\.")

_POINT_NAMES = (
    (r"^encoder\.first_conv\.0\.", "encoder.linear1."),
    (r"^encoder\.first_conv\.1\.", "encoder.norm1."),
    (r"^encoder\.first_conv\.3\.", "encoder.linear2."),
    (r"^encoder\.second_conv\.0\.", "encoder.linear3."),
    (r"^encoder\.second_conv\.1\.", "encoder.norm2."),
    (r"^encoder\.second_conv\.3\.", "encoder.linear4."),
    (r"^reduce_dim\.", "reduce."),
    (r"^pos_embed\.", "position."),
    (r"^cls_token$", "class_token"),
    (r"^cls_pos$", "class_position"),
    (r"^blocks\.blocks\.", "blocks."),
)
_TEXT_NAMES = (
    (r"^transformer\.resblocks\.", "text.blocks."),
    (r"\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.out_proj\.", ".attn.proj."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
    (r"^token_embedding\.", "text.token_embedding."),
    (r"^positional_embedding$", "text.position"),
    (r"^ln_final\.", "text.norm."),
    (r"^text_projection$", "text.projection"),
    (r"^pc_projection$", "point_projection"),
)


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
    if metadata.get("format") == _FORMAT:
        config = json.loads(metadata["config"])
        points = PointTransformerConfig(**config["points"])
        text = TextEncoderConfig(**config["text"])
    else:
        state = _official_point_language(state, path)
        points = _infer_points(_below(state, "points."), path)
        points = replace(points, num_groups=num_groups, group_size=group_size)
        text = _infer_text(state, path)
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
            state = _below(state, prefix)
            break
    state = _official_points(state)
    config = replace(
        _infer_points(state, path),
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
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_file(state, temporary, metadata=described)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors of a checkpoint without executing anything in it.

    Args:
        path: A .safetensors file or a torch checkpoint.

    Returns:
        Tensors by name, without any leading `module.`, and the metadata of a safetensors file.

    Raises:
        WeightsError: If the file is missing, damaged, not safe, or holds no tensors.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such weights file.")
    metadata: dict[str, str] = {}
    if path.suffix == ".safetensors":
        state, metadata = _read_safetensors(path)
    else:
        state = _read_torch(path)
    tensors = {
        re.sub(r"^(module\.)+", "", str(name)): value
        for name, value in state.items()
        if isinstance(value, Tensor)
    }
    if not tensors:
        raise WeightsError(f"{path}: there are no tensors in this file.")
    return tensors, metadata


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path}: this is not a complete safetensors file ({error}); fetch it again."
        ) from error


def _read_torch(path: Path) -> Mapping[str, Any]:
    try:
        # Official checkpoints carry their command line; everything else must be plain tensors.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        reason = str(error).split("\n", 1)[0].strip()
        raise WeightsError(
            f"{path}: refused, because reading it could run code or it is no checkpoint: {reason}"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).split("\n", 1)[0].strip()
        raise WeightsError(
            f"{path}: this is not a complete torch checkpoint ({reason}); fetch it again."
        ) from error
    for key in ("state_dict", "base_model", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: there are no named tensors in this file.")
    return content


def _official_point_language(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    if not any(name.startswith("point_encoder.") for name in state):
        raise WeightsError(
            f"{path}: this is not a point-language model: no tensor is named point_encoder.*, "
            f"the first is {min(state)}."
        )
    if "token_embedding.weight" not in state:
        raise WeightsError(
            f"{path}: this file holds a point encoder but no text encoder; use ULIP's checkpoints "
            "with slip_vit_b in their names, which hold both."
        )
    points = _official_points(_below(state, "point_encoder."))
    renamed = {f"points.{name}": tensor for name, tensor in points.items()}
    for name, tensor in state.items():
        if not name.startswith("point_encoder.") and not _UNNEEDED.match(name):
            renamed[_rename(name, _TEXT_NAMES)] = tensor
    return renamed


def _official_points(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    renamed = {}
    for name, tensor in state.items():
        if not _UNNEEDED.match(name):
            is_convolution = name.endswith(".weight") and tensor.ndim == 3
            renamed[_rename(name, _POINT_NAMES)] = tensor.squeeze(-1) if is_convolution else tensor
    return _fold_color(renamed)


def _fold_color(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Turn an encoder of coloured points into the equal one of points of constant colour."""
    weight, bias = state.get("encoder.linear1.weight"), state.get("encoder.linear1.bias")
    if weight is None or bias is None or weight.shape[1] != 6:
        return state
    bias = bias + _CONSTANT_COLOR * weight[:, 3:].sum(1)
    return {**state, "encoder.linear1.weight": weight[:, :3], "encoder.linear1.bias": bias}


def _infer_points(state: Mapping[str, Tensor], path: Path) -> PointTransformerConfig:
    width = _size(state, "position.2.weight", 0, path)
    return PointTransformerConfig(
        width=width,
        depth=_depth(state, "blocks."),
        num_heads=max(1, width // _HEAD_WIDTH),
        mlp_ratio=_size(state, "blocks.0.mlp.fc1.weight", 0, path) // width,
        stem=_size(state, "encoder.linear1.weight", 0, path),
        encoder_width=_size(state, "encoder.linear4.weight", 0, path),
        class_token="class_token" in state,
    )


def _infer_text(state: Mapping[str, Tensor], path: Path) -> TextEncoderConfig:
    width = _size(state, "text.position", 1, path)
    return TextEncoderConfig(
        width=width,
        depth=_depth(state, "text.blocks."),
        num_heads=max(1, width // _HEAD_WIDTH),
        context_length=_size(state, "text.position", 0, path),
        vocab_size=_size(state, "text.token_embedding.weight", 0, path),
        joint_dim=_size(state, "text.projection", 1, path),
    )


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


def _size(state: Mapping[str, Tensor], name: str, axis: int, path: Path) -> int:
    tensor = state.get(name)
    if tensor is None or tensor.ndim <= axis:
        raise WeightsError(f"{path}: the tensors do not fit the model; missing: {name}.")
    return int(tensor.shape[axis])


def _depth(names: Iterable[str], prefix: str) -> int:
    found = (re.match(rf"{re.escape(prefix)}(\d+)\.", name) for name in names)
    return 1 + max((int(match[1]) for match in found if match), default=-1)


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}


def _rename(name: str, table: Iterable[tuple[str, str]]) -> str:
    for pattern, replacement in table:
        name = re.sub(pattern, replacement, name)
    return name

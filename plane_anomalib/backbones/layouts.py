"""Published checkpoints: their tensors in the names of this package, and the shapes they imply."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from plane_anomalib.backbones.point_transformer import PointTransformerConfig
from plane_anomalib.backbones.text_encoder import TextEncoderConfig
from plane_anomalib.core.errors import WeightsError
from plane_anomalib.core.typed_data import TypedDataError, from_plain, load_strict

#: Colour that encoders of coloured points were fed where a cloud has none.
_CONSTANT_COLOR = 0.4
_HEAD_WIDTH = 64  # of every official encoder, point and text
#: Tensors of official checkpoints that no encoder here needs.
_UNNEEDED = re.compile(
    r"logit_scale$|image_projection$|visual\.|cls_head\w*\.|lm_head\.|mask_token$"
)
#: Text tower of an open_clip checkpoint, beside the image tower or below `text.`.
_TEXT_TENSOR = re.compile(
    r"(text\.)?(transformer\.resblocks\.|token_embedding\.|positional_embedding$|ln_final\.|"
    r"text_projection$)"
)

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


def point_language_state(
    state: Mapping[str, Tensor], path: Path, *, needs_text: bool = True
) -> dict[str, Tensor]:
    """Rename the tensors of a checkpoint in ULIP's layout to those of `PointLanguageModel`.

    Args:
        state: Tensors by official name, without `module.`.
        path: The file, for messages.
        needs_text: Whether the text encoder has to be in it; otherwise it is left out.

    Raises:
        WeightsError: If one of the two encoders is not there.
    """
    if not any(name.startswith("point_encoder.") for name in state):
        raise WeightsError(
            f"{path}: this is not a point-language model: no tensor is named point_encoder.*, "
            f"the first is {min(state)}."
        )
    if needs_text and "token_embedding.weight" not in state:
        raise WeightsError(
            f"{path}: this file holds a point encoder but no text encoder; use ULIP's checkpoints "
            "with slip_vit_b in their names, which hold both, or give the open_clip checkpoint "
            "that it was trained beside as well."
        )
    points = point_state(below(state, "point_encoder."))
    renamed = {f"points.{name}": tensor for name, tensor in points.items()}
    for name, tensor in state.items():
        if not needs_text and is_text_tensor(name):
            continue
        if not name.startswith("point_encoder.") and not _UNNEEDED.match(name):
            renamed[_rename(name, _TEXT_NAMES)] = tensor
    return renamed


def point_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of an official point encoder to those of `PointTransformer`.

    An encoder of coloured points becomes the equal one of points of constant colour.
    """
    renamed = {}
    for name, tensor in state.items():
        if not _UNNEEDED.match(name):
            is_convolution = name.endswith(".weight") and tensor.ndim == 3
            renamed[_rename(name, _POINT_NAMES)] = tensor.squeeze(-1) if is_convolution else tensor
    return _fold_color(renamed)


def _fold_color(state: dict[str, Tensor]) -> dict[str, Tensor]:
    weight, bias = state.get("encoder.linear1.weight"), state.get("encoder.linear1.bias")
    if weight is None or bias is None or weight.shape[1] != 6:
        return state
    bias = bias + _CONSTANT_COLOR * weight[:, 3:].sum(1)
    return {**state, "encoder.linear1.weight": weight[:, :3], "encoder.linear1.bias": bias}


def infer_points(state: Mapping[str, Tensor], path: Path) -> PointTransformerConfig:
    """Read the shape of a point encoder off its renamed tensors; groups keep their defaults.

    Raises:
        WeightsError: If a tensor that is needed for it is not there.
    """
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


def infer_text(state: Mapping[str, Tensor], path: Path) -> TextEncoderConfig:
    """Read the shape of a text encoder off the renamed tensors of a point-language model.

    Raises:
        WeightsError: If a tensor that is needed for it is not there.
    """
    width = _size(state, "text.position", 1, path)
    return TextEncoderConfig(
        width=width,
        depth=_depth(state, "text.blocks."),
        num_heads=max(1, width // _HEAD_WIDTH),
        context_length=_size(state, "text.position", 0, path),
        vocab_size=_size(state, "text.token_embedding.weight", 0, path),
        joint_dim=_size(state, "text.projection", 1, path),
    )


def is_text_tensor(name: str) -> bool:
    """Whether a tensor of an open_clip checkpoint belongs to the text tower."""
    return bool(_TEXT_TENSOR.match(name))


def is_text_tower(names: Iterable[str]) -> bool:
    """Whether a checkpoint with these tensors, without `module.`, has text and no point encoder."""
    found = list(names)
    text = any(is_text_tensor(name) for name in found)
    return text and not any(name.startswith(("point_encoder.", "points.")) for name in found)


def text_name(name: str) -> str:
    """Name in `PointLanguageModel` of a tensor of an open_clip text tower."""
    return _rename(name.removeprefix("text."), _TEXT_NAMES)


def below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose name starts with `prefix`, without it."""
    return {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}


def _size(state: Mapping[str, Tensor], name: str, axis: int, path: Path) -> int:
    tensor = state.get(name)
    if tensor is None or tensor.ndim <= axis:
        raise WeightsError(f"{path}: the tensors do not fit the model; missing: {name}.")
    return int(tensor.shape[axis])


def _depth(names: Iterable[str], prefix: str) -> int:
    found = (re.match(rf"{re.escape(prefix)}(\d+)\.", name) for name in names)
    return 1 + max((int(match[1]) for match in found if match), default=-1)


def _rename(name: str, table: Iterable[tuple[str, str]]) -> str:
    for pattern, replacement in table:
        name = re.sub(pattern, replacement, name)
    return name


T = TypeVar("T")

#: Format of a file of `save_point_encoder`.
ENCODER_FORMAT = "plane-anomalib point encoder, version 1"
#: Format of a file of `save_point_language_model`.
MODEL_FORMAT = "plane-anomalib point-language model, version 1"

_PREFIXES = ("MAE_encoder.", "transformer_q.", "point_encoder.")
#: What brings PatchAlign3D's tokens into its joint space.
_PATCH_PROJECTION = "patch_proj."
#: Heads that the published part-segmentation models carry beside this encoder.
_HEADS = re.compile(r"propagation_|dgcnn_pro_|label_conv\.|convs?\d|bns?\d")
#: What ULIP's files hold beside the point encoder where the text encoder is elsewhere.
_BESIDE = re.compile(r"pc_projection$|logit_scale$|image_projection$|visual\.|open_clip_model\.")


def points_of(
    state: Mapping[str, Tensor], metadata: Mapping[str, str], path: Path
) -> tuple[PointTransformerConfig, dict[str, Tensor]]:
    """The shape and the tensors of the point encoder in a file of any known layout.

    Args:
        state: Tensors by name, without `module.`.
        metadata: Of a safetensors file; empty for others.
        path: The file, for messages.

    Returns:
        The shape, and the tensors by their name in `PointTransformer`.

    Raises:
        WeightsError: A tensor that the shape is read off is not there.
    """
    if metadata.get("format") in (ENCODER_FORMAT, MODEL_FORMAT):
        config = stored_config(PointTransformerConfig, "points", metadata, path)
        return config, below(state, "points.")
    prefix = _prefix(state)
    named = point_state(below(state, prefix))
    if any(name.startswith(_PATCH_PROJECTION) for name in state):
        named = _patch_aligned(named)
    return infer_points(named, path), named


def stored_config(kind: type[T], part: str, metadata: Mapping[str, str], path: Path) -> T:
    """The shape of one side of a file of ours.

    Args:
        kind: Its class.
        part: "points" or "text".
        metadata: Of the file.
        path: The file, for messages.

    Raises:
        WeightsError: It is not there, or of another version.
    """
    try:
        return from_plain(kind, load_strict(metadata["config"])[part])
    except (KeyError, TypeError, TypedDataError) as error:
        raise WeightsError(
            f"{path}: the model's shape in this file cannot be read ({error}); "
            "write it again with this version."
        ) from error


def projection_of(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What brings an official encoder's features into a joint space, by our names, if anything."""
    found = {
        f"patch_projection.{name.rpartition('.')[2]}": tensor
        for name, tensor in state.items()
        if name.startswith(_PATCH_PROJECTION)
    }
    if "pc_projection" in state:
        found["point_projection"] = state["pc_projection"]
    return {name: tensor.float() for name, tensor in found.items()}


def beside(state: Mapping[str, Tensor], path: Path) -> list[str]:
    """Names of an official file's tensors that belong to no point encoder.

    Decoders, momentum copies and the like of Point-MAE and Point-BERT lie outside the encoder's
    prefix and may have any name; in ULIP's layout, where a name could be a part of the model, only
    known ones may.

    Raises:
        WeightsError: An unknown tensor beside ULIP's encoder.
    """
    prefix = _prefix(state)
    names = [
        name for name in state if not name.startswith(prefix) or (not prefix and _HEADS.match(name))
    ]
    unknown = sorted(name for name in names if not _BESIDE.match(name))
    if prefix == "point_encoder." and unknown:
        raise WeightsError(
            f"{path}: the tensors do not fit the model; unused: {', '.join(unknown[:5])}."
        )
    return names


def _prefix(state: Mapping[str, Tensor]) -> str:
    found = (p for p in _PREFIXES if any(name.startswith(p) for name in state))
    return next(found, "")


def _patch_aligned(named: dict[str, Tensor]) -> dict[str, Tensor]:
    """Fold PatchAlign3D's exchange of Y and Z before the encoder into the weights that see them."""
    kept = {
        name: tensor
        for name, tensor in named.items()
        if not _HEADS.match(name) and not name.startswith(_PATCH_PROJECTION)
    }
    for name in ("encoder.linear1.weight", "position.0.weight"):
        if name in kept:
            kept[name] = kept[name][:, [0, 2, 1]]
    return kept

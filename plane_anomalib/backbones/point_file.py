"""Point encoders alone, out of whichever file holds one, and in a file of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from plane_anomalib.backbones.checkpoint import write_tensors
from plane_anomalib.backbones.official import below, infer_points, point_state
from plane_anomalib.backbones.point_transformer import PointTransformer, PointTransformerConfig
from plane_anomalib.core.errors import WeightsError

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
        return kind(**json.loads(metadata["config"])[part])
    except (KeyError, TypeError, ValueError) as error:
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

"""Text towers out of open_clip checkpoints, without ever holding their image towers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from plane_anomalib.backbones.checkpoint import read_tensors, stream_tensors, write_tensors
from plane_anomalib.backbones.official import infer_text, is_text_tensor, text_name
from plane_anomalib.backbones.point_file import stored_config
from plane_anomalib.backbones.precision import is_held
from plane_anomalib.backbones.text_encoder import TextEncoderConfig
from plane_anomalib.core.errors import WeightsError

#: Format of a file of `save_text_tower`.
TOWER_FORMAT = "plane-anomalib text tower, version 1"


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
        dtype: Of the tensors that `precision.hold` converts; the others come in float32.

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

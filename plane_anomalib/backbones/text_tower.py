"""Text towers of open_clip checkpoints, read without ever holding their image towers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from plane_anomalib.backbones.checkpoint import stream_tensors
from plane_anomalib.backbones.official import infer_text, is_text_tensor, text_name
from plane_anomalib.backbones.precision import is_held
from plane_anomalib.backbones.text_encoder import TextEncoderConfig
from plane_anomalib.errors import WeightsError


def read_text_tower(
    path: str | Path, *, activation: str = "gelu", dtype: torch.dtype = torch.float32
) -> tuple[TextEncoderConfig, dict[str, Tensor]]:
    """Read the text tower out of an open_clip checkpoint (ViT-B-16, L-14, bigG-14 and the like).

    Both layouts that open_clip writes are known: the text tower beside `visual.*`, and below
    `text.`. Tensors are taken one by one, so that memory holds little more than the result.

    Args:
        path: A .safetensors file or a torch checkpoint. Nothing in it is ever executed.
        activation: "gelu", or "quick_gelu" for OpenAI's weights and those whose model name ends in
            "-quickgelu"; the file does not say.
        dtype: Of the tensors that `precision.hold` converts; the others come in float32.

    Returns:
        The shape, and the tensors by their name in `PointLanguageModel`, `text.*`.

    Raises:
        WeightsError: If the file is missing, damaged, not safe, or holds no text tower.
    """
    path = Path(path)
    state: dict[str, Tensor] = {}
    for name, tensor in stream_tensors(path, is_text_tensor):
        own = text_name(name)
        state[own] = tensor.to(dtype if is_held(own) else torch.float32, copy=True)
    if "text.token_embedding.weight" not in state:
        raise WeightsError(
            f"{path}: this file holds no text tower of open_clip: no tensor is named "
            "token_embedding.weight."
        )
    return replace(infer_text(state, path), activation=activation), state

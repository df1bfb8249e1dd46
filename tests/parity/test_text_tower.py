"""Text towers read from open_clip checkpoints equal open_clip's own, whichever version is there.

Versions up to 2.24 keep the sequence first in their transformers and later ones the batch, so a
batch as long as the context is where a mix-up would not show by its shape.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip.model import CLIP, CustomTextCLIP
from safetensors.torch import save_file
from torch import Tensor, nn

from plane_anomalib.backbones.encoder_files import (
    load_point_language_model,
    read_text_tower,
    save_point_language_model,
)
from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.core.errors import WeightsError
from tests.unit.backbones.test_encoder_files import official_points

VISION = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 128, "heads": 2, "layers": 3}
JOINT = 96
NAMES = ["bowl", "a rather long name for an object", "x", "tap"]


@pytest.fixture(scope="module", params=[CLIP, CustomTextCLIP], ids=["beside", "below"])
def reference(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    model = request.param(JOINT, dict(VISION), dict(TEXT))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model.eval()


def beside(reference: nn.Module, folder: Path, **options: Any) -> PointLanguageModel:
    """A point encoder without text in ULIP's layout, joined to the tower of a checkpoint."""
    points = {f"module.point_encoder.{n}": t for n, t in official_points(channels=6).items()}
    save_file({**points, "pc_projection": torch.rand(128, JOINT)}, folder / "points.safetensors")
    tower = folder / "open_clip.safetensors"
    save_file({n: t.contiguous() for n, t in reference.state_dict().items()}, tower)
    return load_point_language_model(folder / "points.safetensors", text=tower, **options)


def expected(reference: Any, names: list[str]) -> Tensor:
    with torch.no_grad():
        encoded: Tensor = reference.encode_text(open_clip.tokenize([f"{n}." for n in names]))
    return encoded


@pytest.mark.parametrize("rows", [1, 4, 77])
def test_a_tower_encodes_as_open_clip_does(reference: nn.Module, tmp_path: Path, rows: int) -> None:
    model = beside(reference, tmp_path)
    names = [f"{NAMES[row % 4]} {row}" for row in range(rows)]
    found = model.encode_text(None, names)
    torch.testing.assert_close(found, expected(reference, names), rtol=0, atol=1e-5)


def test_quick_gelu_is_what_openai_s_weights_ask_for(tmp_path: Path) -> None:
    torch.manual_seed(1)
    reference = CLIP(JOINT, dict(VISION), dict(TEXT), quick_gelu=True).eval()
    model = beside(reference, tmp_path, text_activation="quick_gelu")
    found = model.encode_text(None, NAMES)
    torch.testing.assert_close(found, expected(reference, NAMES), rtol=0, atol=1e-5)


def test_a_tower_in_half_precision_is_saved_as_it_is_and_answers_in_single(
    reference: nn.Module, tmp_path: Path
) -> None:
    model = beside(reference, tmp_path, dtype=torch.bfloat16)
    save_point_language_model(model, tmp_path / "joined.safetensors")
    again = load_point_language_model(tmp_path / "joined.safetensors", dtype=torch.bfloat16)
    assert again.text.token_embedding.weight.dtype == torch.bfloat16
    assert again.point_projection.dtype == torch.float32
    prompts = torch.zeros(4, 2, 128, requires_grad=True)
    found = again.encode_text(prompts, NAMES)
    found.sum().backward()
    assert found.dtype == torch.float32
    assert prompts.grad is not None
    plain = again.encode_text(None, NAMES)
    similarity = nn.functional.cosine_similarity(plain, expected(reference, NAMES))
    assert (similarity > 0.99).all()


@pytest.mark.parametrize("save", [save_file, torch.save], ids=["safetensors", "torch"])
def test_images_are_not_read(tmp_path: Path, save: Callable[..., None]) -> None:
    reference = CLIP(JOINT, dict(VISION), dict(TEXT))
    path = tmp_path / ("model.safetensors" if save is save_file else "model.bin")
    save({n: t.contiguous() for n, t in reference.state_dict().items()}, path)
    config, state = read_text_tower(path)
    assert (config.width, config.depth, config.num_heads, config.joint_dim) == (128, 3, 2, JOINT)
    assert set(state) == {f"text.{name}" for name in text_names(config.depth)}


def text_names(depth: int) -> list[str]:
    parts = ["norm1", "norm2", "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"]
    blocks = [
        f"blocks.{block}.{part}.{kind}"
        for block in range(depth)
        for part in parts
        for kind in ("weight", "bias")
    ]
    ends = ["token_embedding.weight", "position", "norm.weight", "norm.bias", "projection"]
    return blocks + ends


def test_files_without_a_text_tower_are_named(tmp_path: Path) -> None:
    save_file({"visual.proj": torch.zeros(2, 2)}, tmp_path / "images.safetensors")
    with pytest.raises(WeightsError, match=r"images\.safetensors: this file holds no text tower"):
        read_text_tower(tmp_path / "images.safetensors")

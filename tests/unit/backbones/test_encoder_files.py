from __future__ import annotations

import argparse
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from plane_anomalib.backbones.encoder_files import load_point_transformer, save_point_language_model
from plane_anomalib.backbones.encoders import create_backbone, create_untrained
from plane_anomalib.backbones.layouts import point_state
from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.core.errors import WeightsError
from tests.support.official_files import Trap, official, official_points


def encode(model: PointLanguageModel) -> Tensor:
    points = torch.rand(1, 200, 3, generator=torch.Generator().manual_seed(0))
    return model.encode_points(points, layers=(), num_groups=20).pooled


def test_pickled_half_precision_and_safetensors_files_give_the_same_model(tmp_path: Path) -> None:
    state = {name: tensor.half() for name, tensor in official(depth=3).items()}
    named = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({"state_dict": named, "args": argparse.Namespace(lr=1)}, tmp_path / "a.pt")
    save_file(state, tmp_path / "b.safetensors")
    first, second = create_backbone(tmp_path / "a.pt"), create_backbone(tmp_path / "b.safetensors")
    assert first.num_blocks == 3
    assert first.point_projection.dtype == torch.float32
    assert torch.equal(encode(first), encode(second))
    assert first.weights == "a.pt"


@pytest.mark.parametrize("module", [b"numpy.core", b"numpy._core"])
def test_numbers_of_either_numpy_beside_the_tensors_are_harmless(
    tmp_path: Path, module: bytes
) -> None:
    numbers = [np.float64(0.5), np.float32(0.5), np.int64(3), np.bool_(True)]
    optimizer = {"param_groups": [{"lr": number} for number in numbers]}
    torch.save({"state_dict": official(), "optimizer": optimizer}, tmp_path / "w.pt")
    with (
        zipfile.ZipFile(tmp_path / "w.pt") as written,
        zipfile.ZipFile(tmp_path / "other.pt", "w") as other,
    ):
        for name in written.namelist():
            content = written.read(name)
            if name.endswith("data.pkl"):
                assert b"numpy._core.multiarray" in content
                content = content.replace(b"numpy._core.multiarray", module + b".multiarray")
            other.writestr(name, content)
    assert create_backbone(tmp_path / "other.pt").num_blocks == 2


def test_what_only_pretraining_needs_is_left_out_of_point_bert(tmp_path: Path) -> None:
    rest = {"mask_token": torch.zeros(1, 1, 64), "lm_head.weight": torch.zeros(5, 64)}
    rest["cls_head.0.weight"] = torch.zeros(4, 64)
    state = {**official_points(), **rest}
    other = {"module.dvae.codebook": torch.zeros(3), "module.queue": torch.zeros(2)}
    named = {f"module.transformer_q.{name}": tensor for name, tensor in state.items()}
    torch.save({"base_model": named | other, "metrics": {"acc": np.float64(0.9)}}, tmp_path / "w")
    assert load_point_transformer(tmp_path / "w").config.depth == 2


def test_written_model_comes_back_bit_for_bit(tmp_path: Path) -> None:
    model = create_untrained(4)
    model.weights = "made in a test"
    path = tmp_path / "model.safetensors"
    save_point_language_model(model, path, {"licence": "none"})
    again = create_backbone(str(path))
    assert again.weights == "made in a test"
    assert again.points.config == model.points.config
    assert torch.equal(encode(again), encode(model))
    assert torch.equal(again.encode_text(None, ["jar"]), model.encode_text(None, ["jar"]))
    assert os.listdir(tmp_path) == ["model.safetensors"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"point_encoder.blocks.blocks.1.attn.qkv.weight": None}, r"missing: \S*blocks.1.attn.qkv"),
        ({"pc_projection": None}, "missing: point_projection"),
        ({"point_encoder.pos_embed.2.weight": None}, "missing: position.2.weight"),
        ({"surprise.weight": torch.zeros(2)}, "unused: surprise.weight"),
        ({"point_encoder.extra": torch.zeros(2)}, "unused: points.extra"),
        ({"point_encoder.norm.weight": torch.zeros(3)}, r"wrong shape: points.norm.weight \(3,\)"),
        ({"token_embedding.weight": None}, "no text encoder"),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    tmp_path: Path, change: dict[str, Tensor | None], message: str
) -> None:
    state = {**official(), **change}
    path = tmp_path / "w.pt"
    torch.save({"state_dict": {n: t for n, t in state.items() if t is not None}}, path)
    with pytest.raises(WeightsError, match=message) as caught:
        create_backbone(path)
    assert str(path) in str(caught.value)


def test_file_without_point_encoder_is_no_point_language_model(tmp_path: Path) -> None:
    torch.save({"layer.weight": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="not a point-language model"):
        create_backbone(tmp_path / "w.pt")


def test_pickle_that_runs_code_is_refused_before_it_runs(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    torch.save({"state_dict": official(), "args": Trap(sprung)}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="refused"):
        create_backbone(tmp_path / "w.pt")
    assert not sprung.exists()


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", None])
def test_damaged_files_are_named(tmp_path: Path, suffix: str, content: bytes | None) -> None:
    path = tmp_path / f"w{suffix}"
    if content is None:
        state = {name: tensor.contiguous() for name, tensor in official().items()}
        torch.save(state, path) if suffix == ".pt" else save_file(state, path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        create_backbone(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": {"a": 1}}, torch.zeros(2)])
def test_checkpoints_without_named_tensors_are_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"no (named )?tensors"):
        create_backbone(tmp_path / "w.pt")


def test_unreadable_shape_in_an_own_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_point_language_model(create_untrained(), path)
    path.write_bytes(path.read_bytes().replace(b"mlp_ratio", b"mlp_rotio", 1))
    with pytest.raises(WeightsError, match="mlp_rotio"):
        create_backbone(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ulip2-xyz", "8k-xyz-pc-slip_vit_b.*give its path"),
        ("ulip2_xyz", 'did you mean "ulip2-xyz"'),
        ("bultin", 'did you mean "builtin"'),
        ("resnet18", "choose one of builtin"),
        ("missing.pt", "no such weights file"),
    ],
)
def test_names_that_cannot_be_used_say_what_to_do(name: str, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        create_backbone(name)


def test_coloured_encoder_equals_feeding_a_constant_colour() -> None:
    state = official_points(channels=6)
    weight = state["encoder.first_conv.0.weight"]
    bias = state["encoder.first_conv.0.bias"]
    points = torch.randn(50, 3)
    coloured = torch.cat((points, torch.full((50, 3), 0.4)), 1) @ weight[..., 0].T + bias
    folded = point_state(state)
    plain = points @ folded["encoder.linear1.weight"].T + folded["encoder.linear1.bias"]
    torch.testing.assert_close(plain, coloured)


def test_point_encoder_is_found_in_ulip_files_too(tmp_path: Path) -> None:
    torch.save(official(), tmp_path / "w.pt")
    encoder = load_point_transformer(tmp_path / "w.pt", num_groups=10, group_size=4)
    assert not encoder.training
    dense, features = encoder.dense_features(torch.rand(1, 60, 3), layers=(0, 1))
    assert dense.shape == (1, 10, 128)
    assert features.group_index.shape == (1, 10, 4)

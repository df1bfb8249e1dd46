"""Published checkpoints in, one safetensors file out, the same model on both sides."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from plane_anomalib.backbones import encoders
from plane_anomalib.backbones.conversion import convert, fixed_cloud, verify_entry, verify_file
from plane_anomalib.backbones.encoder_files import (
    load_point_language_model,
    load_point_transformer,
    read_text_tower,
)
from plane_anomalib.backbones.weights import store
from plane_anomalib.backbones.weights.catalogue import CATALOGUE, CatalogueEntry, EncoderShape
from plane_anomalib.backbones.weights.store import converted_path
from plane_anomalib.core.errors import WeightsError
from tests.support.official_files import Trap, official, official_points

SMALL = EncoderShape(2, 64, 16, 8, 32)
MODEL = replace(CATALOGUE["ulip2-xyz"], shape=SMALL)
ENCODER = replace(CATALOGUE["point-mae"], shape=replace(SMALL, joint=None, class_token=False))
PATCHES = replace(CATALOGUE["patchalign3d"], shape=SMALL)
TOWER = replace(CATALOGUE["openclip-bigg14"], shape=EncoderShape(1, 64, joint=32))
COLOURED = replace(CATALOGUE["ulip2-xyzrgb"], shape=replace(SMALL, layers=3))


def save_model(path: Path, **changes: Tensor) -> dict[str, Tensor]:
    state = {**official(), **changes}
    named = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({"epoch": 1, "state_dict": named, "args": argparse.Namespace(lr=1)}, path)
    return state


def point_mae() -> dict[str, Tensor]:
    state = {n: t for n, t in official_points().items() if not n.startswith("cls_")}
    rest = {"MAE_decoder.norm.weight": torch.zeros(3), "mask_token": torch.zeros(1)}
    return {**{f"MAE_encoder.{name}": tensor for name, tensor in state.items()}, **rest}


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


def pooled(path: Path) -> Tensor:
    cloud = torch.rand(1, 200, 3, generator=torch.Generator().manual_seed(5))
    return load_point_transformer(path, num_groups=20, group_size=6)(cloud).pooled


def test_point_language_model_is_the_same_after_conversion(tmp_path: Path) -> None:
    source, out = tmp_path / "official.pt", tmp_path / "out.safetensors"
    save_model(source)
    done = convert(source, out, MODEL)
    assert (done.kind, done.shape) == ("point-language", SMALL)
    before, after = load_point_language_model(source), load_point_language_model(out)
    assert after.points.config == replace(before.points.config, num_groups=16, group_size=8)
    expected, found = before.state_dict(), after.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert torch.equal(pooled(source), pooled(out))
    facts = metadata(out)
    assert facts["source"] == "official.pt"
    assert facts["source_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert (facts["name"], facts["licence"]) == (MODEL.name, MODEL.licence)
    assert after.weights == f"{MODEL.name} ({MODEL.file})"


def test_point_encoder_alone_is_the_same_after_conversion(tmp_path: Path) -> None:
    source, out = tmp_path / "pretrain.pth", tmp_path / "out.safetensors"
    torch.save({"base_model": {f"module.{n}": t for n, t in point_mae().items()}}, source)
    done = convert(source, out, ENCODER)
    assert (done.kind, done.shape) == ("point-encoder", ENCODER.shape)
    assert done.left_out == "MAE_decoder (1), mask_token (1)"
    assert torch.equal(pooled(source), pooled(out))
    with pytest.raises(WeightsError, match=r"without a projection of whole clouds"):
        load_point_language_model(out)


def save_coloured(path: Path) -> dict[str, Tensor]:
    points = official_points(depth=3, channels=6)
    state = {f"point_encoder.{name}": tensor for name, tensor in points.items()}
    state |= {"pc_projection": torch.rand(128, 32), "logit_scale": torch.zeros(())}
    torch.save({"state_dict": state}, path)
    return state


def save_tower(path: Path) -> None:
    """A text tower as open_clip writes it, beside an image tower."""
    outside = ("point_encoder.", "pc_projection", "image_projection")
    tower = {n: t for n, t in official().items() if not n.startswith(outside)}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({**tower, "visual.proj": torch.zeros(2)}, path)


def test_coloured_encoder_keeps_its_projection_and_asks_for_its_text_side(tmp_path: Path) -> None:
    source, out = tmp_path / "w.pt", tmp_path / "out.safetensors"
    state = save_coloured(source)
    done = convert(source, out, COLOURED)
    assert done.shape == COLOURED.shape
    assert torch.equal(pooled(source), pooled(out))
    with safe_open(out, framework="pt") as file:
        assert torch.equal(file.get_tensor("point_projection"), state["pc_projection"])
        assert file.get_tensor("points.encoder.linear1.weight").shape == (4, 3)
    with pytest.raises(WeightsError, match=r"its text side, open_clip ViT-bigG-14"):
        load_point_language_model(out)
    save_tower(tmp_path / "tower.bin")
    converted = load_point_language_model(out, text=tmp_path / "tower.bin")
    direct = load_point_language_model(source, text=tmp_path / "tower.bin")
    assert (converted.points.config.num_groups, direct.points.config.num_groups) == (16, 512)
    expected, found = direct.state_dict(), converted.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_patch_aligned_encoder_equals_exchanging_y_and_z_first(tmp_path: Path) -> None:
    source, out, plain = tmp_path / "w.pt", tmp_path / "out.safetensors", tmp_path / "plain.pt"
    points = official_points()
    head = {"proj.weight": torch.rand(32, 64), "proj.bias": torch.rand(32)}
    heads = {"propagation_0.conv.weight": torch.zeros(2), "convs1.bias": torch.zeros(2)}
    torch.save({"model": {**points, **heads}, "proj": head}, source)
    torch.save(points, plain)
    done = convert(source, out, PATCHES)
    assert done.shape == PATCHES.shape
    assert done.left_out == "convs1 (1), propagation_0 (1)"
    cloud = torch.rand(1, 200, 3)
    ours = load_point_transformer(out, num_groups=20, group_size=6)(cloud).pooled
    theirs = load_point_transformer(plain, num_groups=20, group_size=6)(cloud[..., [0, 2, 1]])
    torch.testing.assert_close(ours, theirs.pooled, atol=1e-5, rtol=1e-5)
    with safe_open(out, framework="pt") as file:
        assert torch.equal(file.get_tensor("patch_projection.weight"), head["proj.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": torch.zeros(2)}, "unused: surprise"),
        ({"point_encoder.extra": torch.zeros(2)}, "unused: points.extra"),
        ({"pc_projection": torch.zeros(2, 32)}, "wrong shape: point_projection"),
    ],
)
def test_tensors_that_do_not_fit_are_named_and_nothing_is_written(
    tmp_path: Path, change: dict[str, Tensor], message: str
) -> None:
    save_model(tmp_path / "w.pt", **change)
    with pytest.raises(WeightsError, match=message):
        convert(tmp_path / "w.pt", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": torch.zeros(2)}, "unused: surprise"),
        ({"point_encoder.norm.bias": None}, "missing: norm.bias"),
        ({"pc_projection": torch.zeros(3, 32)}, "wrong shape: point_projection"),
    ],
)
def test_encoders_of_ulip_without_text_are_checked_as_strictly(
    tmp_path: Path, change: dict[str, Tensor | None], message: str
) -> None:
    state: dict[str, Tensor | None] = {
        f"point_encoder.{n}": t for n, t in official_points().items()
    }
    state = {**state, "pc_projection": torch.zeros(128, 32), **change}
    torch.save({n: t for n, t in state.items() if t is not None}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=message):
        convert(tmp_path / "w.pt", tmp_path / "out.safetensors")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (CATALOGUE["ulip2-xyz"], "2 layers.*12 layers"),
        (ENCODER, "a point-language of .*a point-encoder of"),
    ],
)
def test_file_that_is_not_what_its_name_says_is_refused(
    tmp_path: Path, entry: CatalogueEntry, expected: str
) -> None:
    save_model(tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=rf"this is not {entry.name}.*{expected}"):
        convert(tmp_path / "w.pt", tmp_path / "out.safetensors", entry)


def test_point_mae_is_not_taken_for_point_bert(tmp_path: Path) -> None:
    torch.save(point_mae(), tmp_path / "w.pth")
    bert = replace(CATALOGUE["point-bert"], shape=replace(SMALL, joint=None))
    with pytest.raises(WeightsError, match=r"not point-bert.*no class token, where"):
        convert(tmp_path / "w.pth", tmp_path / "out.safetensors", bert)
    convert(tmp_path / "w.pth", tmp_path / "out.safetensors", ENCODER)


def test_converted_files_are_not_converted(tmp_path: Path) -> None:
    save_model(tmp_path / "w.pt")
    convert(tmp_path / "w.pt", tmp_path / "out.safetensors")
    with pytest.raises(WeightsError, match="converted already"):
        convert(tmp_path / "out.safetensors", tmp_path / "again.safetensors")
    save_tower(tmp_path / "tower.bin")
    convert(tmp_path / "tower.bin", tmp_path / "tower.safetensors")
    with pytest.raises(WeightsError, match="converted already"):
        convert(tmp_path / "tower.safetensors", tmp_path / "again.safetensors")


def test_source_is_never_replaced_and_places_that_cannot_be_written_are_named(
    tmp_path: Path,
) -> None:
    save_file(official(), tmp_path / "w.safetensors")
    before = (tmp_path / "w.safetensors").read_bytes()
    with pytest.raises(WeightsError, match="give another --out"):
        convert(tmp_path / "w.safetensors", tmp_path / "w.safetensors")
    assert (tmp_path / "w.safetensors").read_bytes() == before
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match="cannot be written"):
        convert(tmp_path / "w.safetensors", tmp_path / "file" / "out.safetensors")


def test_pickle_that_runs_code_is_refused_before_it_runs(tmp_path: Path) -> None:
    torch.save({"state_dict": official(), "args": Trap(tmp_path / "sprung")}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="refused"):
        convert(tmp_path / "w.pt", tmp_path / "out.safetensors")
    assert not (tmp_path / "sprung").exists()


def pinned(entry: CatalogueEntry, source: Path) -> Path:
    """As `weights get` leaves it."""
    out = converted_path(entry)
    convert(source, out, entry)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (source, out)]
    pin = store.Pin(digests[0], source.stat().st_size, "here", str(source), digests[1])
    store.write_pin(entry, pin)
    return out


def test_names_load_the_converted_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {MODEL.name: MODEL, ENCODER.name: ENCODER}
    monkeypatch.setattr(encoders, "CATALOGUE", {**CATALOGUE, **entries})
    for name in entries:
        with pytest.raises(WeightsError, match=f"weights get {name} --accept-terms"):
            encoders.create_point_encoder(name)
    save_model(tmp_path / "w.pt")
    torch.save(point_mae(), tmp_path / "mae.pth")
    pinned(MODEL, tmp_path / "w.pt")
    pinned(ENCODER, tmp_path / "mae.pth")
    assert encoders.create_backbone("ulip2-xyz").points.config.num_groups == 16
    for name, path in (("ulip2-xyz", "w.pt"), ("point-mae", "mae.pth")):
        named, given = encoders.create_point_encoder(name), load_point_transformer(tmp_path / path)
        assert named.config == given.config
        assert torch.equal(named(fixed_cloud()).pooled, given(fixed_cloud()).pooled)


def test_name_whose_text_side_is_another_file_needs_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoders, "CATALOGUE", {**CATALOGUE, COLOURED.name: COLOURED})
    save_coloured(tmp_path / "w.pt")
    out = pinned(COLOURED, tmp_path / "w.pt")
    assert encoders.create_point_encoder(COLOURED.name).config.depth == 3
    with pytest.raises(WeightsError, match="weights get openclip-bigg14 --accept-terms"):
        encoders.create_backbone(COLOURED.name)
    tower = store.original_path(CATALOGUE["openclip-bigg14"])
    save_tower(tower)
    expected = load_point_language_model(out, text=tower).state_dict()
    monkeypatch.setattr(encoders, "CATALOGUE", {**encoders.CATALOGUE, TOWER.name: TOWER})
    pinned(TOWER, tower)
    tower.unlink()
    found = encoders.create_backbone(COLOURED.name).state_dict()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_text_tower_is_taken_out_once_and_read_from_there(tmp_path: Path) -> None:
    source, out = tmp_path / "open_clip.bin", tmp_path / "out.safetensors"
    save_tower(source)
    done = convert(source, out, TOWER)
    assert (done.kind, done.shape, done.left_out) == (
        "text-tower", TOWER.shape, "logit_scale (1), visual (1)",
    )  # fmt: skip
    before, after = read_text_tower(source), read_text_tower(out, activation="quick_gelu")
    assert before[0] == after[0]
    assert before[1].keys() == after[1].keys()
    assert all(torch.equal(tensor, after[1][name]) for name, tensor in before[1].items())
    half = read_text_tower(out, dtype=torch.bfloat16)[1]
    assert half["text.token_embedding.weight"].dtype == torch.bfloat16
    assert half["text.norm.weight"].dtype == torch.float32
    lines = verify_file(out)
    assert any(line.startswith("runs       text: 32 values") for line in lines)
    with pytest.raises(WeightsError, match="this is not openclip-bigg14"):
        convert(source, out, CATALOGUE["openclip-bigg14"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("point-mae", "no point-language model.*take builtin, ulip2-xyz, ulip2-xyzrgb, ulip1"),
        ("patchalign3d", "no point-language model"),
        ("ulip2-xyzrgb", "weights get ulip2-xyzrgb --accept-terms"),
        ("openclip-bigg14", "no point-language model"),
        ("ulip1-pointbert", "weights get ulip1-pointbert --accept-terms"),
        ("ulip1-pointbrt", 'did you mean "ulip1-pointbert"'),
    ],
)
def test_names_that_cannot_be_a_backbone_say_why(name: str, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        encoders.create_backbone(name)


def test_text_tower_is_no_point_encoder() -> None:
    with pytest.raises(WeightsError, match="it has no point encoder"):
        encoders.create_point_encoder("openclip-bigg14")


def test_verify_shows_hashes_shape_and_a_forward_pass(tmp_path: Path) -> None:
    source = tmp_path / "w.pt"
    save_model(source)
    out = pinned(MODEL, source)
    lines = verify_entry(MODEL)
    text = "\n".join(lines)
    assert hashlib.sha256(source.read_bytes()).hexdigest() in lines[0]
    assert hashlib.sha256(out.read_bytes()).hexdigest() in text
    assert "depth=2" in text
    feature = load_point_language_model(out).points(fixed_cloud()).pooled
    assert f"norm {feature.norm():.4f}" in text
    assert sum(line.startswith("runs") for line in lines) == 2


def test_verify_takes_a_published_file_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / "w.pt"
    save_model(source)
    feature = load_point_language_model(source).points(fixed_cloud()).pooled
    assert f"norm {feature.norm():.4f}" in "\n".join(verify_file(source))


def test_verify_refuses_files_that_are_not_those_on_record(tmp_path: Path) -> None:
    source = tmp_path / "w.pt"
    save_model(source)
    with pytest.raises(WeightsError, match="not on this machine yet"):
        verify_entry(MODEL)
    out = pinned(MODEL, source)
    whole = out.read_bytes()
    out.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(WeightsError, match=r"ulip2-xyz\.safetensors: damaged or replaced"):
        verify_entry(MODEL)
    out.write_bytes(whole)
    source.write_bytes(source.read_bytes() + b"x")
    with pytest.raises(WeightsError, match=r"w\.pt: damaged or replaced"):
        verify_entry(MODEL)
    source.unlink()
    assert "not here any more" in verify_entry(MODEL)[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_verify_finds_values_that_are_not_finite(tmp_path: Path, value: float) -> None:
    state = official()
    state["ln_final.bias"][3] = value
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"ln_final\.bias has values that are not finite"):
        verify_file(tmp_path / "w.safetensors")

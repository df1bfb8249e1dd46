"""`plane-anomalib weights` as a user types it, against a server on this machine."""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from plane_anomalib.backbones.encoders import create_backbone, create_point_encoder
from plane_anomalib.backbones.weights import store
from plane_anomalib.backbones.weights.catalogue import CATALOGUE
from tests.cli.conftest import TINY, Typed
from tests.parity.reference_weights import DATA, reference_state
from tests.support.official_files import Trap, official, official_points
from tests.support.trees import shapenet_tree
from tests.support.web import Page, Web

pytestmark = pytest.mark.slow

CASES = {
    "ulip2-xyz": ("ulip_pointbert_slip", "", "state_dict"),
    "point-mae": ("pointmae_m3dm", "MAE_encoder.", "base_model"),
    "point-bert": ("pointbert_m3dm", "transformer_q.", "base_model"),
}


def published(name: str, path: Path) -> tuple[bytes, dict[str, np.ndarray]]:
    """A full-size file in the published layout, and what the reference code makes of it."""
    case, prefix, key = CASES[name]
    with np.load(DATA / f"{case}.npz", allow_pickle=False) as data:
        reference = dict(data)
    state = reference_state(case, int(reference["seed"]))
    named = {f"module.{prefix}{tensor_name}": tensor for tensor_name, tensor in state.items()}
    torch.save({key: named, "epoch": 3, "args": argparse.Namespace(lr=1)}, path)
    content = path.read_bytes()
    path.unlink()
    return content, reference


@pytest.mark.parametrize("name", CASES)
def test_full_size_file_is_got_over_drops_converted_verified_and_equals_the_reference(
    typed: Typed, server: Web, tmp_path: Path, name: str
) -> None:
    content, reference = published(name, tmp_path / "made.pt")
    page = Page(content, cuts=[len(content) // 3, len(content) // 3])
    got = typed(
        "plane-anomalib", "weights", "get", name, "--accept-terms", "--repin",
        "--from", server.add("/w.pt", page),
    )  # fmt: skip
    assert got.returncode == 0, got.stderr
    assert page.starts[2] == f"bytes={2 * (len(content) // 3)}-"
    digest = hashlib.sha256(content).hexdigest()
    assert digest in got.stdout
    page.body = content = b""
    verified = typed("plane-anomalib", "weights", "verify", name)
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout.endswith("ok\n")
    assert f"sha256 {digest} as on record" in verified.stdout
    assert "depth=12" in verified.stdout
    assert_equals_reference(name, reference)
    for path in store.original_path(CATALOGUE[name]).parent.iterdir():
        path.unlink()


def assert_equals_reference(name: str, reference: dict[str, np.ndarray]) -> None:
    points = torch.from_numpy(reference["points"])
    with torch.no_grad():
        if name == "ulip2-xyz":
            model = create_backbone(name)
            found = model.embed_points(model.encode_points(points, layers=()).pooled)
            expected = reference["pc_embed"]
        else:
            dense, _ = create_point_encoder(name).dense_features(
                points,
                num_groups=int(reference["num_group"]),
                group_size=int(reference["group_size"]),
            )
            found, expected = dense[:, ::8].transpose(1, 2), reference["features"]
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-4)


def test_list_and_show_start_without_torch(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    for heavy in ("torch", "anomalib", "huggingface_hub", "rich"):
        (tmp_path / "site" / f"{heavy}.py").write_text("raise SystemExit('imported')\n")
    paths = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
    listed = typed("plane-anomalib", "weights", "list", PYTHONPATH=paths)
    assert listed.returncode == 0, listed.stderr
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["NAME", *CATALOGUE]
    shown = typed("plane-anomalib", "weights", "show", "ulip2-xyz", PYTHONPATH=paths)
    assert shown.returncode == 0, shown.stderr
    assert "sha256     unknown" in shown.stdout
    assert "12 layers, width 384, 512 groups of 32 points, joint space 512" in shown.stdout
    wrong = typed("plane-anomalib", "weights", "show", "ulip2", PYTHONPATH=paths)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("error: No published weights are called 'ulip2': did you mean")


def test_terms_come_first_and_offline_ends_with_the_way_by_hand(
    typed: Typed, weights_folder: Path
) -> None:
    refused = typed("plane-anomalib", "weights", "get", "ulip2-xyz")
    assert refused.returncode == 1
    assert "research purposes only" in refused.stdout
    assert refused.stderr.startswith("error: ulip2-xyz: nothing was fetched")
    offline = typed(
        "plane-anomalib", "weights", "get", "ulip2-xyz", "--accept-terms",
        HF_ENDPOINT="https://no-such-host.invalid", HF_HOME=str(weights_folder / "hub"),
    )  # fmt: skip
    assert offline.returncode == 1
    assert offline.stderr.count("\n") == 1
    assert "the hub cannot be reached" in offline.stderr
    assert "`plane-anomalib weights get ulip2-xyz --from FILE`" in offline.stderr
    assert not (weights_folder / "pins.json").exists()


def test_file_of_the_hub_goes_through_its_client_and_has_to_fit(
    typed: Typed, server: Web, tmp_path: Path, weights_folder: Path
) -> None:
    path = "/patchalign3d/patchalign3d-encoder/resolve/main/patchalign3d.pt"
    head = {"proj.weight": torch.rand(32, 64)}
    torch.save({"model": official_points(), "proj": head}, tmp_path / "w.pt")
    content = (tmp_path / "w.pt").read_bytes()
    server.add(path, Page(content, headers={"X-Repo-Commit": "b" * 40}))
    variables = {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "hub")}
    command = ("plane-anomalib", "weights", "get", "patchalign3d", "--accept-terms")
    got = typed(*command, **variables)
    assert got.returncode == 1
    assert "this is not patchalign3d: it holds a point-encoder of 2 layers" in got.stderr
    assert not (weights_folder / "pins.json").exists()
    kept = typed(*command, "--no-convert", **variables)
    assert kept.returncode == 0, kept.stderr
    assert hashlib.sha256(content).hexdigest() in kept.stdout
    shown = typed("plane-anomalib", "weights", "show", "patchalign3d")
    assert "not converted" in shown.stdout
    assert f"pinned     sha256 {hashlib.sha256(content).hexdigest()}" in shown.stdout


def test_convert_and_verify_work_on_files_by_themselves(typed: Typed, tmp_path: Path) -> None:
    torch.save({"state_dict": official()}, tmp_path / "own.pt")
    done = typed("plane-anomalib", "weights", "convert", "own.pt")
    assert done.returncode == 0, done.stderr
    assert "point-language: 2 layers, width 64" in done.stdout
    verified = typed("plane-anomalib", "weights", "verify", "own.safetensors")
    assert verified.returncode == 0, verified.stderr
    (tmp_path / "own.safetensors").write_bytes((tmp_path / "own.safetensors").read_bytes()[:-9])
    damaged = typed("plane-anomalib", "weights", "verify", "own.safetensors")
    assert damaged.returncode == 1
    assert damaged.stderr.startswith("error: own.safetensors: this is not a complete safetensors")


def test_converted_file_trains_and_tests_a_plane(typed: Typed, tmp_path: Path) -> None:
    """`docs/weights_transcript.py` shows the same at full size."""
    torch.save({"state_dict": official(depth=12)}, tmp_path / "own.pt")
    assert typed("plane-anomalib", "weights", "convert", "own.pt").returncode == 0
    shapenet_tree(tmp_path / "tree", np.random.default_rng(0), ("cup1",), count=600)
    arguments = (
        "--model", "Plane", "--model.backbone", "own.safetensors", *TINY,
        "--model.backbone_precision", "bf16", "--data", "AnomalyShapeNet", "--data.root", "tree",
    )  # fmt: skip
    trained = typed("anomalib", "train", *arguments, "--model.max_steps", "3")
    assert trained.returncode == 0, trained.stderr
    assert "UNTRAINED" not in trained.stdout + trained.stderr
    (checkpoint,) = tmp_path.rglob("model.ckpt")
    tested = typed("anomalib", "test", *arguments, "--ckpt_path", checkpoint)
    assert tested.returncode == 0, tested.stderr
    rows = [line for line in tested.stdout.splitlines() if line.startswith("| cup1 ")]
    assert rows == [line for line in trained.stdout.splitlines() if line.startswith("| cup1 ")]
    assert len(rows) == 1


@pytest.mark.parametrize("place", ["args", "tensor"])
def test_pickle_that_runs_code_is_refused_and_nothing_ran(
    typed: Typed, tmp_path: Path, place: str
) -> None:
    sprung = tmp_path / "sprung"
    state: dict[str, object] = dict(official())
    content: dict[str, object] = {"state_dict": state}
    (content if place == "args" else state)["trap"] = Trap(sprung)
    torch.save(content, tmp_path / "w.pt")
    for command in (
        ("convert", "w.pt"),
        ("verify", "w.pt"),
        ("get", "ulip2-xyz", "--from", "w.pt"),
    ):
        refused = typed("plane-anomalib", "weights", *command)
        assert refused.returncode == 1
        assert "reading it could run code: it wants to use posix.mkdir;" in refused.stderr
        assert refused.stderr.count("\n") == 1
    assert not sprung.exists()
    assert not (tmp_path / "w.safetensors").exists()
    # The trap works: whoever unpickles carelessly steps into it.
    torch.load(tmp_path / "w.pt", weights_only=False)
    assert sprung.is_dir()

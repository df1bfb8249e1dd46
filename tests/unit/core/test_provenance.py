"""Hashes change when, and only when, what they stand for changes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from plane_anomalib.core import provenance
from plane_anomalib.core.results import Component


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = np.random.default_rng()
    for name, size in (("a/one.pcd", 100), ("a/two.pcd", 900_000), ("gt/one.txt", 10)):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(generator.bytes(size))
    return tmp_path / "data"


def hash_of(folder: Path) -> str | None:
    return provenance.data_hash([p for p in folder.rglob("*") if p.is_file()], folder)


def test_data_hash_ignores_place_order_and_times(folder: Path) -> None:
    before = hash_of(folder)
    moved = folder.rename(folder.parent / "elsewhere")
    os.utime(moved / "a" / "one.pcd", (1, 1))
    files = sorted((p for p in moved.rglob("*") if p.is_file()), reverse=True)
    assert provenance.data_hash([*files, files[0]], moved) == before


@pytest.mark.parametrize("change", ["rename", "head", "middle", "tail", "truncate", "small"])
def test_data_hash_notices_a_change(folder: Path, change: str) -> None:
    before = hash_of(folder)
    large, small = folder / "a" / "two.pcd", folder / "gt" / "one.txt"
    content = bytearray(large.read_bytes())
    if change == "rename":
        large.rename(folder / "a" / "three.pcd")
    elif change == "small":
        small.write_bytes(bytes([small.read_bytes()[0] ^ 1]) + small.read_bytes()[1:])
    elif change == "truncate":
        large.write_bytes(content[:-1])
    else:
        position = {"head": 0, "middle": len(content) // 2, "tail": -1}[change]
        content[position] ^= 1
        large.write_bytes(content)
    assert hash_of(folder) != before


def test_data_hash_without_readable_files_is_absent(folder: Path) -> None:
    assert provenance.data_hash([], folder) is None
    assert provenance.data_hash([folder / "missing.pcd"], folder) is None


def test_weights_hash_depends_on_names_types_and_values_only() -> None:
    state = {
        "b": torch.randn(3, 4),
        "a": torch.zeros(2, dtype=torch.bfloat16),
        "empty": torch.empty(0),
        "scalar": torch.tensor(3),
        "extra": {"note": 1},
    }
    before = provenance.weights_hash(state)
    copy = {name: state[name] for name in sorted(state)}
    copy["b"] = state["b"].t().contiguous().t()
    assert provenance.weights_hash(copy) == before
    for name, value in (
        ("b", state["b"] + 1e-6),
        ("b", state["b"].reshape(4, 3)),
        ("a", torch.zeros(2, dtype=torch.float16)),
        ("extra", {"note": 2}),
    ):
        assert provenance.weights_hash({**state, name: value}) != before


def test_arrays_have_the_hash_of_their_tensors() -> None:
    arrays = {
        "b": np.arange(12, dtype=np.float32).reshape(3, 4),
        "flags": np.array([True, False]),
        "scalar": np.array(3.5),
        "empty": np.zeros((0, 3), np.int64),
        "extra": {"note": 1},
    }
    tensors = {
        name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for name, value in arrays.items()
    }
    assert provenance.weights_hash(arrays) == provenance.weights_hash(tensors)


def test_config_hash_ignores_the_place_of_the_data_only() -> None:
    model = Component("Plane", {"steps": 5})
    here, there = Component("D", {"root": "x", "k": 1}), Component("D", {"root": "y", "k": 1})
    before = provenance.config_hash(model, here, 1)
    assert provenance.config_hash(model, there, 1) == before
    assert provenance.config_hash(model, Component("D", {"root": "x", "k": 2}), 1) != before
    assert provenance.config_hash(Component("Plane", {"steps": 6}), here, 1) != before
    assert provenance.config_hash(model, here, 2) != before


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_git_commit_of_the_packages_own_checkout_only(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    assert provenance.git_commit(package) == "unknown"
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "other project")
    assert provenance.git_commit(package) == "unknown"
    git(tmp_path, "add", "package/__init__.py")
    git(tmp_path, "commit", "-q", "-m", "ours")
    assert provenance.git_commit(package) == git(tmp_path, "rev-parse", "HEAD")
    (package / "__init__.py").write_text("edited")
    assert provenance.git_commit(package).endswith("+dirty")


def test_machine_and_software_are_described() -> None:
    machine = provenance.hardware("cpu")
    assert machine.cores >= 1
    assert machine.ram_bytes > 1 << 28
    assert machine.gpu is None
    assert machine.cpu
    assert provenance.software_versions().torch == torch.__version__
    assert provenance.peak_memory_bytes() > 1 << 24


def test_paths_are_relative_or_bare_names(tmp_path: Path) -> None:
    inside = tmp_path / "root" / "a" / "x.pcd"
    assert provenance.relative_path(inside, tmp_path / "root") == "a/x.pcd"
    assert provenance.relative_path(tmp_path / "y.pcd", tmp_path / "root") == "y.pcd"

"""A new package is written whole, under names that are free."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.plugins.scaffold import class_name, write_package


@pytest.mark.parametrize(
    ("typed", "cls", "package"),
    [
        ("ScratchFinder", "ScratchFinder", "scratch_finder"),
        ("scratch_finder", "ScratchFinder", "scratch_finder"),
        ("XYZNet2", "XYZNet2", "xyz_net2"),
    ],
)
def test_every_name_in_the_package_is_the_new_one(
    typed: str, cls: str, package: str, tmp_path: Path
) -> None:
    folder = write_package(typed, tmp_path / "new" / "place")
    assert folder == tmp_path / "new" / "place" / package
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "README.md",
        "pyproject.toml",
        f"{package}/__init__.py",
        f"{package}/config.py",
        f"{package}/lightning_model.py",
        f"{package}/torch_model.py",
        f"tests/test_{package}.py",
    }
    for name in files:
        text = (folder / name).read_text()
        assert not any(word in text for word in ("ModelName", "model_name", "model-name"))
        if name.endswith(".py"):
            ast.parse(text)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == package.replace("_", "-")
    entry = project["entry-points"]["plane_anomalib.models"]
    assert entry == {cls: f"{package}.lightning_model:{cls}"}
    assert project["entry-points"]["plane_anomalib.methods"] == {
        cls: f"{package}.config:{cls}Config"
    }
    assert [path.name for path in folder.parent.iterdir()] == [package]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("my-detector", "use letters, digits and _, for instance MyDetector."),
        ("3d", "cannot be a class's name"),
        ("", "for instance MyDetector."),
        ("class", "for instance MyDetector."),
        ("Ünit", "cannot be a class's name"),
        ("_Hidden", "for instance Hidden."),
        ("../up", "cannot be a class's name"),
        ("Plane", "plane-anomalib has a model called Plane already"),
        ("plane", "plane-anomalib has a model called Plane already"),
        ("PatchCore", "anomalib has a model called Patchcore already"),
        ("Numpy", "a package called numpy, and that name is taken"),
        ("Json", "a package called json, and that name is taken"),
        ("Class", "a package called class, and that name is taken"),
        ("ValueError", "that name is taken"),
    ],
)
def test_a_name_that_cannot_be_or_is_taken_is_refused(
    typed: str, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        write_package(typed, tmp_path)
    with pytest.raises(ConfigurationError):
        class_name(typed)
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "scratch_finder").mkdir()
    with pytest.raises(ConfigurationError, match="scratch_finder exists already and is left alone"):
        write_package("ScratchFinder", tmp_path)
    assert not list((tmp_path / "scratch_finder").iterdir())


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"cannot be written .*choose another --out"):
        write_package("ScratchFinder", tmp_path / "file")

"""What `make dist` makes works where there is nothing of this repository."""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from plane_anomalib.formats.writer import write_points
from tests.support.documents import ROOT
from tests.support.trees import dent, surface

TREE = (
    "plane_anomalib",
    "plane_anomalib_autoload.py",
    "configs",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)
pytestmark = pytest.mark.slow


def run(words: list[str | Path], folder: Path) -> str:
    """Run a program outside the repository and return what it printed."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        words, cwd=folder, env=kept, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive, made from a copy of the tree."""
    folder = tmp_path_factory.mktemp("built")
    tree = folder / "tree"
    tree.mkdir()
    for name in TREE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, symlinks=True)
        else:
            shutil.copy(ROOT / name, tree / name)
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, "tree"], folder)
    return folder


@pytest.fixture(scope="module")
def empty(built: Path) -> Path:
    """The programs of an environment that has the wheel, and what it needs from this one."""
    run([sys.executable, "-m", "venv", "--without-pip", built / "empty"], built)
    python = built / "empty/bin/python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    run([*pip, "--no-index", "--no-deps", *built.glob("*.whl")], built)
    (packages,) = built.glob("empty/lib/python*/site-packages")
    # Of a folder that a .pth names no further .pth is read: not the one of an editable install.
    here = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "needs.pth").write_text("\n".join(sorted(here)) + "\n")
    return python.parent


def test_wheel_and_archive_hold_every_file_of_the_package(built: Path) -> None:
    (wheel,), (archive,) = built.glob("*.whl"), built.glob("*.tar.gz")
    tree = built / "tree"
    files = {
        path.relative_to(tree).as_posix()
        for path in map(Path, glob.glob(f"{tree}/plane_anomalib/**/*", recursive=True))
        if path.is_file() and path.suffix not in {".md", ".pyc"}
    }
    assert files - set(zipfile.ZipFile(wheel).namelist()) == set()
    with tarfile.open(archive) as opened:
        assert files - {name.partition("/")[2] for name in opened.getnames()} == set()


def test_the_wheel_alone_judges_a_cloud(empty: Path, tmp_path: Path) -> None:
    where = run([empty / "python", "-c", "import plane_anomalib as p; print(p.__file__)"], tmp_path)
    assert Path(where.strip()).is_relative_to(empty.parent)
    for number in range(3):
        scan = surface(np.random.default_rng(number), 1_500)
        write_points(tmp_path / "good" / f"{number}.ply", scan)
    damaged, _ = dent(surface(np.random.default_rng(7), 1_500), np.random.default_rng(8))
    write_points(tmp_path / "one.ply", damaged)
    run([empty / "plane-anomalib", "train", "good", "--out", "part"], tmp_path)
    printed = run([empty / "plane-anomalib", "predict", "part", "one.ply", "--out", "a"], tmp_path)
    assert "one" in printed
    found = json.loads((tmp_path / "a/summary.json").read_text(encoding="utf-8"))
    assert "one.ply" in json.dumps(found)
    assert "anomal" in printed

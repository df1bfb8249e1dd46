"""A model of somebody's own, from the first command to its metrics, as a user types it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from plane_anomalib.plugins.contract.suite import CHECKS
from tests.cli.conftest import Typed

pytestmark = pytest.mark.slow

SMALL = (
    "--data.category", "vase0", "--data.num_points", "1000", "--data.num_good", "1",
    "--data.val_variants", "1",
)  # fmt: skip


def install_broken(site: Path) -> None:
    """The metadata of a package whose module is gone."""
    metadata = site / "broken_pack-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-pack\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[plane_anomalib.models]\nGone = broken_pack.models:Gone\n"
    )


def no_anomalib(folder: Path) -> Path:
    """A folder that hides anomalib from a program."""
    hidden = folder / "hidden"
    hidden.mkdir()
    (hidden / "anomalib.py").write_text("raise SystemExit('imported')\n")
    return hidden


def test_a_new_package_is_written_installed_listed_checked_and_trained(
    typed: Typed, tmp_path: Path, scans: Path
) -> None:
    written = typed("plane-anomalib", "new-model", "ScratchFinder", "--out", "mine")
    assert written.returncode == 0, written.stderr
    folder = tmp_path / "mine" / "scratch_finder"

    again = typed("plane-anomalib", "new-model", "ScratchFinder", "--out", "mine")
    assert again.returncode == 1
    assert again.stderr.startswith("error: mine/scratch_finder exists already")

    site = tmp_path / "site"
    install_broken(site)
    installed = typed(
        Path(sys.executable).name, "-m", "pip", "install", "--quiet", "--no-deps",
        "--no-build-isolation", "--no-index", "--disable-pip-version-check",
        "--target", site, folder,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stderr
    paths = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])

    listed = typed("plane-anomalib", "models", PYTHONPATH=paths)
    assert listed.returncode == 0, listed.stderr
    rows = {line.split()[0]: line for line in listed.stdout.splitlines()}
    assert "plane-anomalib" in rows["Plane"]
    assert "scratch-finder" in rows["ScratchFinder"]
    assert rows["ScratchFinder"].endswith("to the normal clouds of its category.")
    assert "BROKEN: broken_pack.models:Gone cannot be loaded: there is no mod" in rows["Gone"]

    checked = typed("plane-anomalib", "check", "ScratchFinder", PYTHONPATH=paths)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(CHECKS)} of {len(CHECKS)} checks passed" in checked.stdout
    assert "Gone of broken-pack cannot be loaded" in checked.stderr

    without = os.pathsep.join([str(no_anomalib(tmp_path)), paths])
    good, bad = scans / "train", scans / "test" / "bulge"
    fitted = typed(
        "plane-anomalib", "train", good, "--out", "run", "--model", "ScratchFinder",
        "--set", "num_points=500", "--anyway", PYTHONPATH=without,
    )  # fmt: skip
    assert fitted.returncode == 0, fitted.stderr
    judged = typed("plane-anomalib", "predict", "run", bad, "--out", "found", PYTHONPATH=without)
    assert judged.returncode in (0, 1), judged.stderr
    assert (tmp_path / "found" / "summary.json").is_file()

    trained = typed(
        "anomalib", "train", "--model", "ScratchFinder", "--model.num_points", "800",
        "--model.visualizer", "false", "--data", "ProceduralShapes", *SMALL, PYTHONPATH=paths,
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert "object_AUROC" in trained.stdout
    runs = tmp_path / "results" / "ScratchFinder" / "ProceduralShapes" / "vase0"
    assert (runs / "v0" / "metrics.json").is_file()


def test_listing_starts_without_torch(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    for heavy in ("torch", "anomalib"):
        (tmp_path / "site" / f"{heavy}.py").write_text("raise SystemExit('imported')\n")
    paths = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
    listed = typed("plane-anomalib", "models", PYTHONPATH=paths)
    assert listed.returncode == 0, listed.stderr
    assert "PLANE: one model for all categories" in listed.stdout
    wrong = typed("plane-anomalib", "check", "Plan", PYTHONPATH=paths)
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: No model is called 'Plan': did you mean Plane?")
    assert "pip install -e" in wrong.stderr

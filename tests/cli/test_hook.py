"""The hook in a real environment: other packages' models, broken packages, worker processes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Typed

pytestmark = pytest.mark.slow

THIRD_PARTY = """
from plane_anomalib.models.plane import Plane
class OtherModel(Plane):
    '''A model of another package.'''
"""

WORKERS = """
import pickle
import sys
from multiprocessing import get_context
from torch.utils.data import DataLoader
import plane_anomalib
from anomalib.data import get_datamodule
from anomalib.models import get_model, list_models

def main():
    assert {"plane", "padim"} <= list_models(), list_models()
    model = get_model("plane", num_points=256, max_steps=1)
    assert get_model({"class_path": "Plane"}).__class__ is type(model) is plane_anomalib.Plane
    data = get_datamodule(
        {"class_path": "PointCloudFolder", "init_args": {"root": sys.argv[1]}}
    )
    data.setup()
    loader = DataLoader(
        data.test_data,
        num_workers=1,
        multiprocessing_context=get_context("spawn"),
        collate_fn=data.test_data.collate_fn,
    )
    assert sum(batch.batch_size for batch in loader) == 4
    again = pickle.loads(pickle.dumps(model))
    assert sum(p.numel() for p in again.parameters()) == sum(p.numel() for p in model.parameters())
    print("done")

if __name__ == "__main__":
    main()
"""


def test_another_packages_model_is_known_and_a_broken_one_only_reported(
    typed: Typed, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    metadata = site / "third_party-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "third_party.py").write_text(THIRD_PARTY)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[plane_anomalib.models]\nOtherModel = third_party:OtherModel\nBroken = no_such:Broken\n"
    )
    done = typed(
        "anomalib", "train", "--model", "OtherModel", "--data", "ProceduralShapes",
        "--print_config", PYTHONPATH=str(site),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "class_path: third_party.OtherModel" in done.stdout
    assert "class_path: plane_anomalib.ProceduralShapes" in done.stdout
    assert "Broken of third-party cannot be loaded from no_such:Broken" in done.stderr


def test_a_broken_package_leaves_torch_and_stock_anomalib_alone(
    typed: Typed, tmp_path: Path
) -> None:
    (tmp_path / "plane_anomalib").mkdir()
    (tmp_path / "plane_anomalib" / "__init__.py").write_text("def broken(:\n")
    done = typed(
        "anomalib", "train", "--model", "Padim", "--print_config", PYTHONPATH=str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    assert "class_path: anomalib.models.Padim" in done.stdout
    assert "plane-anomalib could not be loaded" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_variable_leaves_stock_anomalib(typed: Typed) -> None:
    done = typed(
        "anomalib", "train", "--model", "Plane", "--print_config", PLANE_ANOMALIB_AUTOLOAD="0"
    )
    assert done.returncode == 2
    assert "Expected a dot import path string: Plane" in done.stderr


def test_python_api_pickling_and_spawned_workers(typed: Typed, scans: Path, tmp_path: Path) -> None:
    (tmp_path / "workers.py").write_text(WORKERS)
    done = typed(Path(sys.executable).name, "workers.py", scans)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("done\n")

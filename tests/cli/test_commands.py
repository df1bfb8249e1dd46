"""train, test, predict and benchmark, by bare name, dotted path, file, and our own script."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from tests.cli.conftest import TINY, Typed

pytestmark = pytest.mark.slow


def test_train_by_bare_name_then_test_by_dotted_path_then_predict_on_a_folder(
    typed: Typed, scans: Path, tmp_path: Path
) -> None:
    trained = typed(
        "anomalib", "train", "--model", "Plane", "--data", "PointCloudFolder",
        "--data.root", scans, "--model.max_steps", "2", *TINY, "--seed_everything", "5",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    run = tmp_path / "results/Plane/scans/all/v0"
    assert "object_AUROC" in trained.stdout
    assert (run / "metrics.json").is_file()
    checkpoint = run / "weights/lightning/model.ckpt"
    saved = torch.load(checkpoint, weights_only=True)["hyper_parameters"]
    assert (saved["seed"], saved["max_steps"]) == (5, 2)
    written = yaml.safe_load((run / "config.yaml").read_text())
    assert written["data"]["init_args"]["seed"] == 5

    # Without the hook: a dotted path is all that stock anomalib needs.
    tested = typed(
        "anomalib", "test", "--model", "plane_anomalib.models.plane.Plane",
        "--data", "plane_anomalib.data.folder.PointCloudFolder", "--data.root", scans, *TINY,
        "--ckpt_path", checkpoint, PLANE_ANOMALIB_AUTOLOAD="0",
    )  # fmt: skip
    assert tested.returncode == 0, tested.stderr
    assert "point_AUROC" in tested.stdout

    settings = {"num_points": 256, "num_views": 1, "visualizer": False}
    (tmp_path / "plane.yaml").write_text(
        yaml.safe_dump({"class_path": "Plane", "init_args": settings})
    )
    predicted = typed(
        "plane-anomalib", "predict", "--model", "plane.yaml", "--data", scans / "test",
        "--ckpt_path", checkpoint,
    )  # fmt: skip
    assert predicted.returncode == 0, predicted.stderr
    assert "4/4" in predicted.stdout


def test_train_from_a_config_file_on_the_built_in_shapes(typed: Typed, tmp_path: Path) -> None:
    shapes = {"category": ["vase0"], "num_points": 1000, "num_good": 1}
    config = {
        "model": {
            "class_path": "Plane",
            "init_args": {"num_points": 256, "num_views": 1, "max_steps": 1, "visualizer": False},
        },
        "data": {"class_path": "ProceduralShapes", "init_args": shapes},
        "default_root_dir": "runs",
    }
    (tmp_path / "all.yaml").write_text(yaml.safe_dump(config))
    done = typed("anomalib", "train", "--config", "all.yaml")
    assert done.returncode == 0, done.stderr
    assert "No --data given" not in done.stderr
    assert (tmp_path / "runs/Plane/ProceduralShapes/vase0/v0/metrics.json").is_file()


def test_stock_benchmark_can_name_plane(typed: Typed, scans: Path, tmp_path: Path) -> None:
    config = {
        "accelerator": ["cpu"],
        "benchmark": {
            "seed": 1,
            "model": {
                "class_path": "Plane",
                "init_args": {
                    "num_points": 256,
                    "num_views": 1,
                    "max_steps": 1,
                    "visualizer": False,
                },
            },
            "data": {"class_path": "PointCloudFolder", "init_args": {"root": str(scans)}},
        },
    }
    (tmp_path / "benchmark.yaml").write_text(yaml.safe_dump(config))
    done = typed("anomalib", "benchmark", "--config", "benchmark.yaml")
    assert done.returncode == 0, done.stderr
    (table,) = tmp_path.glob("runs/benchmark/*/results.csv")
    assert "object_AUROC" in table.read_text()

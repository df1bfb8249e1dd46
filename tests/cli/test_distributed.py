"""Two processes train and test together, and measure what one would."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import torch

from plane_anomalib.core.results import read_metrics_json
from tests.cli.conftest import Typed
from tests.support.ranks import FOLDER_VARIABLE
from tests.support.small_plane import save_small_backbone

pytestmark = pytest.mark.slow

TWO = (
    "--trainer.devices", "2", "--trainer.strategy", "ddp", "--trainer.accelerator", "cpu",
)  # fmt: skip
REPOSITORY = str(Path(__file__).parents[2])


def small(backbone: Path) -> tuple[str, ...]:
    settings = {
        "model.backbone": backbone,
        "model.layers": "[1,3]",
        "model.num_points": 128,
        "model.num_groups": 16,
        "model.num_views": 1,
        "model.max_steps": 4,
        "model.visualizer": "false",
        "data.category": "[wrench0,vase0,beam0]",
        "data.num_points": 1000,
        "data.num_good": 2,
        "data.train_batch_size": 1,
        "data.val_variants": 1,
    }
    return tuple(word for name, value in settings.items() for word in (f"--{name}", str(value)))


def test_two_processes_train_with_anomalies_of_their_own_and_measure_what_one_does(
    typed: Typed, tmp_path: Path
) -> None:
    settings = small(save_small_backbone(tmp_path / "small.safetensors"))
    notes = {FOLDER_VARIABLE: str(tmp_path), "PYTHONPATH": REPOSITORY}
    common = ("--model", "Plane", "--data", "ProceduralShapes", *settings)
    trained = typed(
        "anomalib", "train", *common, *TWO, "--trainer.callbacks", "tests.support.ranks.Ranks",
        **notes,
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr

    first, second = (json.loads((tmp_path / f"rank{r}.json").read_text()) for r in range(2))
    views = [*first["views"], *second["views"]]
    assert len(set(views)) == len(views) == 8
    # One category a step and process: the others' prompts wait for nobody.
    assert first["categories"] != second["categories"]
    assert first["weights"] == second["weights"]
    assert first["thresholds"] == second["thresholds"]
    # 27 clouds do not divide: the sampler gave one of them to both.
    scored = Counter([*first["scored"], *second["scored"]])
    assert (len(scored), scored.total()) == (27, 28)
    # One run directory, and only the first process writes there.
    runs = tmp_path / "results/Plane/ProceduralShapes/wrench0+vase0+beam0"
    assert {path.name for path in runs.iterdir()} == {"v0", "latest"}
    assert (runs / "latest").resolve() == (runs / "v0").resolve()
    checkpoint = runs / "v0/weights/lightning/model.ckpt"
    saved = torch.load(checkpoint, weights_only=True)["state_dict"]
    assert float(saved["post_processor._image_threshold"]) == first["thresholds"][0]

    tested = typed(
        "anomalib", "test", *common, "--trainer.accelerator", "cpu", "--default_root_dir", "alone",
        "--ckpt_path", checkpoint, PYTHONPATH=REPOSITORY,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stderr
    together = read_metrics_json(runs / "v0")
    alone = read_metrics_json(next((tmp_path / "alone").rglob("metrics.json")).parent)
    assert together.metrics.mean == pytest.approx(alone.metrics.mean, abs=1e-6)
    for category, values in alone.metrics.per_category.items():
        assert together.metrics.per_category[category] == pytest.approx(values, abs=1e-6)
    assert [o.path for o in together.objects] == [o.path for o in alone.objects]
    assert [o.score for o in together.objects] == pytest.approx(
        [o.score for o in alone.objects], abs=1e-6
    )
    assert together.data_hash == alone.data_hash

"""The evaluator inside a real trainer: what is logged, what is written, from raw scores."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from anomalib.metrics import Evaluator
from anomalib.models import AnomalibModule
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from sklearn.metrics import roc_auc_score
from torch.utils.data import DataLoader

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.results import METRIC_NAMES, read_metrics_json
from plane_anomalib.data.point_cloud import PointCloudBatch, PointCloudItem
from plane_anomalib.metrics.collection import ScoreCollection
from plane_anomalib.models.lightning.evaluator import PointCloudEvaluator, collect_batch


def make_item(generator: np.random.Generator, folder: Path, i: int) -> PointCloudItem:
    size = int(generator.integers(50, 90))
    label = i % 2 == 1
    path = folder / f"c{i % 3}" / f"cloud{i}.bin"
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(generator.bytes(20))
    return PointCloudItem(
        points=torch.from_numpy(generator.normal(size=(size, 3)).astype(np.float32)),
        gt_mask=torch.from_numpy((np.arange(size) < 9) & label),
        gt_label=torch.tensor(label),
        category=f"c{i % 3}",
        path=str(path),
    )


class FakeModel(LightningModule):
    """Scores that lie far outside [0, 1], written into the batch as anomalib's steps do."""

    def __init__(self, evaluator: PointCloudEvaluator, seed: int = 3) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["evaluator"])
        self.evaluator = evaluator
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.generator = torch.Generator().manual_seed(seed)

    def configure_callbacks(self) -> list[Any]:
        return [self.evaluator]

    def training_step(self, batch: PointCloudBatch, batch_idx: int) -> torch.Tensor:
        return self.weight.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def test_step(self, batch: PointCloudBatch, batch_idx: int) -> PointCloudBatch:
        noise = torch.randn(len(batch.points), generator=self.generator)
        batch.anomaly_map = 1e4 + 100 * (noise + batch.gt_mask)
        noise = torch.randn(batch.batch_size, generator=self.generator)
        batch.pred_score = -50 + 9 * (noise + batch.gt_label)
        return batch

    validation_step = test_step


class FakeData(LightningDataModule):
    def __init__(self, items: list[PointCloudItem], root: Path) -> None:
        super().__init__()
        self.items = items
        self.root = root

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.items, batch_size=4, collate_fn=PointCloudBatch.collate)

    val_dataloader = train_dataloader = test_dataloader


@pytest.fixture
def data(tmp_path: Path) -> FakeData:
    generator = np.random.default_rng()
    return FakeData(
        [make_item(generator, tmp_path / "data", i) for i in range(24)], tmp_path / "data"
    )


def make_trainer(run_dir: Path, **kwargs: Any) -> Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    return Trainer(accelerator="cpu", default_root_dir=run_dir, max_epochs=1, **quiet | kwargs)


def test_a_test_run_logs_writes_and_prints(
    data: FakeData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = FakeModel(PointCloudEvaluator())
    logged = make_trainer(tmp_path / "run").test(model, datamodule=data, verbose=False)[0]
    result = read_metrics_json(tmp_path / "run")
    assert set(logged) == set(METRIC_NAMES)
    assert logged == pytest.approx(result.metrics.mean, rel=1e-6)
    per_category = []
    for name in ("c0", "c1", "c2"):
        objects = [o for o in result.objects if o.category == name]
        per_category.append(roc_auc_score([o.label for o in objects], [o.score for o in objects]))
        assert result.metrics.per_category[name]["object_AUROC"] == pytest.approx(per_category[-1])
    assert result.metrics.mean["object_AUROC"] == pytest.approx(np.mean(per_category))
    assert min(o.score for o in result.objects) < -30
    assert result.objects[0].path == "c0/cloud0.bin"
    assert (result.model.name, result.model.arguments, result.seed) == ("FakeModel", {"seed": 3}, 3)
    assert result.data.name == "FakeData"
    assert sum(c.test_bad for c in result.data_counts.values()) == 12
    assert result.data_hash is not None
    assert result.timing.seconds_per_cloud is not None
    assert "| mean of 3" in capsys.readouterr().out


def test_a_cloud_without_point_truth_hides_nobody_elses_in_its_batch(data: FakeData) -> None:
    data.items[1].gt_mask = None
    batch = PointCloudBatch.collate(data.items[:4])
    batch.anomaly_map = torch.arange(len(batch.points)).float()
    collection = ScoreCollection(None)
    collect_batch(collection, batch)
    truth = [cloud.point_truth for cloud in collection.clouds]
    assert truth == [True, False, True, True]


def test_the_commit_is_the_one_that_ran_not_the_one_at_the_end(
    data: FakeData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator = PointCloudEvaluator()
    commits = iter(["at the start", "at the end"])
    monkeypatch.setattr("plane_anomalib.core.provenance.git_commit", lambda: next(commits))
    make_trainer(tmp_path / "run").test(FakeModel(evaluator), datamodule=data, verbose=False)
    assert read_metrics_json(tmp_path / "run").versions.git_commit == "at the start"


def test_scores_kept_in_a_file_give_the_same_metrics(data: FakeData, tmp_path: Path) -> None:
    results = []
    for memory_bytes in (0, 2**29):
        model = FakeModel(PointCloudEvaluator(memory_bytes=memory_bytes))
        make_trainer(tmp_path / str(memory_bytes)).test(model, datamodule=data, verbose=False)
        results.append(read_metrics_json(tmp_path / str(memory_bytes)))
        pickle.dumps(model.evaluator)
    assert results[0].metrics == results[1].metrics
    assert results[0].config_hash == results[1].config_hash
    assert results[0].weights_hash == results[1].weights_hash


def test_validation_logs_with_a_prefix_and_writes_nothing(data: FakeData, tmp_path: Path) -> None:
    model = FakeModel(PointCloudEvaluator())
    trainer = make_trainer(tmp_path / "run")
    trainer.fit(model, datamodule=data)
    logged = {name for name in trainer.callback_metrics if name.startswith("val_")}
    assert logged == {f"val_{name}" for name in METRIC_NAMES if name != "point_AUPRO"}
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_writing_can_be_turned_off(data: FakeData, tmp_path: Path) -> None:
    model = FakeModel(PointCloudEvaluator(write_results=False))
    make_trainer(tmp_path / "run").test(model, datamodule=data, verbose=False)
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert model.evaluator.result is not None


def test_absent_metrics_are_null_and_not_logged(data: FakeData, tmp_path: Path) -> None:
    data.items = [item for item in data.items if not item.gt_label]
    model = FakeModel(PointCloudEvaluator())
    logged = make_trainer(tmp_path / "run").test(model, datamodule=data, verbose=False)[0]
    assert logged == {}
    written = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert set(written["metrics"]["mean"].values()) == {None}
    assert len(written["metrics"]["notes"]) == 6


def test_anomalib_accepts_it_as_its_evaluator() -> None:
    evaluator = PointCloudEvaluator()
    assert AnomalibModule._resolve_component(evaluator, Evaluator, lambda: None) is evaluator


def test_a_step_that_does_not_fill_the_batch_is_named(data: FakeData) -> None:
    batch = PointCloudBatch.collate(data.items[:2])
    with pytest.raises(ConfigurationError, match="in place"):
        collect_batch(SimpleNamespace(), batch)


@pytest.mark.parametrize("arguments", [{"radius_factor": 0}, {"pro_limit": 0}, {"pro_limit": 1.5}])
def test_impossible_settings_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(arguments))):
        PointCloudEvaluator(**arguments)

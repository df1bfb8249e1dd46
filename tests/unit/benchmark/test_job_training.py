"""What is taken of a test while it runs: the cost of a cloud, the best and the worst maps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from plane_anomalib.benchmark import training
from plane_anomalib.benchmark.training import CloudWatcher, CostWatcher
from plane_anomalib.data.point_cloud import PointCloudBatch, PointCloudItem


class Model(nn.Module):
    """Counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1, bias=False)
        self.calls = 0

    def score_batch(self, batch: Any) -> torch.Tensor:
        self.calls += 1
        return self.layer(batch.points)


def batch(*precise: bool, count: int = 50, category: str = "bowl0") -> PointCloudBatch:
    """Defective clouds whose map is right, or wrong throughout."""
    items = []
    for index, right in enumerate(precise):
        mask = torch.arange(count) < 5
        items.append(
            PointCloudItem(
                points=torch.rand(count, 3), gt_mask=mask, gt_label=torch.tensor(True),
                category=category, path=f"/data/{category}/test/{index}_{right}.pcd",
            )
        )  # fmt: skip
    packed = PointCloudBatch.collate(items)
    right = torch.tensor(precise).repeat_interleave(count)
    packed.update(anomaly_map=torch.where(right, packed.gt_mask.float(), -packed.gt_mask.float()))
    return packed


@pytest.mark.parametrize(("quick", "batches", "calls"), [(9, 3, 4), (0, 3, 3), (0, 1, 2)])
def test_the_cost_of_a_cloud_is_counted_once_and_the_model_is_as_before(
    monkeypatch: pytest.MonkeyPatch, quick: float, batches: int, calls: int
) -> None:
    monkeypatch.setattr(training, "_QUICK_SECONDS", quick)
    model, watcher = Model(), CostWatcher()
    given: Any = model
    watcher.on_test_start(given, given)
    found = [model.score_batch(batch(True, True)) for _ in range(batches)]
    watcher.on_test_epoch_end(given, given)
    assert all(scores.shape == (100, 1) for scores in found)
    assert model.calls == calls
    assert watcher.cost is not None
    assert (watcher.cost.products, watcher.cost.parameters) == (2 * 50 * 3, 3)
    model.score_batch(batch(True))
    assert "score_batch" not in vars(model)


def test_the_best_and_the_worst_defective_cloud_of_a_category_are_kept(tmp_path: Path) -> None:
    watcher = CloudWatcher()
    trainer: Any = SimpleNamespace(datamodule=SimpleNamespace(root=Path("/data")))
    good = PointCloudItem(
        points=torch.rand(9, 3), gt_mask=torch.zeros(9, dtype=torch.bool), category="bowl0",
        gt_label=torch.tensor(False), path="/data/bowl0/test/good.pcd",
    )  # fmt: skip
    fine = PointCloudBatch.collate([good])
    fine.update(anomaly_map=torch.zeros(9))
    for each in (fine, batch(False, True), batch(True, count=training.MOST_POINTS + 7)):
        watcher.on_test_batch_end(trainer, trainer, None, each, 0)
    watcher.on_test_batch_end(trainer, trainer, None, batch(True, category="cup1"), 0)
    saved = {(cloud.category, cloud.kind): cloud for cloud in watcher.save(tmp_path)}
    assert set(saved) == {(c, k) for c in ("bowl0", "cup1") for k in ("best", "worst")}
    best, worst = saved["bowl0", "best"], saved["bowl0", "worst"]
    assert (best.path, best.point_AP) == ("bowl0/test/1_True.pcd", 1.0)
    assert worst.path == "bowl0/test/0_False.pcd"
    assert worst.point_AP is not None
    assert worst.point_AP < 0.2
    for cloud in saved.values():
        with np.load(tmp_path / cloud.file) as arrays:
            assert arrays["points"].dtype == arrays["scores"].dtype == np.float32
            assert arrays["truth"].sum() == 5
            assert len(arrays["points"]) == len(arrays["scores"]) == len(arrays["truth"])


def test_large_clouds_are_thinned(tmp_path: Path) -> None:
    watcher = CloudWatcher()
    trainer: Any = SimpleNamespace(datamodule=None)
    watcher.on_test_batch_end(trainer, trainer, None, batch(True, count=30_000), 0)
    for cloud in watcher.save(tmp_path):
        with np.load(tmp_path / cloud.file) as arrays:
            assert len(arrays["points"]) == training.MOST_POINTS

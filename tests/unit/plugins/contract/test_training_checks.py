"""Flaws of training, checkpoints, results and prediction are found."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from anomalib.data import InferenceBatch

from plane_anomalib.core.errors import ContractError
from plane_anomalib.data.point_cloud import PointCloudBatch
from plane_anomalib.plugins.contract.model_under_test import ModelUnderTest
from plane_anomalib.plugins.contract.suite import CHECKS
from tests.support.template import ModelName, ModelNameDetector
from tests.unit.plugins.contract.conftest import raise_

Patch = pytest.MonkeyPatch


class AllAnomalous(torch.nn.Module):
    """Thresholds as they are, but for the points."""

    def __init__(self, own: torch.nn.Module) -> None:
        super().__init__()
        self.own = own

    def forward(self, scores: InferenceBatch) -> InferenceBatch:
        return self.own(scores)._replace(pred_mask=torch.ones(200, dtype=torch.bool))


def test_thresholds_that_are_lost_or_missing_are_found(
    trained: ModelUnderTest, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(trained.trained, "model", trained.load(trained.trained.checkpoint))
    trained.model.post_processor = AllAnomalous(trained.model.post_processor)
    with pytest.raises(ContractError, match="gives another pred_mask: its thresholds were lost"):
        CHECKS["thresholds"].run(trained)
    trained.model.post_processor = None
    with pytest.raises(ContractError, match="gives no pred_label of the shape"):
        CHECKS["thresholds"].run(trained)


def test_a_table_without_categories_is_found(trained: ModelUnderTest, monkeypatch: Patch) -> None:
    monkeypatch.setattr(trained.trained, "printed", "mean bowl0")
    with pytest.raises(ContractError, match="The printed table leaves out categories"):
        CHECKS["per-category"].run(trained)


def test_another_result_of_a_second_test_is_found(
    trained: ModelUnderTest, monkeypatch: Patch
) -> None:
    score = ModelName.score_batch

    def higher(self: ModelName, batch: PointCloudBatch) -> InferenceBatch:
        found = score(self, batch)
        return found._replace(pred_score=found.pred_score + 1)

    _ = trained.trained
    monkeypatch.setattr(ModelName, "score_batch", higher)
    with pytest.raises(ContractError, match="gives other object scores"):
        CHECKS["tested-again"].run(trained)


def test_a_prediction_that_is_not_complete_is_found(
    trained: ModelUnderTest, monkeypatch: Patch
) -> None:
    predict = ModelName.predict_step

    def without_map(self: ModelName, batch: PointCloudBatch, index: int) -> Any:
        predict(self, batch, index)
        return batch.update(pred_score=batch.pred_score * torch.nan, anomaly_map=None)

    monkeypatch.setattr(ModelName, "predict_step", without_map)
    with pytest.raises(ContractError, match="predict gives anomaly_map of shape None, not"):
        CHECKS["prediction"].run(trained)


def test_learning_that_uses_the_global_random_state_is_found(
    fresh: ModelUnderTest, monkeypatch: Patch
) -> None:
    fit = ModelNameDetector.fit

    def fit_by_chance(self: ModelNameDetector, clouds: Any) -> None:
        fit(self, clouds)
        self.normal = self.normal + torch.rand(3)

    monkeypatch.setattr(ModelNameDetector, "fit", fit_by_chance)
    with pytest.raises(ContractError, match="Two models with seed=4 score differently"):
        CHECKS["seed"].run(fresh)


def test_a_training_that_fails_is_told(fresh: ModelUnderTest, monkeypatch: Patch) -> None:
    monkeypatch.setattr(ModelNameDetector, "fit", lambda self, clouds: raise_(KeyError("bank")))
    with pytest.raises(ContractError, match="KeyError: 'bank'"):
        CHECKS["training"].run(fresh)

"""Flawed scores are found, and it is said what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from anomalib.data import InferenceBatch

from plane_anomalib.core.errors import ContractError, NotMeasuredError
from plane_anomalib.data.point_cloud import PointCloudBatch
from plane_anomalib.plugins.contract import score_checks
from plane_anomalib.plugins.contract.model_under_test import ModelUnderTest
from plane_anomalib.plugins.contract.suite import CHECKS
from tests.unit.plugins.contract.conftest import Scored, altered, raise_

Patch = pytest.MonkeyPatch


def mapped(change: Callable[[torch.Tensor, PointCloudBatch], torch.Tensor]) -> Scored:
    """A change of the anomaly map alone."""
    return lambda found, batch: found._replace(anomaly_map=change(found.anomaly_map, batch))


def draw_numpy(found: InferenceBatch, batch: PointCloudBatch) -> None:
    np.random.rand()  # noqa: NPY002


def draw_torch(found: InferenceBatch, batch: PointCloudBatch) -> None:
    torch.rand(1)


def move_points(found: InferenceBatch, batch: PointCloudBatch) -> None:
    batch.points += 1


SCORING: list[tuple[str, Scored, str]] = [
    ("every-point", mapped(lambda m, b: m[:-1]), r"anomaly_map has the shape \(632,\) for 4"),
    ("every-point", mapped(lambda m, b: m.double()), "float64: make it float32"),
    ("every-point", mapped(lambda m, b: m.where(m < m.max(), torch.nan)), "not finite"),
    ("every-point", mapped(lambda m, b: torch.zeros_like(m)), "nothing is localised"),
    (
        "permutation",
        mapped(lambda m, b: m.sort().values),
        "Scores of 40 points depend on",
    ),
    (
        "permutation",
        lambda found, b: found._replace(pred_score=b.points[:1, 0]),
        "object's score of 40 points depends on the order",
    ),
    (
        "duplicate-points",
        mapped(lambda m, b: m + 1e-3 * torch.arange(len(m))),
        "Three points in one place get different scores",
    ),
    ("batch-company", mapped(lambda m, b: m - m.mean()), "Cloud 0 of 5 gets other scores alone"),
    (
        "tiny-clouds",
        lambda f, b: raise_(IndexError("k is too large")) if len(b.points) < 10 else None,
        r"one point \(IndexError: k is too large\); three points \(Ind.*take min",
    ),
    (
        "degenerate-clouds",
        mapped(lambda m, b: m / (b.points.amax(0) - b.points.amin(0)).max()),
        r"^Fails for all points in one place \(scores that are not finite\): guard",
    ),
    (
        "extents",
        lambda f, b: raise_(MemoryError("too large")) if len(b.points) > 20_000 else None,
        r"^Fails for of 50,000 points \(MemoryError: too large\)",
    ),
    ("pure-scoring", move_points, "changes the points of the batch: copy them"),
    (
        "pure-scoring",
        mapped(lambda m, b: m.clone().requires_grad_()),
        "score under torch.no_grad",
    ),
    ("random-state", draw_numpy, "draws from numpy's global generator"),
    ("random-state", draw_torch, "draws from torch's global generator"),
    (
        "checkpoint",
        mapped(lambda m, b: m + 1),
        "model of the checkpoint scores the category 'bowl0' differently: .* 1",
    ),
]


@pytest.mark.parametrize(
    ("check", "change", "words"), SCORING, ids=[check for check, _, _ in SCORING]
)
def test_flawed_scores_are_found(
    check: str, change: Scored, words: str, trained: ModelUnderTest, monkeypatch: Patch
) -> None:
    altered(monkeypatch, trained, change)
    with pytest.raises(ContractError, match=words):
        CHECKS[check].run(trained)


def test_scoring_that_changes_the_model_is_found(
    trained: ModelUnderTest, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(trained.trained, "model", trained.load(trained.trained.checkpoint))
    detector = trained.model.model.detectors[0]
    altered(monkeypatch, trained, lambda f, b: (detector.normal.add_(1), None)[1])
    with pytest.raises(ContractError, match=r"twice gives other scores|model's .*normal"):
        CHECKS["pure-scoring"].run(trained)


@pytest.mark.slow
def test_memory_that_grows_too_much_is_found(trained: ModelUnderTest, monkeypatch: Patch) -> None:
    monkeypatch.setattr(score_checks, "LARGE", 20_000)
    monkeypatch.setattr(score_checks, "MEMORY_LIMIT", 100_000_000)
    CHECKS["bounded-memory"].run(trained)
    altered(monkeypatch, trained, lambda f, b: np.ones((len(b.points), 2000), np.float32) is None)
    with pytest.raises(ContractError, match=r"20,000 points takes 0\.2 GB, more than"):
        CHECKS["bounded-memory"].run(trained)


@pytest.mark.parametrize("ones", [np.ones, torch.ones])
def test_memory_that_would_run_out_is_found_before_it_does(
    ones: Callable[..., Any], trained: ModelUnderTest, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(score_checks, "LARGE", 20_000)
    monkeypatch.setattr(score_checks, "MEMORY_LIMIT", 100_000_000)
    altered(monkeypatch, trained, lambda f, b: ones((len(b.points),) * 2) is None)
    with pytest.raises(ContractError, match="takes more than 0 GB: work in chunks"):
        CHECKS["bounded-memory"].run(trained)


def test_memory_that_cannot_be_measured_is_not_taken_for_bounded(
    trained: ModelUnderTest, monkeypatch: Patch, tmp_path: Path
) -> None:
    monkeypatch.setattr(score_checks, "_PROC", tmp_path)
    with pytest.raises(NotMeasuredError, match="only be measured on Linux"):
        CHECKS["bounded-memory"].run(trained)

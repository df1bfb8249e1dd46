"""The model that new packages start with, trained once, and ways to spoil it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anomalib.data import InferenceBatch

from plane_anomalib.data.point_cloud import PointCloudBatch
from plane_anomalib.plugins.contract.model_under_test import ModelUnderTest
from tests.support.template import ModelName

Patch = pytest.MonkeyPatch
Scored = Callable[[InferenceBatch, PointCloudBatch], Any]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> ModelUnderTest:
    subject = ModelUnderTest("ModelName", ModelName, tmp_path_factory.mktemp("trained"))
    assert subject.model.model.categories == ("bowl0", "cup1")
    return subject


@pytest.fixture
def fresh(tmp_path: Path) -> ModelUnderTest:
    return ModelUnderTest("ModelName", ModelName, tmp_path)


def altered(patch: Patch, subject: ModelUnderTest, change: Scored) -> None:
    """Let the trained model's scores pass through `change`, which alters or replaces them."""
    score = subject.model.score_batch

    def scored(batch: PointCloudBatch) -> InferenceBatch:
        found = score(batch)
        return change(found, batch) or found

    patch.setattr(subject.model, "score_batch", scored)


def raise_(error: Exception) -> Any:
    raise error

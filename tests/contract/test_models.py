"""What every registered model must do, however it finds anomalies."""

from __future__ import annotations

import secrets

import pytest

from plane_anomalib.core.registry import BUILT_IN, MODELS
from plane_anomalib.plugins.contract.model_under_test import ModelUnderTest
from plane_anomalib.plugins.contract.suite import CHECKS

pytestmark = pytest.mark.slow

BUILT_IN_MODELS = [entry.name for entry in MODELS.entries.values() if entry.origin == BUILT_IN]


@pytest.fixture(scope="module", params=BUILT_IN_MODELS)
def subject(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ModelUnderTest:
    folder, seed = tmp_path_factory.mktemp(request.param), secrets.randbits(32)
    return ModelUnderTest(request.param, MODELS.get(request.param), folder, seed)


@pytest.mark.parametrize("check", CHECKS)
def test_model_keeps_the_contract(subject: ModelUnderTest, check: str) -> None:
    print(f"seed {subject.seed}")  # shown if it fails
    CHECKS[check].run(subject)

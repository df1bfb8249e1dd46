"""ModelName does what every model must, and finds what it is meant to find."""

from __future__ import annotations

import numpy as np
import pytest
from model_name.lightning_model import ModelName
from model_name.torch_model import ModelNameDetector

from plane_anomalib.plugins.contract.model_under_test import ModelUnderTest
from plane_anomalib.plugins.contract.suite import CHECKS


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> ModelUnderTest:
    return ModelUnderTest("ModelName", ModelName, tmp_path_factory.mktemp("contract"))


@pytest.mark.parametrize("check", CHECKS)
def test_contract(subject: ModelUnderTest, check: str) -> None:
    CHECKS[check].run(subject)


def test_a_point_off_the_surface_gets_the_highest_score() -> None:
    generator = np.random.default_rng(0)
    square = generator.uniform(size=(2000, 3)).astype(np.float32)
    square[:, 2] = 0
    detector = ModelNameDetector(num_points=1000, seed=0)
    detector.fit([square])
    cloud = square[::-1].copy()
    cloud[7, 2] = 0.5
    scores = detector(cloud)
    assert scores.anomaly_map.argmax() == 7
    assert scores.anomaly_map[7] == pytest.approx(0.5, abs=0.1)

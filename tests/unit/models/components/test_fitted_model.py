"""Detectors by category: which one scores a cloud, what is saved, what is refused."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from plane_anomalib.core.errors import ConfigurationError, WeightsError
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.models.components.alignment import Centered
from plane_anomalib.models.components.fitted_model import CloudDetector, FittedModel, Scope
from plane_anomalib.models.components.scores import CloudScores


class Radii(CloudDetector):
    """Remembers all radii; a point's score is the distance of its radius to the nearest one."""

    def __init__(self) -> None:
        super().__init__()
        self.known: torch.Tensor
        self.register_buffer("known", torch.zeros(0))

    def fit(self, clouds: Sequence[FloatArray]) -> None:
        radii = [torch.from_numpy(np.linalg.norm(cloud, axis=1)) for cloud in clouds]
        self.known = torch.cat(radii).float()

    def forward(self, cloud: FloatArray) -> CloudScores:
        radii = torch.from_numpy(np.linalg.norm(cloud, axis=1)).float()
        distance = (radii[:, None] - self.known).abs().amin(1).numpy()
        return CloudScores(distance, float(distance.max()))


def shell(radius: float, num: int = 50) -> FloatArray:
    directions = np.random.default_rng(3).normal(size=(num, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return (radius * directions).astype(np.float32)


def fitted(scope: Scope = "category", unit: bool | None = None) -> FittedModel:
    model = (
        FittedModel(Radii, scope=scope)
        if unit is None
        else FittedModel(Radii, partial(Centered, unit=unit), scope=scope)
    )
    model.fit([("ball", [shell(1.0), shell(1.1)]), ("bowl.big", [shell(4.0)])])
    return model


def score(model: FittedModel, cloud: FloatArray, category: str) -> float:
    return float(model(cloud, category).pred_score)


def test_each_category_has_a_detector_of_its_own() -> None:
    model = fitted()
    assert score(model, shell(1.1), "ball") == pytest.approx(0, abs=1e-6)
    assert score(model, shell(4.0), "ball") == pytest.approx(2.9, abs=1e-5)
    assert score(model, shell(1.0), "bowl.big") == pytest.approx(3, abs=1e-5)


def test_one_detector_for_all_knows_the_clouds_of_every_category() -> None:
    model = fitted("all")
    assert len(model.detectors) == 1
    for category in ("ball", "bowl.big", "never seen"):
        assert score(model, shell(4.0), category) == pytest.approx(0, abs=1e-6)


def test_an_unknown_category_is_scored_as_the_one_that_fits_best(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = fitted()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert score(model, shell(3.5), "vase") == pytest.approx(0.5, abs=1e-5)
    assert len(caplog.records) == 1
    assert "'vase'" in caplog.text


def test_maps_are_packed_in_input_order() -> None:
    clouds = [shell(1.3, 7), shell(4.5, 5)]
    points = torch.from_numpy(np.concatenate(clouds))
    found = fitted().score_packed(points, torch.tensor([7, 5]), ["ball", "bowl.big"])
    expected = torch.tensor([0.2] * 7 + [0.5] * 5)
    torch.testing.assert_close(found.anomaly_map, expected, rtol=0, atol=1e-5)


def test_clouds_are_aligned_in_fit_and_test_alike() -> None:
    model = fitted(unit=True)
    # Each category is measured in its own mean radius.
    away = shell(4.0) + np.float32([5, 6, 7])
    assert score(model, away, "bowl.big") == pytest.approx(
        score(model, shell(4.0), "bowl.big"), abs=1e-5
    )
    assert score(model, 2 * away, "bowl.big") > 0.9


@pytest.mark.parametrize("scope", ["category", "all"])
def test_saved_and_loaded_without_training_data_it_scores_the_same(
    scope: Scope, tmp_path: Path
) -> None:
    model = fitted(scope, unit=True)
    model.save(tmp_path / "banks.safetensors")
    fresh = FittedModel(Radii, partial(Centered, unit=True), scope=scope)
    fresh.load(tmp_path / "banks.safetensors")
    assert fresh.categories == model.categories
    for category in ("ball", "bowl.big", "vase"):
        assert score(fresh, shell(2.0), category) == score(model, shell(2.0), category)
    plain = torch.nn.Module()
    plain.model = FittedModel(Radii, partial(Centered, unit=True), scope=scope)
    plain.load_state_dict({f"model.{k}": v for k, v in model.state_dict().items()})
    assert score(plain.model, shell(2.0), "ball") == score(model, shell(2.0), "ball")


def test_a_file_of_something_else_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(b"not tensors")
    for file in ("damaged", "missing"):
        with pytest.raises(WeightsError, match=f"{file}: not a file of this model"):
            FittedModel(Radii).load(tmp_path / file)


def test_what_cannot_be_fitted_or_scored_is_refused_in_one_sentence() -> None:
    with pytest.raises(ConfigurationError, match="give training clouds"):
        FittedModel(Radii).fit([])
    with pytest.raises(ConfigurationError, match="ball: there is no normal cloud"):
        FittedModel(Radii).fit([("ball", [])])
    with pytest.raises(ConfigurationError, match="not fitted"):
        score(FittedModel(Radii), shell(1.0), "ball")

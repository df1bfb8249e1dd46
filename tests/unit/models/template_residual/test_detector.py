from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from sklearn.metrics import roc_auc_score

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.models.template_residual import TemplateResidualConfig
from plane_anomalib.models.template_residual.torch_model import TemplateResidualDetector
from tests.unit.models.template_residual.shapes import lump, with_bump


def turned(points: np.ndarray, seed: int) -> np.ndarray:
    turn = Rotation.random(random_state=seed).as_matrix()
    return np.asarray(points @ turn.T + np.float32([3, -2, 5]), np.float32)


def fitted(num: int = 2500, **arguments: object) -> TemplateResidualDetector:
    generator = np.random.default_rng(0)
    detector = TemplateResidualDetector(TemplateResidualConfig(**arguments))  # type: ignore[arg-type]
    detector.fit([lump(generator, num) for _ in range(3)])
    return detector


@pytest.fixture(scope="module")
def detector() -> TemplateResidualDetector:
    return fitted()


def test_a_bump_is_found_on_the_points_and_on_the_whole(
    detector: TemplateResidualDetector,
) -> None:
    generator = np.random.default_rng(1)
    normal = detector(lump(generator, 2500))
    bumped, moved = with_bump(lump(generator, 2500))
    scores = detector(bumped)
    assert scores.anomaly_map.shape == (2500,)
    assert scores.anomaly_map.dtype == np.float32
    assert roc_auc_score(moved, scores.anomaly_map) > 0.97
    assert scores.pred_score > 2 * normal.pred_score


def test_a_turned_scan_is_registered_by_itself(detector: TemplateResidualDetector) -> None:
    bumped, moved = with_bump(lump(np.random.default_rng(2), 2500))
    scan = turned(bumped, 3)
    parts = detector.residuals(scan)
    assert parts.placement.moved
    assert parts.placement.complete
    assert roc_auc_score(moved, detector(scan).anomaly_map) > 0.97


def test_a_posed_scan_is_left_as_it_lies(detector: TemplateResidualDetector) -> None:
    placement = detector.residuals(lump(np.random.default_rng(4), 2500)).placement
    assert not placement.moved
    assert np.array_equal(placement.transform.rotation, np.eye(3))
    assert np.array_equal(placement.transform.translation, np.zeros(3))


@pytest.mark.slow
def test_templates_in_different_poses_are_brought_together() -> None:
    generator = np.random.default_rng(5)
    detector = TemplateResidualDetector()
    detector.fit([turned(lump(generator, 2500), seed) for seed in range(3)])
    assert not bool(detector.posed)
    bumped, moved = with_bump(lump(generator, 2500))
    assert roc_auc_score(moved, detector(turned(bumped, 9)).anomaly_map) > 0.97


def test_residuals_are_signed_and_in_the_units_of_the_cloud() -> None:
    generator = np.random.default_rng(6)
    detector = TemplateResidualDetector()
    detector.fit([np.float32(100) * lump(generator, 2500) for _ in range(2)])
    for height in (5.0, -5.0):
        bumped, moved = with_bump(
            np.float32(100) * lump(generator, 2500) / np.float32(100), height / 100
        )
        raw = detector.residuals(np.float32(100) * bumped).raw
        assert np.sign(np.median(raw[moved])) == np.sign(height)
        assert 0.4 * abs(height) < np.abs(raw[moved]).max() < 1.2 * abs(height)


def test_a_missing_piece_shows_in_complete_scans_only(detector: TemplateResidualDetector) -> None:
    scan = lump(np.random.default_rng(7), 2500)
    place = scan[np.argmax(scan[:, 2])]
    distance = np.linalg.norm(scan - place, axis=1)
    holed = scan[distance > 0.15]
    rim = distance[distance > 0.15] < 0.2
    coverage = detector.residuals(holed).coverage
    assert np.median(coverage[rim]) > 2 * np.median(coverage[~rim])
    half = scan[scan[:, 0] > scan[:, 0].mean()]
    parts = detector.residuals(half)
    assert not parts.placement.complete
    assert not parts.coverage.any()


def test_permuted_points_get_permuted_scores(detector: TemplateResidualDetector) -> None:
    generator = np.random.default_rng(8)
    scan = with_bump(lump(generator, 2000))[0]
    order = generator.permutation(len(scan))
    first, second = detector(scan), detector(scan[order])
    np.testing.assert_allclose(first.anomaly_map[order], second.anomaly_map, rtol=1e-5)
    assert first.pred_score == pytest.approx(second.pred_score, rel=1e-6)


@pytest.mark.slow
def test_two_calls_and_two_fits_give_the_same_bits(detector: TemplateResidualDetector) -> None:
    scan = turned(lump(np.random.default_rng(9), 2000), 1)
    first = detector(scan)
    for again in (detector(scan), fitted()(scan)):
        assert np.array_equal(first.anomaly_map, again.anomaly_map)
        assert first.pred_score == again.pred_score


def test_state_travels_as_tensors(detector: TemplateResidualDetector) -> None:
    buffer = io.BytesIO()
    torch.save(detector.state_dict(), buffer)
    buffer.seek(0)
    other = TemplateResidualDetector()
    other.load_state_dict(torch.load(buffer, weights_only=True))
    scan = lump(np.random.default_rng(10), 1500)
    assert np.array_equal(detector(scan).anomaly_map, other(scan).anomaly_map)


@pytest.mark.parametrize("num", [1, 3, 50])
def test_tiny_scans_get_finite_scores(detector: TemplateResidualDetector, num: int) -> None:
    scan = lump(np.random.default_rng(num), num)
    for cloud in (scan, np.repeat(scan, 4, axis=0), np.full_like(scan, 7.0)):
        scores = detector(cloud)
        assert scores.anomaly_map.shape == (len(cloud),)
        assert np.isfinite(scores.anomaly_map).all()
        assert np.isfinite(scores.pred_score)


@pytest.mark.parametrize(
    "template",
    [
        lump(np.random.default_rng(0), 1),
        lump(np.random.default_rng(0), 3),
        lump(np.random.default_rng(0), 50),
        np.full((70, 3), 7.0, np.float32),
        np.outer(np.random.default_rng(0).normal(size=90), [1, 2, 3]).astype(np.float32),
    ],
    ids=["one", "three", "fifty", "one place", "a line"],
)
def test_a_single_degenerate_template_gives_finite_scores(template: np.ndarray) -> None:
    detector = TemplateResidualDetector()
    detector.fit([template])
    for cloud in (template, lump(np.random.default_rng(1), 60)):
        scores = detector(cloud)
        assert np.isfinite(scores.anomaly_map).all()
        assert np.isfinite(scores.pred_score)


def test_a_single_template_is_enough_to_find_a_bump() -> None:
    generator = np.random.default_rng(11)
    detector = TemplateResidualDetector()
    detector.fit([lump(generator, 3000)])
    bumped, moved = with_bump(lump(generator, 2500))
    assert roc_auc_score(moved, detector(bumped).anomaly_map) > 0.95


@pytest.mark.parametrize(
    "arguments",
    [
        {"registration": False},
        {"calibrate": False},
        {"remove_deviation": False},
        {"coverage": False},
        {"smoothing": False},
        {"scales": (8,)},
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_every_part_can_be_switched_off(arguments: dict[str, object]) -> None:
    detector = fitted(1500, **arguments)
    bumped, moved = with_bump(lump(np.random.default_rng(12), 1500))
    assert roc_auc_score(moved, detector(bumped).anomaly_map) > 0.8


def test_a_large_cloud_is_scored_at_fewer_points() -> None:
    detector = fitted(1500, max_points=1500)
    bumped, moved = with_bump(lump(np.random.default_rng(13), 9000))
    scores = detector(bumped).anomaly_map
    assert scores.shape == (9000,)
    assert roc_auc_score(moved, scores) > 0.95


def test_asking_before_fitting_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="call fit"):
        TemplateResidualDetector()(lump(np.random.default_rng(0), 10))
    with pytest.raises(ConfigurationError, match="at least one"):
        TemplateResidualDetector().fit([])


@pytest.mark.parametrize("arguments", [{"scales": ()}, {"wavelength": 0.0}, {"max_points": 0}])
def test_impossible_arguments_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        TemplateResidualDetector(TemplateResidualConfig(**arguments))  # type: ignore[arg-type]

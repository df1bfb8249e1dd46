"""Scores of memory banks, computed once more by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.models.components.bank_detector import BankDetector, Branch
from plane_anomalib.models.components.coreset import Coreset
from plane_anomalib.models.components.descriptors import Coordinates, Described, Sampling

ALL = Coordinates(Sampling(), Sampling())


def cloud(num: int, shift: float = 0.0) -> FloatArray:
    return (np.random.default_rng().normal(size=(num, 3)) + shift).astype(np.float32)


@dataclass(frozen=True)
class Height:
    """One channel, the height of every point, a hundredfold: a scale of its own."""

    def __call__(self, cloud: FloatArray, *, fitting: bool) -> Described:
        return Described(cloud, torch.from_numpy(100 * cloud[:, 2:]))


def distances(
    queries: FloatArray, normal: list[FloatArray], column: int | None = None
) -> np.ndarray:
    rows = np.concatenate(normal).astype(float)
    queries = queries.astype(float)
    if column is not None:
        rows, queries = 100 * rows[:, [column]], 100 * queries[:, [column]]
    return cdist(queries, rows).min(1)


def test_a_point_scores_its_distance_to_the_nearest_normal_descriptor() -> None:
    normal, test = [cloud(200), cloud(300)], cloud(150)
    detector = BankDetector([Branch(ALL)], object_score="max")
    detector.fit(normal)
    found = detector(test)
    np.testing.assert_allclose(found.anomaly_map, distances(test, normal), rtol=1e-6)
    assert found.pred_score == pytest.approx(distances(test, normal).max(), rel=1e-6)


def test_reweighted_object_score_follows_the_formula() -> None:
    normal, test = [cloud(80)], cloud(40)
    detector = BankDetector([Branch(ALL)], object_score="reweighted")
    detector.fit(normal)
    rows, queries = normal[0].astype(float), test.astype(float)
    nearest = cdist(queries, rows)
    worst = int(nearest.min(1).argmax())
    s, match = nearest[worst].min(), int(nearest[worst].argmin())
    near = np.argsort(cdist(rows[match][None], rows)[0])[1:3]
    others = np.exp(np.linalg.norm(queries[worst] - rows[near], axis=1) / np.sqrt(3)).sum()
    expected = (1 - np.exp(s / np.sqrt(3)) / others) * s
    assert detector(test).pred_score == pytest.approx(expected, rel=1e-5)


def test_strided_queries_lend_their_score_to_the_points_between() -> None:
    normal, test = [cloud(100)], cloud(95)
    every = Coordinates(Sampling(stride=3), Sampling(stride=10))
    detector = BankDetector([Branch(every, neighbours=1)], object_score="max")
    detector.fit(normal)
    scores = distances(test[::10], [normal[0][::3]])
    nearest = cdist(test, test[::10]).argmin(1)
    np.testing.assert_allclose(detector(test).anomaly_map, scores[nearest], rtol=1e-6)


def test_branches_are_brought_to_the_scale_of_normal_clouds_before_they_are_averaged() -> None:
    normal, test = [cloud(60), cloud(70), cloud(50)], cloud(40)
    detector = BankDetector([Branch(ALL), Branch(Height())], object_score="max")
    detector.fit(normal)
    parts, objects = [], []
    for column in (None, 2):
        away = [
            distances(own, [other for other in normal if other is not own], column)
            for own in normal
        ]
        known = np.concatenate(away)
        score = (distances(test, normal, column) - known.mean()) / known.std(ddof=1)
        parts.append(score)
        objects.append(score.max())
    np.testing.assert_allclose(detector(test).anomaly_map, np.mean(parts, 0), rtol=1e-4, atol=1e-4)
    assert detector(test).pred_score == pytest.approx(np.mean(objects), rel=1e-4)


def test_transductive_scale_is_the_range_over_the_test_set() -> None:
    normal, tests = [cloud(60)], [cloud(40), cloud(30, 2.0), cloud(20)]
    detector = BankDetector([Branch(ALL), Branch(Height())], object_score="max", fusion="test")
    assert detector.transductive
    detector.fit(normal)
    detector.observe(tests)
    expected: np.ndarray = np.zeros(40)
    scores = 0.0
    for column in (None, 2):
        maps = [distances(test, normal, column) for test in tests]
        pooled, objects = np.concatenate(maps), np.array([m.max() for m in maps])
        expected += (maps[0] - pooled.min()) / np.ptp(pooled) / 2
        scores += (objects[0] - objects.min()) / np.ptp(objects) / 2
    np.testing.assert_allclose(detector(tests[0]).anomaly_map, expected, rtol=1e-4, atol=1e-5)
    assert detector(tests[0]).pred_score == pytest.approx(scores, rel=1e-4, abs=1e-6)


def test_a_coreset_bounds_the_bank_and_a_loaded_one_scores_the_same() -> None:
    normal, test = [cloud(400), cloud(300)], cloud(50)
    branches = [Branch(ALL, Coreset(size=20)), Branch(Height(), Coreset(size=7))]
    detector = BankDetector(branches, object_score="reweighted")
    detector.fit(normal)
    assert [len(bank.rows) for bank in detector.banks] == [20, 7]
    fresh = BankDetector(branches, object_score="reweighted")
    fresh.load_state_dict(detector.state_dict())
    np.testing.assert_array_equal(fresh(test).anomaly_map, detector(test).anomaly_map)
    assert fresh(test).pred_score == detector(test).pred_score


@pytest.mark.parametrize("num", [1, 2, 3])
def test_one_tiny_normal_cloud_is_enough(num: int) -> None:
    detector = BankDetector([Branch(ALL), Branch(Height())], object_score="reweighted")
    detector.fit([cloud(num)])
    found = detector(cloud(5))
    assert np.isfinite(found.anomaly_map).all()
    assert np.isfinite(found.pred_score)

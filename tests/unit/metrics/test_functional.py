"""Ranking metrics against scikit-learn, on fresh random input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_recall_curve,
    roc_auc_score,
)

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.metrics.functional import (
    NO_ANOMALOUS,
    NO_NORMAL,
    binary_metrics,
    chance_average_precision,
    chance_f1_max,
    rank_counts,
)


def sklearn_f1_max(labels: np.ndarray, scores: np.ndarray) -> float:
    precision, recall, _ = precision_recall_curve(labels, scores)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return float(f1.max())


def assert_equal_to_sklearn(scores: np.ndarray, labels: np.ndarray) -> None:
    result = binary_metrics(scores, labels)
    assert result.reason is None
    assert result.auroc == pytest.approx(roc_auc_score(labels, scores), abs=1e-9)
    assert result.average_precision == pytest.approx(
        average_precision_score(labels, scores), abs=1e-9
    )
    assert result.f1_max == pytest.approx(sklearn_f1_max(labels, scores), abs=1e-9)
    assert f1_score(labels, scores >= result.f1_threshold) == pytest.approx(result.f1_max, abs=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("levels", [2, 7, 1000, None])
@pytest.mark.parametrize("share", [0.002, 0.3, 0.98])
def test_equal_to_sklearn_with_and_without_ties(
    dtype: type, levels: int | None, share: float
) -> None:
    generator = np.random.default_rng()
    labels = generator.random(5000) < share
    labels[:2] = [True, False]
    scores = (generator.normal(size=5000) * 100 + 30 * labels).astype(dtype)
    if levels is not None:
        edges = np.quantile(scores, np.linspace(0, 1, levels + 1))[1:-1]
        scores = np.digitize(scores, edges).astype(dtype) - 3
    assert_equal_to_sklearn(scores, labels)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-4, 4) | st.floats(-1e30, 1e30), st.booleans()),
        min_size=2,
        max_size=40,
    )
)
def test_equal_to_sklearn_on_any_small_input(items: list[tuple[float, bool]]) -> None:
    scores = np.array([float(score) for score, _ in items])
    labels = np.array([label for _, label in items])
    if labels.all() or not labels.any():
        assert np.isnan(binary_metrics(scores, labels).auroc)
    else:
        assert_equal_to_sklearn(scores, labels)


def test_scores_outside_zero_to_one_are_not_squashed() -> None:
    labels = np.arange(100) >= 50
    result = binary_metrics(np.arange(100) * 1e6 - 3e7, labels)
    assert (result.auroc, result.average_precision, result.f1_max) == (1.0, 1.0, 1.0)
    assert result.f1_threshold == 50 * 1e6 - 3e7


def test_constant_scores_give_the_floors() -> None:
    labels = np.arange(200) < 30
    result = binary_metrics(np.full(200, 0.25, dtype=np.float32), labels)
    assert result.auroc == 0.5
    assert result.average_precision == pytest.approx(chance_average_precision(0.15))
    assert result.f1_max == pytest.approx(chance_f1_max(0.15))


def test_infinite_scores_rank_at_the_ends() -> None:
    generator = np.random.default_rng()
    labels = generator.random(400) < 0.4
    labels[:2] = [True, False]
    scores = generator.normal(size=400) + labels
    scores[generator.random(400) < 0.1] = np.inf
    scores[generator.random(400) < 0.1] = -np.inf
    finite = np.clip(scores, -1e6, 1e6)
    result, expected = binary_metrics(scores, labels), binary_metrics(finite, labels)
    assert result.auroc == pytest.approx(roc_auc_score(labels, finite), abs=1e-9)
    assert result.average_precision == expected.average_precision
    assert result.f1_max == expected.f1_max


def test_negative_zero_ties_with_zero() -> None:
    result = binary_metrics(np.array([-0.0, 0.0], dtype=np.float32), np.array([False, True]))
    assert result.auroc == 0.5


def test_float32_and_float64_of_the_same_values_agree_bit_for_bit() -> None:
    generator = np.random.default_rng()
    scores = generator.normal(size=3000).astype(np.float32)
    labels = generator.random(3000) < 0.2
    assert binary_metrics(scores, labels) == binary_metrics(scores.astype(np.float64), labels)


@pytest.mark.parametrize(("label", "reason"), [(False, NO_ANOMALOUS), (True, NO_NORMAL)])
def test_one_class_gives_nan_and_the_reason(label: bool, reason: str) -> None:
    result = binary_metrics(np.arange(5.0), np.full(5, label))
    assert result.reason == reason
    assert np.isnan([result.auroc, result.average_precision, result.f1_max]).all()


def test_empty_input_gives_nan() -> None:
    assert np.isnan(binary_metrics(np.empty(0), np.empty(0, dtype=bool)).auroc)


def test_nan_score_is_an_error_that_counts_them() -> None:
    scores = np.array([0.1, np.nan, 0.3, np.nan])
    with pytest.raises(ConfigurationError, match="2 of 4 scores are NaN"):
        binary_metrics(scores, np.array([True, False, False, True]))
    with pytest.raises(ConfigurationError, match="NaN"):
        rank_counts(np.ones(2), [np.ones(3), np.array([np.nan])])


@pytest.mark.parametrize(
    ("scores", "labels"),
    [(np.ones(3), np.ones(2, bool)), (np.ones((2, 2)), np.ones((2, 2), bool))],
)
def test_wrong_shapes_are_refused(scores: np.ndarray, labels: np.ndarray) -> None:
    with pytest.raises(ConfigurationError, match="1-D"):
        binary_metrics(scores, labels)


def test_labels_other_than_zero_and_one_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="0 and 1"):
        binary_metrics(np.ones(3), np.array([0, 1, 2]))


def test_chunks_of_normal_scores_add_up_to_the_whole() -> None:
    generator = np.random.default_rng()
    positives = generator.integers(0, 50, 300).astype(np.float32)
    negatives = generator.integers(0, 40, 1000).astype(np.float32)
    whole = rank_counts(positives, [negatives])
    parts = rank_counts(positives, np.array_split(negatives, 7))
    assert np.array_equal(whole.negatives_above, parts.negatives_above)
    assert np.array_equal(whole.negatives_from, parts.negatives_from)
    assert (whole.auroc(), whole.f1_max()) == (parts.auroc(), parts.f1_max())


def test_weights_are_summed_per_score() -> None:
    counts = rank_counts(np.array([1.0, 3.0, 1.0]), [np.array([2.0])], weights=[0.5, 1.0, 0.25])
    assert counts.thresholds.tolist() == [3.0, 1.0]
    assert counts.weights.tolist() == [1.0, 0.75]
    with pytest.raises(ConfigurationError, match="weights"):
        rank_counts(np.ones(3), [], weights=np.ones(2))


def test_floors_are_those_of_the_public_datasets() -> None:
    assert chance_f1_max(712 / 1312) == pytest.approx(0.704, abs=1e-3)
    assert chance_f1_max(0.5) == pytest.approx(0.667, abs=1e-3)

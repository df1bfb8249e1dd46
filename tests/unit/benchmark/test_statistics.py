"""Statistics equal those of scipy, of published tables, or of a literal count."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from plane_anomalib.benchmark.statistics import (
    FEWEST_CATEGORIES,
    average_ranks,
    bootstrap_interval,
    cliques,
    critical_difference,
    friedman_p,
    holm,
    mean_and_deviation,
    signed_rank_p,
    smallest_p,
    wilcoxon_pairs,
)
from plane_anomalib.core.errors import ConfigurationError


def test_mean_and_deviation_of_none_one_and_three_values() -> None:
    assert mean_and_deviation([]) == (None, None)
    assert mean_and_deviation([0.5]) == (0.5, None)
    assert mean_and_deviation([1.0, 2.0, 4.0]) == pytest.approx((7 / 3, np.sqrt(7 / 3)))


def test_bootstrap_interval_is_that_of_resampled_means() -> None:
    values = np.random.default_rng(1).beta(5, 2, 20)
    ours = bootstrap_interval(values, np.random.default_rng(2), resamples=40_000)
    drawn = np.random.default_rng(2).integers(20, size=(40_000, 20))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    assert ours == pytest.approx((low, high), abs=1e-12)


def test_bootstrap_interval_depends_on_the_generator_alone() -> None:
    values = [0.1, 0.5, 0.6]
    first, again = (bootstrap_interval(values, np.random.default_rng(7)) for _ in range(2))
    assert first == again
    assert bootstrap_interval([0.5], np.random.default_rng(7)) is None


@pytest.mark.parametrize("count", [1, 5, 12, 40])
def test_signed_rank_p_equals_scipys_exact_one_without_ties(count: int) -> None:
    generator = np.random.default_rng(count)
    for _ in range(5):
        differences = generator.normal(0.3, 1.0, count)
        exact = stats.wilcoxon(differences, method="exact").pvalue
        assert signed_rank_p(differences) == pytest.approx(exact, rel=1e-12)


def test_signed_rank_p_with_ties_and_zeros_counts_every_pattern_of_signs() -> None:
    differences = np.array([0.1, 0.1, -0.1, 0.3, 0.3, -0.2, 0.5, 0.0])
    ranks = stats.rankdata(np.abs(differences[differences != 0]))
    positive = ranks[differences[differences != 0] > 0].sum()
    sums = np.array([np.dot(signs, ranks) for signs in product([0, 1], repeat=len(ranks))])
    extreme = np.abs(sums - ranks.sum() / 2) >= abs(positive - ranks.sum() / 2) - 1e-9
    assert signed_rank_p(differences) == pytest.approx(extreme.mean(), rel=1e-12)


def test_differences_that_are_equal_as_decimals_are_ties() -> None:
    assert 0.3 - 0.2 != 0.2 - 0.1
    assert signed_rank_p([0.3 - 0.2, -(0.2 - 0.1)]) == 1.0


def test_equal_rows_give_p_of_one_and_the_smallest_p_is_reached() -> None:
    assert signed_rank_p([0.0, 0.0]) == 1.0
    for count in (1, 4, 9):
        assert signed_rank_p(np.arange(1, count + 1)) == pytest.approx(smallest_p(count))


def test_holm_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1; the last is raised to the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_rejects_what_the_step_down_procedure_rejects() -> None:
    generator = np.random.default_rng(5)
    for _ in range(50):
        p = generator.uniform(0, 0.1, 8)
        rejected = np.zeros(8, dtype=bool)
        for step, index in enumerate(np.argsort(p)):
            if p[index] > 0.05 / (8 - step):
                break
            rejected[index] = True
        assert ((np.array(holm(list(p))) <= 0.05) == rejected).all()


def test_pairs_tell_who_wins_and_are_corrected_together() -> None:
    best = np.linspace(0.8, 0.9, 10)
    table = np.stack([best - 0.1 - 0.001 * np.arange(10), best, best])
    tests = wilcoxon_pairs(table)
    assert [(t.first, t.second) for t in tests] == [(0, 1), (0, 2), (1, 2)]
    assert (tests[0].wins, tests[0].losses) == (0, 10)
    assert tests[0].difference == pytest.approx(-0.1045)
    assert tests[0].p == pytest.approx(2 / 1024)
    assert tests[0].adjusted == pytest.approx(3 * 2 / 1024)
    assert (tests[2].wins, tests[2].losses, tests[2].p, tests[2].adjusted) == (0, 0, 1.0, 1.0)


def test_average_ranks_share_ties() -> None:
    table = [[0.9, 0.5, 0.7], [0.9, 0.4, 0.6], [0.1, 0.3, 0.8]]
    assert average_ranks(table) == pytest.approx([(1.5 + 1 + 2) / 3, (1.5 + 2 + 3) / 3, 7 / 3])


def test_friedman_equals_scipy_and_copes_with_equal_rows() -> None:
    table = np.random.default_rng(3).random((4, 9))
    assert friedman_p(table) == pytest.approx(stats.friedmanchisquare(*table).pvalue)
    assert friedman_p(np.ones((3, 6))) == 1.0
    assert friedman_p(table[:2]) is None


@pytest.mark.parametrize(
    ("rows", "quantile"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (10, 3.164)],
)
def test_critical_difference_has_the_published_quantiles(rows: int, quantile: float) -> None:
    # Demsar (2006), table 5(a).
    expected = quantile * np.sqrt(rows * (rows + 1) / (6 * 14))
    assert critical_difference(rows, 14) == pytest.approx(expected, abs=1e-3)


def test_too_few_categories_or_rows_have_no_critical_difference() -> None:
    assert critical_difference(4, FEWEST_CATEGORIES - 1) is None
    assert critical_difference(1, 40) is None
    assert critical_difference(4, FEWEST_CATEGORIES) is not None


def test_cliques_are_the_largest_groups_within_the_difference() -> None:
    assert cliques([3.0, 1.0, 2.0, 6.0], 1.5) == [[1, 2], [2, 0]]
    assert cliques([1.0, 1.5, 2.0], 1.0) == [[0, 1, 2]]
    assert cliques([1.0, 3.0], 1.0) == []


def test_a_table_with_holes_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="same categories"):
        average_ranks([[0.5, np.nan], [0.5, 0.6]])

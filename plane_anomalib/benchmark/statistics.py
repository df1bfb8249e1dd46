"""Statistics of a comparison: pure functions of arrays, checked against independent ones.

A larger value is better. Categories are what tests and intervals go over: they say how far a
result would carry to other objects of the kind, not how it varies with the seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from plane_anomalib.core.errors import ConfigurationError

FEWEST_CATEGORIES = 5
"""Fewer make no critical difference worth drawing."""


def mean_and_deviation(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean and sample standard deviation (divisor n - 1).

    Args:
        values: One per seed.

    Returns:
        The mean, None without values; the deviation, None for fewer than two.
    """
    if not len(values):
        return None, None
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else None


def bootstrap_interval(
    values: ArrayLike,
    generator: np.random.Generator,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of a mean.

    With few values it is too narrow: of five normal ones it covers the mean in 84 % of cases, of
    twenty in 93 %.

    Args:
        values: `(N,)`, one per category.
        generator: Draws the resamples.
        level: Share of resampled means inside.
        resamples: How many to draw.

    Returns:
        Lower and upper end; None for fewer than two values.
    """
    array = np.asarray(values, dtype=np.float64)
    if len(array) < 2:
        return None
    found = stats.bootstrap(
        (array,),
        np.mean,
        n_resamples=resamples,
        confidence_level=level,
        method="percentile",
        rng=generator,
    ).confidence_interval
    return float(found.low), float(found.high)


@dataclass(frozen=True)
class PairTest:
    """Wilcoxon's signed-rank test of two rows over the same categories.

    Attributes:
        first: Index of one row.
        second: Index of the other.
        difference: Mean of first minus second.
        wins: Categories in which the first is better.
        losses: Categories in which the second is better.
        p: Two-sided, exact.
        adjusted: `p` after Holm's correction for all pairs.
    """

    first: int
    second: int
    difference: float
    wins: int
    losses: int
    p: float
    adjusted: float


def wilcoxon_pairs(values: ArrayLike) -> list[PairTest]:
    """Test every pair of rows, with Holm's correction over the pairs.

    Args:
        values: `(rows, categories)`.

    Returns:
        One test for each pair, in order of indices.
    """
    table = _table(values)
    pairs = [(i, j) for i in range(len(table)) for j in range(i + 1, len(table))]
    differences = [table[i] - table[j] for i, j in pairs]
    found = [signed_rank_p(difference) for difference in differences]
    return [
        PairTest(
            *(i, j, float(d.mean()), int((d > 0).sum()), int((d < 0).sum())),
            p=p,
            adjusted=adjusted,
        )
        for (i, j), d, p, adjusted in zip(pairs, differences, found, holm(found), strict=True)
    ]


def signed_rank_p(differences: ArrayLike) -> float:
    """Exact two-sided p of Wilcoxon's signed-rank test, with ties.

    Zeros are left out and tied sizes share their mean rank; the distribution goes over all signs
    of the ranks at hand, so that ties need no approximation.

    Args:
        differences: `(N,)`.

    Returns:
        The p value; 1 where nothing differs.
    """
    found = np.asarray(differences, dtype=np.float64)
    # Differences of decimals that are equal on paper are equal here.
    found = np.round(found, 12)
    found = found[found != 0]
    if not len(found):
        return 1.0
    doubled = np.rint(2 * stats.rankdata(np.abs(found))).astype(np.int64)
    # ways[s]: share of the sign patterns whose positive ranks sum to s / 2.
    ways = np.zeros(int(doubled.sum()) + 1)
    ways[0] = 1.0
    for rank in doubled:
        shifted = np.zeros_like(ways)
        shifted[rank:] = ways[:-rank]
        ways = (ways + shifted) / 2
    positive = int(doubled[found > 0].sum())
    smaller = min(positive, len(ways) - 1 - positive)
    return float(min(1.0, 2 * ways[: smaller + 1].sum()))


def smallest_p(categories: int) -> float:
    """The smallest p that `signed_rank_p` can give for so many categories."""
    return float(min(1.0, 2.0 ** (1 - categories)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction of p values, in the order given."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(p) else steps
    return [float(value) for value in adjusted]


def average_ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Mean rank of each row over categories; 1 is best, ties share their mean rank.

    Args:
        values: `(rows, categories)`.

    Returns:
        `(rows,)`.
    """
    return np.asarray(stats.rankdata(-np.round(_table(values), 12), axis=0)).mean(axis=1)


def friedman_p(values: ArrayLike) -> float | None:
    """P value of Friedman's test that all rows rank alike; None for fewer than three rows."""
    table = np.round(_table(values), 12)
    if len(table) < 3 or table.shape[1] < 2:
        return None
    if (table == table[0]).all():
        return 1.0
    return float(stats.friedmanchisquare(*table).pvalue)


def critical_difference(rows: int, categories: int, *, alpha: float = 0.05) -> float | None:
    """Nemenyi's critical difference of average ranks.

    Args:
        rows: How many are compared.
        categories: Over how many.
        alpha: Level of significance of the whole comparison.

    Returns:
        The difference; None for fewer than two rows or `FEWEST_CATEGORIES` categories.
    """
    if rows < 2 or categories < FEWEST_CATEGORIES:
        return None
    quantile = stats.studentized_range.ppf(1 - alpha, rows, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(rows * (rows + 1) / (6 * categories)))


def cliques(ranks: Sequence[float], difference: float) -> list[list[int]]:
    """Largest groups of rows whose average ranks differ by no more than a difference.

    Args:
        ranks: One per row.
        difference: The critical difference.

    Returns:
        Groups of two or more indices, best rank first; none lies within another.
    """
    order = sorted(range(len(ranks)), key=lambda index: ranks[index])
    groups: list[list[int]] = []
    end = 0
    for start in range(len(order)):
        last = start
        while last + 1 < len(order) and (
            ranks[order[last + 1]] - ranks[order[start]] <= difference + 1e-12
        ):
            last += 1
        if last > start and last + 1 > end:
            groups.append(order[start : last + 1])
            end = last + 1
    return groups


def _table(values: ArrayLike) -> NDArray[np.float64]:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise ConfigurationError(
            f"Rows are compared over the same categories: a table of finite numbers is needed, "
            f"not one of shape {table.shape}."
        )
    return table

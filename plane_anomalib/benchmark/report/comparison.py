"""The statistics of a report: intervals, ranks and tests over categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.benchmark.leaderboard import Leaderboard, RowKey
from plane_anomalib.benchmark.report.tables import OURS, Cell, Group, Table, metric_name, number
from plane_anomalib.benchmark.statistics import (
    FEWEST_CATEGORIES,
    average_ranks,
    bootstrap_interval,
    critical_difference,
    friedman_p,
    smallest_p,
    wilcoxon_pairs,
)

_FEW_FOR_NEMENYI = 10
_ALPHA = 0.05
_INTERVAL_HEADS = (
    *("Method", "Mean", "SD over seeds", "95 % interval", "Chance", "Above chance"),
    "Average rank",
)
_INTERVAL_NOTE = (
    "Bootstrap over categories (10,000 draws); with few categories it is too narrow. Above chance: "
    "the whole interval is."
)


@dataclass(frozen=True)
class MethodComparison:
    """Complete rows compared over the same categories.

    Attributes:
        where: The set of data, or all of them.
        metric: What is compared.
        names: The rows, best mean first.
        intervals: Mean, deviation over seeds, interval over categories and chance.
        ranks: Average rank of each of `names`; empty for fewer than two.
        difference: Nemenyi's critical difference; None where there are too few categories.
        pairs: Tests of every pair; None for fewer than two rows.
        remarks: What the numbers can and cannot say.
    """

    where: str
    metric: str
    names: list[str]
    intervals: Table
    ranks: list[float]
    difference: float | None
    pairs: Table | None
    remarks: list[str]


def compare(
    board: Leaderboard, columns: Sequence[str], metric: str, generator: np.random.Generator
) -> MethodComparison | None:
    """Compare the rows that are complete on some sets of data.

    Args:
        board: All results.
        columns: The sets of data; categories of several are taken as independent.
        metric: What to compare.
        generator: Draws the bootstrap.

    Returns:
        The comparison; None without a complete row.
    """
    complete = [board.comparable(column, metric) for column in columns]
    keys = [key for key in board.rows if all(key in found for found in complete)]
    if not keys:
        return None
    values = np.array([_values(board, key, columns, metric) for key in keys])
    order = np.argsort(-values.mean(axis=1), kind="stable")
    keys, values = [keys[i] for i in order], values[order]
    names = [board.label(key) for key in keys]
    rows, categories = values.shape
    several = rows > 1
    difference = critical_difference(rows, categories, alpha=_ALPHA)
    where = _place(columns)
    return MethodComparison(
        where=where,
        metric=metric,
        names=names,
        intervals=_intervals(board, keys, columns, metric, values, generator),
        ranks=[float(rank) for rank in average_ranks(values)] if several else [],
        difference=difference,
        pairs=_pairs(names, values, f"{metric_name(metric)} on {where}") if several else None,
        remarks=_left_out(board, keys, columns) + _remarks(values, columns, difference),
    )


def _values(board: Leaderboard, key: RowKey, columns: Sequence[str], metric: str) -> list[float]:
    found = []
    for column in columns:
        per_category = board.scores[key, column, metric].per_category
        found += [per_category[name] for name in sorted(per_category)]
    return found


def _intervals(
    board: Leaderboard,
    keys: Sequence[RowKey],
    columns: Sequence[str],
    metric: str,
    values: NDArray[np.float64],
    generator: np.random.Generator,
) -> Table:
    floor = _floor(board, keys[0], columns, metric)
    lines = []
    for key, row, rank in zip(keys, values, average_ranks(values), strict=True):
        interval = bootstrap_interval(row, generator)
        deviation = board.scores[key, columns[0], metric].deviation if len(columns) == 1 else None
        verdict = "-"
        if interval is not None and floor is not None:
            verdict = "yes" if interval[0] > floor else "no"
        lines.append(
            [
                Cell(board.label(key)),
                number(float(row.mean())),
                number(deviation),
                Cell("-" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"),
                number(floor),
                Cell(verdict),
                number(float(rank) if len(keys) > 1 else None, 2),
            ]
        )
    return Table(
        f"{metric_name(metric)} on {_place(columns)}, with intervals over {values.shape[1]} "
        "categories",
        list(_INTERVAL_HEADS),
        [Group(OURS, lines)],
        notes=[_INTERVAL_NOTE],
    )


def _floor(board: Leaderboard, key: RowKey, columns: Sequence[str], metric: str) -> float | None:
    """What chance gives over the categories of all columns; None unless known for each."""
    weights = [len(board.scores[key, column, metric].per_category) for column in columns]
    floors = [board.floors.get((column, metric)) for column in columns]
    known = [floor for floor in floors if floor is not None]
    return float(np.average(known, weights=weights)) if len(known) == len(floors) else None


def _place(columns: Sequence[str]) -> str:
    return columns[0] if len(columns) == 1 else "all sets of data"


def _pairs(names: Sequence[str], values: NDArray[np.float64], what: str) -> Table:
    lines = [
        [
            Cell(names[test.first]),
            Cell(names[test.second]),
            Cell(f"{test.difference:+.3f}", test.difference),
            Cell(f"{test.wins} / {test.losses}", test.wins - test.losses),
            Cell(_p(test.p), test.p),
            Cell(_p(test.adjusted), test.adjusted),
        ]
        for test in wilcoxon_pairs(values)
    ]
    return Table(
        f"Pairs of methods by {what}",
        ["First", "Second", "Difference", "Wins / losses", "p", "p (Holm)"],
        [Group(OURS, lines)],
        words=2,
        notes=["Wilcoxon's signed-rank test over categories, two-sided, exact."],
    )


def _p(value: float) -> str:
    return f"{value:.1e}" if value < 0.001 else f"{value:.3f}"


def _left_out(board: Leaderboard, keys: Sequence[RowKey], columns: Sequence[str]) -> list[str]:
    """Rows that were run and are not compared."""
    run = {key for column in columns for key in board.rows_of(column)}
    names = [board.label(key) for key in board.rows if key in run and key not in keys]
    return [f"Left out, since incomplete: {', '.join(names)}."] if names else []


def _remarks(
    values: NDArray[np.float64], columns: Sequence[str], difference: float | None
) -> list[str]:
    rows, categories = values.shape
    if rows < 2:
        return ["One complete row: nothing to compare it with."]
    remarks = []
    friedman = friedman_p(values)
    if friedman is not None:
        remarks.append(f"Friedman's test that all rank alike: p = {_p(friedman)}.")
    if difference is None:
        remarks.append(
            f"{categories} categories are too few for a critical difference (at least "
            f"{FEWEST_CATEGORIES}): ranks are shown without one."
        )
    else:
        rough = "; rough below ten" if categories < _FEW_FOR_NEMENYI else ""
        remarks.append(
            f"Nemenyi's critical difference at {_ALPHA}: {difference:.2f} ranks over {categories} "
            f"categories{rough}."
        )
    pairs = rows * (rows - 1) // 2
    smallest = smallest_p(categories)
    if min(1.0, smallest * pairs) > _ALPHA:
        remarks.append(
            f"No test of {pairs} pairs over {categories} categories can reach p (Holm) of "
            f"{_ALPHA}: the smallest possible is {_p(min(1.0, smallest * pairs))}."
        )
    if len(columns) > 1:
        remarks.append(
            "Categories of all sets of data together, as if independent; sets that show the same "
            "objects are not."
        )
    return remarks

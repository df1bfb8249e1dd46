"""Values by category: the heat map of a report."""

from __future__ import annotations

from collections.abc import Sequence

from plane_anomalib.benchmark.published import Reported, ReportedRow
from plane_anomalib.benchmark.report.tables import (
    ABSENT,
    INCOMPLETE,
    INCOMPLETE_TITLE,
    OURS,
    REPORTED,
    REPORTED_TITLE,
    Cell,
    Group,
    Table,
    marked,
    measured,
    metric_name,
    number,
    ordered,
    score_cell,
)
from plane_anomalib.benchmark.table import Leaderboard, Score


def by_category(board: Leaderboard, column: str, metric: str, reported: Reported) -> Table:
    """One metric of every row and category of a set of data, shaded by value."""
    names = board.categories[column]
    scored = [(key, board.scores[key, column, metric]) for key in board.rows_of(column)]
    known = [value for _, score in scored for value in score.per_category.values()]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)

    def shaded(value: float | None) -> Cell:
        cell = number(value)
        if value is None:
            return cell
        share = (value - low) / (high - low) if high > low else 0.5
        return Cell(cell.text, value, shade=min(1.0, max(0.0, share)))

    def line(name: str, score: Score) -> list[Cell]:
        values = [shaded(score.per_category.get(category)) for category in names]
        return [Cell(name), *values, score_cell(score)]

    places = range(1, len(names) + 2)
    by = len(names) + 1
    complete = [line(board.label(key), score) for key, score in scored if score.complete]
    incomplete = [line(board.label(key), score) for key, score in scored if not score.complete]
    groups = [Group(OURS, ordered(marked(complete, places), by))]
    if incomplete:
        groups.append(Group(INCOMPLETE, incomplete, INCOMPLETE_TITLE))
    others = [row for row in reported.rows if metric in row.per_category]
    if others:
        lines = [_reported_categories(row, metric, names) for row in others]
        groups.append(Group(REPORTED, lines, REPORTED_TITLE))
    return Table(
        f"{metric_name(metric)} by category on {column}",
        ["Method", *names, "Mean"],
        groups,
        notes=[f"Colours go from {low:.3f} to {high:.3f}, the range of this table."]
        if known
        else [],
        sorted_by=by,
    )


def _reported_categories(row: ReportedRow, metric: str, names: Sequence[str]) -> list[Cell]:
    values = [number(row.per_category[metric].get(name)) for name in names]
    mean = row.mean.get(metric)
    return [
        Cell(f"{row.method} ({row.source})"),
        *values,
        Cell(ABSENT) if mean is None else measured(*mean),
    ]

"""What a report says of each set of data: leaderboard, costs and values by category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plane_anomalib.benchmark.leaderboard import Leaderboard, RowCost, RowKey, Score
from plane_anomalib.benchmark.published import Reported, ReportedRow, reported_for
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
    amount,
    marked,
    measured,
    metric_name,
    number,
    ordered,
    score_cell,
)

MAIN_METRICS = ("object_AUROC", "point_AP")
"""One of objects and one of points: the two that overviews, charts and tests are about."""

_WORDS = ("Method", "Training", "Seeds", "Categories")
_COSTS = ("s per cloud", "Fit s", "Memory GB", "GPU GB", "GFLOP", "M params")


@dataclass(frozen=True)
class Section:
    """One set of data.

    Attributes:
        column: Its name.
        reported: What others report on it, or why there is nothing.
        board: Every metric and cost of every row.
        metrics: The metrics of `board`, in its order.
        by_category: For each metric the values by category.
    """

    column: str
    reported: Reported
    board: Table
    metrics: list[str]
    by_category: dict[str, Table]

    @property
    def quality(self) -> Table:
        """The board without costs."""
        last = len(_WORDS) + len(self.metrics)
        return self.board.columns(range(last), f"Quality on {self.column}")

    @property
    def cost(self) -> Table:
        """The board without quality and without what others report."""
        first = len(_WORDS) + len(self.metrics)
        wanted = [0, 1, *range(first, len(self.board.heads))]
        table = self.board.columns(wanted, f"Cost on {self.column}")
        groups = [group for group in table.groups if group.kind != REPORTED]
        return Table(table.caption, table.heads, groups, table.words)


def section(board: Leaderboard, column: str) -> Section:
    """All tables of one set of data."""
    results = [result for result in board.results if result.job.column == column]
    reported = reported_for(results, board.categories[column])
    metrics = board.metrics_of(column)
    return Section(
        column,
        reported,
        _board(board, column, metrics, reported),
        metrics,
        {metric: by_category(board, column, metric, reported) for metric in metrics},
    )


def main_metrics(metrics: Sequence[str]) -> list[str]:
    """The metrics that charts and tests are about: the usual two, else the first there is."""
    return [name for name in MAIN_METRICS if name in metrics] or list(metrics[:1])


def overview(board: Leaderboard) -> Table | None:
    """The main metrics of all sets of data side by side; None for a single one."""
    if len(board.columns) < 2:
        return None
    wanted = [(c, m) for c in board.columns for m in main_metrics(board.metrics_of(c))]
    lines = [
        [Cell(key.row), Cell(key.scope)]
        + [score_cell(board.scores.get((key, column, metric))) for column, metric in wanted]
        for key in board.rows
    ]
    # A row is marked where it is complete, whatever it lacks elsewhere.
    for offset, (column, metric) in enumerate(wanted, start=2):
        complete = board.comparable(column, metric)
        rows = [line for key, line in zip(board.rows, lines, strict=True) if key in complete]
        for line, done in zip(rows, marked(rows, [offset]), strict=True):
            line[offset] = done[offset]
    floors = [number(board.floors.get(pair)) for pair in wanted]
    by = 2 if wanted else None
    return Table(
        "All sets of data",
        ["Method", "Training", *(f"{c}: {metric_name(m)}" for c, m in wanted)],
        [Group(OURS, ordered(lines, by))],
        words=2,
        foot=[[Cell("Chance"), Cell(""), *floors]],
        notes=["† over fewer categories than there are, and not compared."]
        if any("†" in cell.text for line in lines for cell in line)
        else [],
        sorted_by=by,
    )


def _board(board: Leaderboard, column: str, metrics: list[str], reported: Reported) -> Table:
    complete: list[list[Cell]] = []
    incomplete: list[list[Cell]] = []
    for key in board.rows_of(column):
        scores = [board.scores[key, column, metric] for metric in metrics]
        line = _line(board, key, column, scores)
        every = bool(scores) and all(score.complete for score in scores)
        (complete if every else incomplete).append(line)
    first = len(_WORDS)
    chosen = main_metrics(metrics)
    by = first + metrics.index(chosen[0]) if chosen else None
    places = range(first, first + len(metrics))
    groups = [Group(OURS, ordered(marked(complete, places), by))]
    if incomplete:
        groups.append(Group(INCOMPLETE, ordered(incomplete, by), INCOMPLETE_TITLE))
    if reported.rows:
        lines = [_reported_line(row, metrics) for row in reported.rows]
        groups.append(Group(REPORTED, lines, REPORTED_TITLE))
    blank = [Cell("")] * (len(_WORDS) - 1)
    floors = [number(board.floors.get((column, metric))) for metric in metrics]
    every_row = [*complete, *incomplete]
    table = Table(
        f"Results on {column}",
        [*_WORDS, *map(metric_name, metrics), *_COSTS],
        groups,
        words=len(_WORDS),
        foot=[[Cell("Chance"), *blank, *floors, *[Cell("")] * len(_COSTS)]] if metrics else [],
        notes=_notes(board, column, metrics, reported),
        sorted_by=by,
    )
    measured_at_all = [
        place
        for place in range(len(table.heads))
        if place < first + len(metrics) or any(row[place].value is not None for row in every_row)
    ]
    return table.columns(measured_at_all)


def _line(board: Leaderboard, key: RowKey, column: str, scores: Sequence[Score]) -> list[Cell]:
    """Name, training, seeds, categories, metrics, costs."""
    total = len(board.categories[column])
    worst = min(
        scores, key=lambda s: (s.complete, len(s.per_category) / max(s.expected, 1)), default=None
    )
    seeds = sorted(
        {
            r.job.seed
            for r in board.results
            if (r.job.row, r.job.scope) == (key.row, key.scope) and r.job.column == column
        }
    )
    used = len(worst.per_seed) if worst is not None else 0
    if worst is None:
        categories = f"0 of {total}"
    else:
        categories = f"{len(worst.per_category)} of {worst.expected}"
    words = [
        Cell(key.row),
        Cell(key.scope),
        Cell(str(used) if used == len(seeds) else f"{used} of {len(seeds)}", used),
        Cell(categories),
    ]
    return words + [score_cell(score) for score in scores] + _costs(board.costs.get((key, column)))


def _costs(cost: RowCost | None) -> list[Cell]:
    if cost is None:
        return [Cell(ABSENT)] * len(_COSTS)

    def scaled(value: float | None, unit: float) -> Cell:
        return amount(None if value is None else value / unit)

    return [
        amount(cost.seconds_per_cloud),
        amount(cost.fit_seconds),
        scaled(cost.peak_memory_bytes, 1e9),
        scaled(cost.peak_gpu_memory_bytes, 1e9),
        scaled(cost.operations, 1e9),
        scaled(cost.parameters, 1e6),
    ]


def _reported_line(row: ReportedRow, metrics: Sequence[str]) -> list[Cell]:
    found = [row.mean.get(metric) for metric in metrics]
    cells = [Cell(ABSENT) if pair is None else measured(*pair) for pair in found]
    words = [Cell(row.method), Cell(row.source), Cell(""), Cell("")]
    return [*words, *cells, *[Cell(ABSENT)] * len(_COSTS)]


def _notes(
    board: Leaderboard, column: str, metrics: Sequence[str], reported: Reported
) -> list[str]:
    notes = []
    for key in board.rows_of(column):
        gaps: dict[str, list[str]] = {}
        for metric in metrics:
            if words := board.scores[key, column, metric].coverage:
                gaps.setdefault(words, []).append(metric_name(metric))
        for words, names in gaps.items():
            what = "" if len(names) == len(metrics) else f" ({', '.join(names)})"
            notes.append(f"{board.label(key)}: {words}{what}.")
    lacking: dict[tuple[str, ...], list[str]] = {}
    for metric in metrics:
        if absent := board.without.get((column, metric)):
            lacking.setdefault(tuple(absent), []).append(metric_name(metric))
    notes += [
        f"The data gives no {', '.join(found)} for {', '.join(absent)}: left out of these means."
        for absent, found in lacking.items()
    ]
    if any(row.averaged for row in reported.rows):
        notes.append("Reported means go over the categories of this table, taken from the papers.")
    return [*notes, reported.reason]


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

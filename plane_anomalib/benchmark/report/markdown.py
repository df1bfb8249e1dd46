"""A report as Markdown: the tables, without pictures; and a short table for the end of a run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from plane_anomalib.benchmark.leaderboard import Leaderboard, RowKey, leaderboard
from plane_anomalib.benchmark.report.report import Report
from plane_anomalib.benchmark.report.tables import BEST, SECOND, Cell, Table, metric_name
from plane_anomalib.benchmark.schema import JobResult

_SPECIAL = re.compile(r"([\\`*_\[\]|~#])")


def to_markdown(report: Report) -> str:
    """The report as text."""
    parts = [f"# {escape(report.title)}", escape(report.summary)]
    parts.append("**Best**, _second best_ of the complete rows; ± is the deviation over seeds.")
    parts += [_list(report.board.notices)] if report.board.notices else []
    if report.overview is not None:
        parts.append(_table(report.overview))
    for section in report.sections:
        parts.append(f"## {escape(section.column)}")
        parts += [_table(section.quality), _table(section.cost)]
        parts += [_table(table) for table in section.by_category.values()]
    if report.comparisons:
        parts.append("## Statistics")
    for comparison in report.comparisons:
        what = f"### {metric_name(comparison.metric)} on {comparison.where}"
        parts += [escape(what, heading=True), _table(comparison.intervals)]
        parts += [_table(comparison.pairs)] if comparison.pairs is not None else []
        parts.append(_list(comparison.remarks))
    parts.append("## Failures")
    failures = [f"{f.title}: {f.status}, {f.error}" for f in report.failures]
    parts.append(_list(failures) if failures else "None.")
    parts += ["## Environment", _table(report.environments), _table(report.hashes)]
    return "\n\n".join(parts) + "\n"


def escape(text: str, *, heading: bool = False) -> str:
    """Text that Markdown shows as it is, on one line.

    Args:
        text: Anything.
        heading: Whether the marks of a heading at its start are meant as such.
    """
    marks = re.match(r"#+ ", text) if heading else None
    start = marks.group() if marks else ""
    plain = " ".join(text[len(start) :].split())
    plain = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return start + _SPECIAL.sub(r"\\\1", plain)


def _table(table: Table) -> str:
    rule = "|" + "|".join("---" if i < table.words else "---:" for i in range(len(table.heads)))
    lines = [_row(escape(head) for head in table.heads), rule + "|"]
    for group in table.groups:
        if group.title:
            blank = [""] * (len(table.heads) - 1)
            lines.append(_row([f"_{escape(group.title)}_", *blank]))
        lines += [_row(_cell(cell) for cell in row) for row in group.rows]
    lines += [_row(_cell(cell) for cell in row) for row in table.foot]
    text = f"{escape(table.caption)}:\n\n" + "\n".join(lines)
    return f"{text}\n\n{_list(table.notes)}" if table.notes else text


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(cell: Cell) -> str:
    text = escape(cell.words)
    return {BEST: f"**{text}**", SECOND: f"_{text}_"}.get(cell.mark, text)


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {escape(line)}" for line in lines)


_SHORT_METRICS = ("object_AUROC", "object_AP", "point_AUROC", "point_AP", "point_AUPRO")


def printed(results: Sequence[JobResult]) -> str:
    """For each column a table of its rows: means over categories, then over seeds.

    A row that lacks categories says how many it has, since its mean is of others than its
    neighbours'.

    Args:
        results: Of a sweep.
    """
    board = leaderboard(results)
    return "\n".join(_short_table(board, column) for column in board.columns)


def _short_table(board: Leaderboard, column: str) -> str:
    lines = [
        f"### {column}\n",
        f"| model | {' | '.join(_SHORT_METRICS)} | s/cloud | |",
        f"|---|{'---:|' * (len(_SHORT_METRICS) + 1)}---|",
    ]
    lines += [_short_line(board, key, column) for key in board.rows_of(column)]
    return "\n".join(lines) + "\n"


def _short_line(board: Leaderboard, key: RowKey, column: str) -> str:
    scores = [board.scores.get((key, column, metric)) for metric in _SHORT_METRICS]
    cells = [_short_number(None if score is None else score.mean) for score in scores]
    cost = board.costs.get((key, column))
    cells.append(_short_number(None if cost is None else cost.seconds_per_cloud))
    remarks = [score.coverage for score in scores if score is not None and score.coverage]
    failed = "" if scores[0] is not None else "failed"
    return f"| {board.label(key)} | {' | '.join(cells)} | {(remarks or [failed])[0]} |"


def _short_number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"

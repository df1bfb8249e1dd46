"""A short Markdown table of a sweep's results, for the end of a run."""

from __future__ import annotations

from collections.abc import Sequence

from plane_anomalib.benchmark.rows import RowKey
from plane_anomalib.benchmark.schema import JobResult
from plane_anomalib.benchmark.table import Leaderboard, leaderboard

_METRICS = ("object_AUROC", "object_AP", "point_AUROC", "point_AP", "point_AUPRO")


def printed(results: Sequence[JobResult]) -> str:
    """For each column a table of its rows: means over categories, then over seeds.

    A row that lacks categories says how many it has, since its mean is of others than its
    neighbours'.

    Args:
        results: Of a sweep.
    """
    board = leaderboard(results)
    return "\n".join(_table(board, column) for column in board.columns)


def _table(board: Leaderboard, column: str) -> str:
    lines = [
        f"### {column}\n",
        f"| model | {' | '.join(_METRICS)} | s/cloud | |",
        f"|---|{'---:|' * (len(_METRICS) + 1)}---|",
    ]
    lines += [_line(board, key, column) for key in board.rows_of(column)]
    return "\n".join(lines) + "\n"


def _line(board: Leaderboard, key: RowKey, column: str) -> str:
    scores = [board.scores.get((key, column, metric)) for metric in _METRICS]
    cells = [_number(None if score is None else score.mean) for score in scores]
    cost = board.costs.get((key, column))
    cells.append(_number(None if cost is None else cost.seconds_per_cloud))
    remarks = [score.coverage for score in scores if score is not None and score.coverage]
    failed = "" if scores[0] is not None else "failed"
    return f"| {board.label(key)} | {' | '.join(cells)} | {(remarks or [failed])[0]} |"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"

"""A short Markdown table of a sweep's results, for the end of a run."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from plane_anomalib.benchmark.schema import DONE, JobResult

_METRICS = ("object_AUROC", "object_AP", "point_AUROC", "point_AP", "point_AUPRO")


def leaderboard(results: Sequence[JobResult]) -> str:
    """For each column a table of its rows: means over categories, each first over its seeds.

    A row whose jobs are not all done says so, since its mean is of other categories than the
    others'.

    Args:
        results: Of a sweep.
    """
    columns = list(dict.fromkeys(result.job.column for result in results))
    return "\n".join(
        _table(column, [result for result in results if result.job.column == column])
        for column in columns
    )


def _table(column: str, results: Sequence[JobResult]) -> str:
    lines = [
        f"### {column}\n",
        f"| model | {' | '.join(_METRICS)} | s/cloud | jobs |",
        f"|---|{'---:|' * (len(_METRICS) + 2)}",
    ]
    rows = dict.fromkeys((result.job.row, result.job.scope) for result in results)
    several = {row for row, _ in rows if sum(name == row for name, _ in rows) > 1}
    for row, scope in rows:
        mine = [r for r in results if (r.job.row, r.job.scope) == (row, scope)]
        name = f"{row}, {scope}" if row in several else row
        lines.append(f"| {name} | {' | '.join(_cells(mine))} |")
    return "\n".join(lines) + "\n"


def _cells(results: Sequence[JobResult]) -> list[str]:
    done = [result for result in results if result.status == DONE]
    cells = [_number(_mean(done, metric)) for metric in _METRICS]
    seconds = [r.run.timing.seconds_per_cloud for r in done if r.run is not None]
    known = [each for each in seconds if each is not None]
    jobs = f"{len(done)}" if len(done) == len(results) else f"{len(done)} of {len(results)} done"
    return [*cells, f"{fmean(known):.3f}" if known else "", jobs]


def _mean(done: Sequence[JobResult], metric: str) -> float | None:
    values: dict[str, list[float]] = {}
    for result in done:
        for category, metrics in result.run.metrics.per_category.items() if result.run else ():
            value = metrics.get(metric)
            if value is not None:
                values.setdefault(category, []).append(value)
    return fmean(fmean(each) for each in values.values()) if values else None


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"

"""A report as one long table: a line for each number, and for each that is missing."""

from __future__ import annotations

import csv
import io

from plane_anomalib.benchmark.report.report import Report
from plane_anomalib.benchmark.report.tables import OURS, REPORTED
from plane_anomalib.benchmark.schema import DONE
from plane_anomalib.core.results import METRIC_NAMES

FIELDS = (
    *("origin", "source", "row", "scope", "column", "category", "seed", "metric", "value"),
    *("deviation", "chance", "status", "seconds_per_cloud", "job"),
)


def to_csv(report: Report) -> str:
    """Every number by row, scope, column, category, seed and metric.

    A job without numbers has lines with an empty value and its status; what others report has
    `origin` "reported" and names its source.
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, FIELDS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows([*_ours(report), *_reported(report)])
    return stream.getvalue()


def _ours(report: Report) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = []
    for result in report.board.results:
        job, run = result.job, result.run
        for category in job.categories:
            values = run.metrics.per_category.get(category, {}) if run is not None else {}
            floors = run.metrics.floors.get(category, {}) if run is not None else {}
            lines += [
                {
                    "origin": OURS,
                    "row": job.row,
                    "scope": job.scope,
                    "column": job.column,
                    "category": category,
                    "seed": job.seed,
                    "metric": metric,
                    "value": _plain(values.get(metric)),
                    "chance": _plain(floors.get(metric)),
                    "status": result.status,
                    "seconds_per_cloud": _plain(run.timing.seconds_per_cloud if run else None),
                    "job": result.job_id,
                }
                for metric in METRIC_NAMES
            ]
    return lines


def _reported(report: Report) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = []
    for section in report.sections:
        for row in section.reported.rows:
            shared = {
                "origin": REPORTED,
                "source": row.source,
                "row": row.method,
                "column": section.column,
                "status": DONE,
            }
            for metric, values in row.per_category.items():
                lines += [
                    {**shared, "category": name, "metric": metric, "value": _plain(value)}
                    for name, value in values.items()
                ]
            lines += [
                {
                    **shared,
                    "category": "mean",
                    "metric": metric,
                    "value": _plain(mean),
                    "deviation": _plain(deviation),
                }
                for metric, (mean, deviation) in row.mean.items()
            ]
    return lines


def _plain(value: float | None) -> str:
    return "" if value is None else repr(float(value))

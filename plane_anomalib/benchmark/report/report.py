"""Everything that a report says, gathered once for all formats.

Beside the tables of each set of data and their statistics that is the record: what failed, on
which machines and versions, from which files. `to_csv` is all of it as one long table.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from plane_anomalib.benchmark.leaderboard import Leaderboard, leaderboard
from plane_anomalib.benchmark.report.comparison import MethodComparison, compare
from plane_anomalib.benchmark.report.content import Section, main_metrics, overview, section
from plane_anomalib.benchmark.report.tables import OURS, REPORTED, Cell, Group, Table
from plane_anomalib.benchmark.schema import DONE, JobResult
from plane_anomalib.core.provenance import NOT_CONFIGURATION
from plane_anomalib.core.results import METRIC_NAMES, Component
from plane_anomalib.core.typed_data import strict_json

CSV_FIELDS = (
    *("origin", "source", "row", "scope", "column", "category", "seed", "metric", "value"),
    *("deviation", "chance", "status", "seconds_per_cloud", "job"),
)


@dataclass(frozen=True)
class Report:
    """What is written, in any format.

    Attributes:
        title: Headline.
        summary: One sentence on what was run.
        board: All numbers.
        overview: The main metrics of several sets of data; None for one.
        sections: One for each set of data.
        comparisons: Statistics of each set of data and main metric, then of all sets together.
        failures: Jobs without numbers.
        environments: Machines and software.
        hashes: What each job was made of.
        settings: Arguments of models and data as JSON.
    """

    title: str
    summary: str
    board: Leaderboard
    overview: Table | None
    sections: list[Section]
    comparisons: list[MethodComparison]
    failures: list[FailedJob]
    environments: Table
    hashes: Table
    settings: list[tuple[str, str]]

    def comparisons_of(self, where: str) -> list[MethodComparison]:
        """The statistics of one set of data."""
        return [comparison for comparison in self.comparisons if comparison.where == where]


def gather(results: Sequence[JobResult], title: str, generator: np.random.Generator) -> Report:
    """Put a report together.

    Args:
        results: Of one sweep, finished and failed.
        title: Headline.
        generator: Draws the bootstrap.
    """
    board = leaderboard(results)
    comparisons = [
        compare(board, [column], metric, generator)
        for column in board.columns
        for metric in main_metrics(board.metrics_of(column))
    ]
    if len(board.columns) > 1:
        shared = [m for m in board.metrics if all(m in board.metrics_of(c) for c in board.columns)]
        comparisons += [
            compare(board, board.columns, metric, generator) for metric in main_metrics(shared)
        ]
    return Report(
        title=title,
        summary=_summary(board),
        board=board,
        overview=overview(board),
        sections=[section(board, column) for column in board.columns],
        comparisons=[found for found in comparisons if found is not None],
        failures=failed_jobs(board.failures),
        environments=environments(board.results),
        hashes=hashes(board.results),
        settings=settings(board.results),
    )


def _summary(board: Leaderboard) -> str:
    if not board.results:
        return "There are no results yet."
    failed = len(board.failures)
    seeds = len({result.job.seed for result in board.results})
    first = min(result.timing.started for result in board.results)[:10]
    last = max(result.timing.finished for result in board.results)[:10]
    when = first if first == last else f"{first} to {last}"
    return (
        f"{_count(len(board.results), 'job')} of {_count(len(board.rows), 'method')} on "
        f"{_count(len(board.columns), 'set')} of data with {_count(seeds, 'seed')}, {when}; "
        f"{failed or 'none'} failed."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


_DIGITS = 12


@dataclass(frozen=True)
class FailedJob:
    """A job without numbers, in words."""

    title: str
    status: str
    error: str
    traceback: str


def failed_jobs(results: Iterable[JobResult]) -> list[FailedJob]:
    """What failed and why."""
    found = []
    for result in results:
        job, failure = result.job, result.failure
        title = (
            f"{job.row} ({job.scope}) on {job.column}: {', '.join(job.categories)}; seed "
            f"{job.seed}, attempt {result.attempt}, job {result.job_id}"
        )
        error = f"{failure.type}: {failure.message}" if failure else "It left no error."
        traceback = failure.traceback if failure else ""
        found.append(FailedJob(title, result.status.replace("_", " "), error, traceback))
    return found


def environments(results: Sequence[JobResult]) -> Table:
    """Software and machines, with the number of jobs of each."""
    counted = Counter((result.versions, result.hardware) for result in results)
    lines = [
        [
            Cell(machine.cpu),
            Cell(str(machine.cores), machine.cores),
            Cell(f"{machine.ram_bytes / 1e9:.0f}", machine.ram_bytes),
            Cell(machine.gpu or "none"),
            Cell(f"{versions.plane_anomalib} ({_short(versions.git_commit)})"),
            Cell(versions.anomalib),
            Cell(versions.torch),
            Cell(versions.python),
            Cell(str(jobs), jobs),
        ]
        for (versions, machine), jobs in counted.items()
    ]
    heads = ["Processor", "Cores", "Memory GB", "GPU", "plane_anomalib", "anomalib", "torch"]
    return Table("Machines and software", [*heads, "Python", "Jobs"], [Group(OURS, lines)], words=1)


def hashes(results: Sequence[JobResult]) -> Table:
    """What each result was made of, by the first digits of SHA-256."""
    lines = [
        [
            Cell(result.job.row),
            Cell(result.job.column),
            Cell(_several(result.job.categories)),
            Cell(str(result.job.seed), result.job.seed),
            Cell(result.status.replace("_", " ")),
            Cell(result.job_id),
            *(
                Cell(_short(part))
                for part in (
                    result.identity.code,
                    result.identity.data,
                    result.identity.weights,
                    result.run.weights_hash if result.run is not None else None,
                )
            ),
        ]
        for result in results
    ]
    heads = ["Method", "Data", "Categories", "Seed", "Status", "Job", "Code", "Files"]
    return Table(
        "Jobs and what they were made of",
        [*heads, "Read weights", "Final weights"],
        [Group(OURS, lines)],
        words=10,
        notes=[f"The first {_DIGITS} digits of SHA-256; result.json holds all of them."],
    )


def settings(results: Iterable[JobResult]) -> list[tuple[str, str]]:
    """Arguments of each model and dataset as JSON, places on disk left out.

    Seeds differ from job to job of a row, so the first job speaks for the others.
    """
    found: dict[str, str] = {}
    for result in results:
        job = result.job
        found.setdefault(f"{job.row} ({job.scope}): {job.model.name}", _arguments(job.model))
        found.setdefault(f"{job.column}: {job.data.name}", _arguments(job.data))
    return sorted(found.items())


def _arguments(component: Component) -> str:
    kept = {k: v for k, v in component.arguments.items() if k not in NOT_CONFIGURATION}
    return strict_json(kept, indent=2)


def _several(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} more"


def _short(text: str | None) -> str:
    if text is None:
        return "-"
    commit, mark, rest = text.partition("+")
    return commit[:_DIGITS] + mark + rest


def to_csv(report: Report) -> str:
    """Every number by row, scope, column, category, seed and metric.

    A job without numbers has lines with an empty value and its status; what others report has
    `origin` "reported" and names its source.
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, CSV_FIELDS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows([*_measured_lines(report), *_published_lines(report)])
    return stream.getvalue()


def _measured_lines(report: Report) -> list[dict[str, object]]:
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
                    "value": _number(values.get(metric)),
                    "chance": _number(floors.get(metric)),
                    "status": result.status,
                    "seconds_per_cloud": _number(run.timing.seconds_per_cloud if run else None),
                    "job": result.job_id,
                }
                for metric in METRIC_NAMES
            ]
    return lines


def _published_lines(report: Report) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = []
    for part in report.sections:
        for row in part.reported.rows:
            shared = {
                "origin": REPORTED,
                "source": row.source,
                "row": row.method,
                "column": part.column,
                "status": DONE,
            }
            for metric, values in row.per_category.items():
                lines += [
                    {**shared, "category": name, "metric": metric, "value": _number(value)}
                    for name, value in values.items()
                ]
            lines += [
                {
                    **shared,
                    "category": "mean",
                    "metric": metric,
                    "value": _number(mean),
                    "deviation": _number(deviation),
                }
                for metric, (mean, deviation) in row.mean.items()
            ]
    return lines


def _number(value: float | None) -> str:
    return "" if value is None else repr(float(value))

"""Everything that a report says, gathered once for all formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from plane_anomalib.benchmark.report.comparison import Comparison, compare
from plane_anomalib.benchmark.report.content import Section, main_metrics, overview, section
from plane_anomalib.benchmark.report.record import (
    FailedJob,
    environments,
    failed_jobs,
    hashes,
    settings,
)
from plane_anomalib.benchmark.report.tables import Table
from plane_anomalib.benchmark.schema import JobResult
from plane_anomalib.benchmark.table import Leaderboard, leaderboard


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
    comparisons: list[Comparison]
    failures: list[FailedJob]
    environments: Table
    hashes: Table
    settings: list[tuple[str, str]]

    def comparisons_of(self, where: str) -> list[Comparison]:
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

"""A report as one page that works without a network, without scripts too except its clouds."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from plane_anomalib.benchmark.report.charts import rank_chart, speed_chart
from plane_anomalib.benchmark.report.clouds import CloudCard, cloud_cards
from plane_anomalib.benchmark.report.content import main_metrics
from plane_anomalib.benchmark.report.prompt_map import prompt_maps
from plane_anomalib.benchmark.report.report import Report
from plane_anomalib.web.pages import render_page


def to_html(report: Report, results_folder: Path | None) -> str:
    """The page.

    Args:
        report: What it says.
        results_folder: Where clouds and prompts lie beside each result; None for neither.
    """
    cards = cloud_cards(report.board, results_folder)
    maps, problems = prompt_maps(report.board, results_folder) if results_folder else ([], [])
    return render_page(
        "sweep_report.html",
        report=report,
        data=cards.data,
        notices=[*report.board.notices, *cards.problems, *problems],
        speed={section.column: _speed(report, section.column) for section in report.sections},
        ranks=[rank_chart(comparison) for comparison in report.comparisons],
        main={s.column: main_metrics(s.metrics) for s in report.sections},
        clouds=_by_column(cards.cards),
        maps=maps,
    )


def _speed(report: Report, column: str) -> list[str]:
    """Charts of the main metrics."""
    metrics = main_metrics(report.board.metrics_of(column))
    pictures = [speed_chart(report.board, column, metric) for metric in metrics]
    return [picture for picture in pictures if picture]


def _by_column(cards: list[CloudCard]) -> list[tuple[str, list[tuple[str, list[CloudCard]]]]]:
    """Cards by set of data, then by row."""
    return [
        (
            column,
            [(row, list(mine)) for row, mine in groupby(list(some), key=lambda card: card.row)],
        )
        for column, some in groupby(cards, key=lambda card: card.column)
    ]

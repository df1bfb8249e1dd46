"""A report as one page that works without a network, without scripts too except its clouds."""

from __future__ import annotations

from importlib import resources
from itertools import groupby
from pathlib import Path

from jinja2 import DictLoader, Environment, StrictUndefined

from plane_anomalib.benchmark.report.charts import rank_chart, speed_chart
from plane_anomalib.benchmark.report.clouds import CloudCard, cloud_cards
from plane_anomalib.benchmark.report.content import main_metrics
from plane_anomalib.benchmark.report.prompt_map import prompt_maps
from plane_anomalib.benchmark.report.report import Report
from plane_anomalib.benchmark.report.tables import metric_name
from plane_anomalib.web.packing import json_for_page

_TEMPLATES = ("report.html", "macros.html")


def to_html(report: Report, results_folder: Path | None) -> str:
    """The page.

    Args:
        report: What it says.
        results_folder: Where clouds and prompts lie beside each result; None for neither.
    """
    cards = cloud_cards(report.board, results_folder)
    maps, problems = prompt_maps(report.board, results_folder) if results_folder else ([], [])
    own = resources.files("plane_anomalib.benchmark.report") / "web"
    shared = resources.files("plane_anomalib.web") / "web"
    scripts = [
        *(shared / name for name in ("unpack.js", "viewer.js")),
        *(own / name for name in ("sort.js", "clouds.js")),
    ]
    environment = Environment(
        loader=DictLoader({name: (own / name).read_text("utf-8") for name in _TEMPLATES}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["metric"] = metric_name
    return environment.get_template("report.html").render(
        report=report,
        style=(own / "report.css").read_text("utf-8"),
        script="\n".join(part.read_text("utf-8") for part in scripts),
        data=json_for_page(cards.data),
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

"""A report's files: one page that works without a network, and the same in three more formats.

The page needs no scripts, but for its clouds: of every row it shows the best and the worst one,
small enough to travel in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from plane_anomalib.benchmark.leaderboard import Leaderboard, row_key
from plane_anomalib.benchmark.report.charts import rank_chart, speed_chart
from plane_anomalib.benchmark.report.content import main_metrics
from plane_anomalib.benchmark.report.latex import to_latex
from plane_anomalib.benchmark.report.markdown import to_markdown
from plane_anomalib.benchmark.report.prompt_map import prompt_maps
from plane_anomalib.benchmark.report.report import Report, gather, to_csv
from plane_anomalib.benchmark.schema import JobResult, SavedCloud
from plane_anomalib.core.files import replaced
from plane_anomalib.core.results import ResultsError
from plane_anomalib.web.colours import ScoreScale
from plane_anomalib.web.pages import (
    packed_cloud,
    packed_palette,
    packed_scale,
    packed_steps,
    render_page,
    score_limits,
)
from plane_anomalib.web.pictures import what_matters
from plane_anomalib.web.shown_cloud import ShownCloud, best_rotation

MAX_POINTS = 6000
MAX_TOTAL_POINTS = 220_000
"""About 15 bytes each in the page."""


@dataclass(frozen=True)
class CloudCard:
    """One cloud to look at: whose, which, how good, and its place in the page's data."""

    row: str
    column: str
    kind: str
    caption: str
    index: int


@dataclass(frozen=True)
class CloudCards:
    """All clouds of a page.

    Attributes:
        cards: What is shown, by set of data and row.
        data: What the page's script draws.
        problems: Clouds that could not be shown, and why.
    """

    cards: list[CloudCard]
    data: dict[str, Any]
    problems: list[str]


@dataclass(frozen=True)
class _Pick:
    row: str
    column: str
    kind: str
    result: JobResult
    saved: SavedCloud


def cloud_cards(board: Leaderboard, folder: Path | None) -> CloudCards:
    """Choose and pack clouds: for each row and set of data the worst and the best one.

    Args:
        board: All results.
        folder: The folder of results, which holds the files; None shows no cloud.

    Returns:
        The clouds; a file that is missing or damaged is a problem, not an error.
    """
    picks = _picks(board) if folder is not None else []
    share = min(MAX_POINTS, MAX_TOTAL_POINTS // max(len(picks), 1))
    cards: list[CloudCard] = []
    packed: list[dict[str, Any]] = []
    problems: list[str] = []
    loaded: dict[tuple[str, str], list[tuple[_Pick, ShownCloud]]] = {}
    for pick in picks:
        try:
            cloud = _load(folder or Path(), pick).thinned(share)
        except ResultsError as error:
            problems.append(f"A cloud is not shown: {error}")
            continue
        loaded.setdefault((pick.row, pick.column), []).append((pick, cloud))
    for group in loaded.values():
        # Scores of one model are comparable, those of two are not.
        scale = ScoreScale.fit([c.scores for _, c in group if c.scores is not None])
        low, high = score_limits([cloud for _, cloud in group])
        for pick, cloud in group:
            turned = replace(cloud, rotation=best_rotation(cloud, what_matters(cloud, scale)))
            cards.append(CloudCard(pick.row, pick.column, pick.kind, _caption(pick), len(packed)))
            packed.append(
                {
                    "cloud": packed_cloud(turned, low, high),
                    "scale": packed_scale(scale),
                    "scores": packed_steps(low, high),
                }
            )
    return CloudCards(cards, {**packed_palette(), "clouds": packed}, problems)


def _picks(board: Leaderboard) -> list[_Pick]:
    found: dict[tuple[str, str, str], list[_Pick]] = {}
    for result in board.results:
        for saved in result.clouds:
            place = result.job.column, board.label(row_key(result)), saved.kind
            pick = _Pick(place[1], place[0], saved.kind, result, saved)
            found.setdefault(place, []).append(pick)
    # The worst before the best; other kinds, should there be any, in between.
    return [_extreme(found[place]) for place in sorted(found, key=_by_kind)]


def _by_kind(place: tuple[str, str, str]) -> tuple[str, str, bool, str]:
    column, row, kind = place
    return column, row, kind == "best", kind


def _extreme(picks: Sequence[_Pick]) -> _Pick:
    sign = -1.0 if picks[0].kind == "best" else 1.0

    def key(pick: _Pick) -> tuple[bool, float]:
        quality = pick.saved.point_AP
        return quality is None, sign * (quality or 0.0)

    return min(picks, key=key)


def _load(folder: Path, pick: _Pick) -> ShownCloud:
    """The cloud's points, scores and truth.

    Raises:
        ResultsError: There is no such file in the job's folder, or it does not hold a cloud.
    """
    saved = pick.saved
    home = (folder / pick.result.job_id).resolve()
    file = (home / saved.file).resolve()
    # A result may come from elsewhere: it opens nothing outside its own folder.
    if file.parent != home:
        raise ResultsError(
            f"{saved.file!r} of job {pick.result.job_id} is not in its folder: delete the job's "
            "folder to run it again."
        )
    try:
        with np.load(file, allow_pickle=False) as arrays:
            points = np.asarray(arrays["points"], dtype=np.float32)
            scores = np.asarray(arrays["scores"], dtype=np.float32)
            truth = np.asarray(arrays["truth"], dtype=bool) if "truth" in arrays else None
    except Exception as error:  # a damaged archive fails in many ways
        name = f"{pick.result.job_id}/{saved.file}"
        raise ResultsError(
            f"{name} cannot be read ({type(error).__name__}: {error}): delete the job's folder to "
            "run it again."
        ) from error
    count = len(points)
    fits = points.shape == (count, 3) and scores.shape == (count,) and count > 0
    fits = fits and (truth is None or truth.shape == (count,))
    if not fits or not np.isfinite(points).all():
        raise ResultsError(
            f"{pick.result.job_id}/{saved.file} holds no cloud: points {points.shape}, scores "
            f"{scores.shape}; delete the job's folder to run it again."
        )
    name = PurePosixPath(saved.path).name
    return ShownCloud(name, points, saved.category, path=saved.path, scores=scores, truth=truth)


def _caption(pick: _Pick) -> str:
    quality = pick.saved.point_AP
    words = "good cloud" if quality is None else f"point AP {quality:.3f}"
    return f"{pick.saved.path}: {words}, seed {pick.result.job.seed}"


def write_report(
    results: Sequence[JobResult],
    out: Path,
    *,
    title: str,
    results_folder: Path | None = None,
    seed: int = 0,
) -> list[Path]:
    """Write `report.html`, `report.md`, `report.tex` and `report.csv`.

    Args:
        results: Of one sweep, finished and failed, in any order.
        out: The folder to write to; it is made.
        title: Headline.
        results_folder: The folder of results, in which clouds and prompts lie beside each
            `result.json`; without it the page shows neither.
        seed: Of the bootstrap, so that the same results give the same report.

    Returns:
        The files, in this order.
    """
    report = gather(results, title, np.random.default_rng(seed))
    texts = {
        "report.html": to_html(report, results_folder),
        "report.md": to_markdown(report),
        "report.tex": to_latex(report),
        "report.csv": to_csv(report),
    }
    files = []
    for name, text in texts.items():
        with replaced(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
        files.append(out / name)
    return files


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

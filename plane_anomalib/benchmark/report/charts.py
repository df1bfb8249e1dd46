"""Charts of a report as SVG: average ranks, and speed against quality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from plane_anomalib.benchmark.report.comparison import Comparison
from plane_anomalib.benchmark.report.svg import Drawing, Labels, clipped
from plane_anomalib.benchmark.report.tables import metric_name
from plane_anomalib.benchmark.statistics import cliques
from plane_anomalib.benchmark.table import Leaderboard

_WIDTH = 760.0
_MARGIN = 210.0
_LINE = 20.0


def rank_chart(comparison: Comparison) -> str:
    """Average ranks on a line; bars join rows that the critical difference does not part.

    Args:
        comparison: Of two rows or more.

    Returns:
        The picture; empty for a single row.
    """
    ranks, difference = comparison.ranks, comparison.difference
    if len(ranks) < 2:
        return ""
    groups = cliques(ranks, difference) if difference is not None else []
    order = sorted(range(len(ranks)), key=lambda index: ranks[index])
    left_half = (len(order) + 1) // 2
    axis, first = 56.0, 56.0 + 14 + 9 * len(groups) + 12
    height = first + _LINE * left_half + 4
    what = f"Average ranks by {metric_name(comparison.metric)} on {comparison.where}"
    drawing = Drawing(_WIDTH, height, what)
    step = (_WIDTH - 2 * _MARGIN) / (len(ranks) - 1)

    def place(rank: float) -> float:
        return _MARGIN + (rank - 1) * step

    drawing.line((_MARGIN, axis), (_WIDTH - _MARGIN, axis))
    for tick in range(1, len(ranks) + 1):
        drawing.line((place(tick), axis - 5), (place(tick), axis))
        drawing.text((place(tick), axis - 9), str(tick), "faint", "middle")
    if difference is not None:
        length = min(difference * step, _WIDTH - 2 * _MARGIN)
        drawing.line((_MARGIN, 22), (_MARGIN + length, 22), "bar")
        drawing.text((_MARGIN + length + 8, 26), f"critical difference {difference:.2f}", "faint")
    for level, group in enumerate(groups):
        y = axis + 12 + 9 * level
        ends = place(ranks[group[0]]) - 4, place(ranks[group[-1]]) + 4
        drawing.line((ends[0], y), (ends[1], y), "clique")
    for position, index in enumerate(order):
        on_left = position < left_half
        row = position if on_left else len(order) - 1 - position
        y, x = first + _LINE * row + 6, place(ranks[index])
        edge = _MARGIN - 12 if on_left else _WIDTH - _MARGIN + 12
        drawing.polyline([(x, axis), (x, y), (edge, y)], "stem")
        name = clipped(comparison.names[index], _MARGIN - 60)
        text = f"{name}  {ranks[index]:.2f}" if on_left else f"{ranks[index]:.2f}  {name}"
        drawing.text((edge + (-6 if on_left else 6), y + 4), text, "label", _side(on_left))
    return drawing.markup()


def _side(on_left: bool) -> str:
    return "end" if on_left else "start"


@dataclass(frozen=True)
class _Mark:
    name: str
    seconds: float
    quality: float


def speed_chart(board: Leaderboard, column: str, metric: str) -> str:
    """Seconds per cloud (logarithmic) against quality, for complete rows.

    Args:
        board: All results.
        column: The set of data.
        metric: The quality.

    Returns:
        The picture; empty if no complete row was timed.
    """
    marks = []
    for key, score in board.comparable(column, metric).items():
        cost = board.costs.get((key, column))
        seconds = cost.seconds_per_cloud if cost is not None else None
        if seconds and score.mean is not None:
            marks.append(_Mark(board.label(key), seconds, score.mean))
    if not marks:
        return ""
    width, height, left, right, top, bottom = 560.0, 350.0, 52.0, 20.0, 30.0, 46.0
    drawing = Drawing(width, height, f"Speed against {metric_name(metric)} on {column}")
    floor = board.floors.get((column, metric))
    decades = _decades([mark.seconds for mark in marks])
    low, high, ticks = _range([mark.quality for mark in marks], floor)

    def across(seconds: float) -> float:
        share = (math.log10(seconds) - decades[0]) / (decades[-1] - decades[0])
        return left + share * (width - left - right)

    def up(value: float) -> float:
        return height - bottom - (value - low) / (high - low) * (height - top - bottom)

    for decade in decades:
        x = across(10.0**decade)
        drawing.line((x, top), (x, height - bottom), "grid")
        drawing.text((x, height - bottom + 17), f"{10.0**decade:g}", "faint", "middle")
    for value in ticks:
        drawing.line((left, up(value)), (width - right, up(value)), "grid")
        drawing.text((left - 7, up(value) + 4), f"{value:.2g}", "faint", "end")
    drawing.text(
        ((left + width - right) / 2, height - 8),
        "seconds per cloud (faster is left)",
        "faint",
        "middle",
    )
    drawing.text((4, 14), metric_name(metric))
    if floor is not None and low <= floor <= high:
        drawing.line((left, up(floor)), (width - right, up(floor)), "floor")
        drawing.text((width - right - 4, up(floor) - 5), "chance", "faint", "end")
    centers = [(across(mark.seconds), up(mark.quality)) for mark in marks]
    labels = Labels(drawing, centers)
    for mark, center in zip(marks, centers, strict=True):
        tip = f"{mark.name}: {mark.quality:.3f} at {mark.seconds:.3g} s"
        drawing.circle(center, 5, "mark", tip)
    for mark, center in sorted(zip(marks, centers, strict=True), key=lambda pair: pair[1][1]):
        labels.put(center, clipped(mark.name, 200))
    return drawing.markup()


def _decades(seconds: Sequence[float]) -> list[int]:
    """Powers of ten around all of them."""
    low, high = math.floor(math.log10(min(seconds))), math.ceil(math.log10(max(seconds)))
    return list(range(low, max(high, low + 1) + 1))


def _range(values: Sequence[float], floor: float | None) -> tuple[float, float, list[float]]:
    """Ends of the axis and its ticks, in round steps; chance is shown unless far below."""
    low, high = min(values), max(values)
    if floor is not None and low - floor < 0.35:
        low = min(low, floor)
    span = max(high - low, 0.02)
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if span / s <= 6)
    first, last = math.floor((low - 0.02 * span) / step), math.ceil((high + 0.02 * span) / step)
    ticks = [round(step * index, 4) for index in range(first, last + 1)]
    ticks = [tick for tick in ticks if -1e-9 <= tick <= 1 + 1e-9] or [0.0, 1.0]
    if len(ticks) < 2:
        ticks = [ticks[0] - step, ticks[0]]
    return ticks[0], ticks[-1], ticks

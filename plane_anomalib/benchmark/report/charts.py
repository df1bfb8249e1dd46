"""Charts of a report as SVG: average ranks, and speed against quality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from plane_anomalib.benchmark.leaderboard import Leaderboard
from plane_anomalib.benchmark.report.comparison import MethodComparison
from plane_anomalib.benchmark.report.tables import metric_name
from plane_anomalib.benchmark.statistics import cliques

_WIDTH_PER_LETTER = 0.56


class Drawing:
    """A picture that takes its colours from the page.

    Args:
        width: In pixels.
        height: In pixels.
        title: What it shows, for those who cannot see it.
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width, self.height = width, height
        self.root = ET.Element(
            "svg",
            {"viewBox": f"0 0 {width:g} {height:g}", "role": "img", "width": f"{width:g}"},
        )
        ET.SubElement(self.root, "title").text = title

    def line(self, start: Sequence[float], end: Sequence[float], style: str = "axis") -> None:
        """A line from one point to another."""
        places = {"x1": start[0], "y1": start[1], "x2": end[0], "y2": end[1]}
        self._add("line", style, **places)

    def polyline(self, points: Sequence[Sequence[float]], style: str = "axis") -> None:
        """A line through several points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        ET.SubElement(self.root, "polyline", {"class": style, "points": path})

    def circle(self, center: Sequence[float], radius: float, style: str, tip: str = "") -> None:
        """A filled circle."""
        made = self._add("circle", style, cx=center[0], cy=center[1], r=radius)
        _tip(made, tip)

    def triangle(self, center: Sequence[float], radius: float, style: str, tip: str = "") -> None:
        """A triangle that points up."""
        x, y = center
        corners = [(x, y - radius), (x - 0.87 * radius, y + radius / 2)]
        corners.append((x + 0.87 * radius, y + radius / 2))
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
        _tip(ET.SubElement(self.root, "polygon", {"class": style, "points": path}), tip)

    def text(
        self, place: Sequence[float], words: str, style: str = "label", anchor: str = "start"
    ) -> None:
        """Words; `anchor` is "start", "middle" or "end"."""
        made = self._add("text", style, x=place[0], y=place[1])
        made.set("text-anchor", anchor)
        made.text = words

    def markup(self) -> str:
        """The picture as text to put into a page."""
        return ET.tostring(self.root, encoding="unicode")

    def _add(self, tag: str, style: str, **places: float) -> ET.Element:
        attributes = {name: f"{value:.1f}" for name, value in places.items()}
        return ET.SubElement(self.root, tag, {"class": style, **attributes})


def text_width(words: str, size: float = 12) -> float:
    """About how wide words are, in pixels."""
    # Letters of East Asian scripts are about as wide as they are high.
    wide = sum(1.0 if ord(letter) >= 0x2E80 else _WIDTH_PER_LETTER for letter in words)
    return size * wide


def clipped(words: str, width: float, size: float = 12) -> str:
    """Words cut to a width."""
    if text_width(words, size) <= width:
        return words
    while words and text_width(words + "...", size) > width:
        words = words[:-1]
    return words.rstrip() + "..."


class Labels:
    """Places names beside marks so that no two lie on each other, as far as there is room.

    Args:
        drawing: Where to write.
        marks: Centers of all marks, which names keep away from.
        size: Height of the letters.
    """

    _HEIGHT = 14.0

    def __init__(
        self, drawing: Drawing, marks: Sequence[Sequence[float]], size: float = 12
    ) -> None:
        self.drawing, self.size = drawing, size
        self._taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in marks]

    def put(self, mark: Sequence[float], words: str, style: str = "label") -> None:
        """Write a name beside a mark: where it fits, else on its right."""
        width = text_width(words, self.size)
        x, y = mark
        tries = [(x + 9, y + 4, "start"), (x - 9, y + 4, "end")]
        for step in (1, 2, 3):
            tries += [
                (x, y - 10 * step - 2, "middle"),
                (x, y + 10 * step + 9, "middle"),
                (x + 9, y - 9 * step, "start"),
                (x + 9, y + 9 * step + 6, "start"),
                (x - 9, y - 9 * step, "end"),
                (x - 9, y + 9 * step + 6, "end"),
            ]
        boxes = [(self._box(a, b, anchor, width), (a, b, anchor)) for a, b, anchor in tries]
        free = [pair for pair in boxes if self._fits(pair[0])]
        box, (a, b, anchor) = (free or boxes)[0]
        self._taken.append(box)
        self.drawing.text((a, b), words, style, anchor)

    def _box(
        self, x: float, y: float, anchor: str, width: float
    ) -> tuple[float, float, float, float]:
        left = {"start": x, "middle": x - width / 2, "end": x - width}[anchor]
        return left, y - self._HEIGHT + 3, left + width, y + 3

    def _fits(self, box: tuple[float, float, float, float]) -> bool:
        inside = box[0] >= 0 and box[2] <= self.drawing.width and box[1] >= 0
        inside = inside and box[3] <= self.drawing.height
        return inside and not any(
            box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
            for other in self._taken
        )


def _tip(element: ET.Element, words: str) -> None:
    if words:
        ET.SubElement(element, "title").text = words


_WIDTH = 760.0
_MARGIN = 210.0
_LINE = 20.0
_AXIS = 56.0


def rank_chart(comparison: MethodComparison) -> str:
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
    first = _AXIS + 14 + 9 * len(groups) + 12
    height = first + _LINE * ((len(ranks) + 1) // 2) + 4
    what = f"Average ranks by {metric_name(comparison.metric)} on {comparison.where}"
    drawing = Drawing(_WIDTH, height, what)
    step = (_WIDTH - 2 * _MARGIN) / (len(ranks) - 1)
    places = [_MARGIN + (rank - 1) * step for rank in ranks]
    _rank_axis(drawing, len(ranks), step)
    if difference is not None:
        length = min(difference * step, _WIDTH - 2 * _MARGIN)
        drawing.line((_MARGIN, 22), (_MARGIN + length, 22), "bar")
        drawing.text((_MARGIN + length + 8, 26), f"critical difference {difference:.2f}", "faint")
    for level, group in enumerate(groups):
        y = _AXIS + 12 + 9 * level
        drawing.line((places[group[0]] - 4, y), (places[group[-1]] + 4, y), "clique")
    _rank_names(drawing, comparison, places, first)
    return drawing.markup()


def _rank_axis(drawing: Drawing, count: int, step: float) -> None:
    drawing.line((_MARGIN, _AXIS), (_WIDTH - _MARGIN, _AXIS))
    for tick in range(1, count + 1):
        x = _MARGIN + (tick - 1) * step
        drawing.line((x, _AXIS - 5), (x, _AXIS))
        drawing.text((x, _AXIS - 9), str(tick), "faint", "middle")


def _rank_names(
    drawing: Drawing, comparison: MethodComparison, places: Sequence[float], first: float
) -> None:
    """The better half on the left, the other on the right, each led to its place on the axis."""
    ranks = comparison.ranks
    order = sorted(range(len(ranks)), key=lambda index: ranks[index])
    left_half = (len(order) + 1) // 2
    for position, index in enumerate(order):
        on_left = position < left_half
        row = position if on_left else len(order) - 1 - position
        y, x = first + _LINE * row + 6, places[index]
        edge = _MARGIN - 12 if on_left else _WIDTH - _MARGIN + 12
        drawing.polyline([(x, _AXIS), (x, y), (edge, y)], "stem")
        name = clipped(comparison.names[index], _MARGIN - 60)
        text = f"{name}  {ranks[index]:.2f}" if on_left else f"{ranks[index]:.2f}  {name}"
        side = "end" if on_left else "start"
        drawing.text((edge + (-6 if on_left else 6), y + 4), text, "label", side)


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
    floor = board.floors.get((column, metric))
    title = f"Speed against {metric_name(metric)} on {column}"
    axes = _SpeedAxes(title, marks, floor)
    axes.draw(metric_name(metric), floor)
    drawing = axes.drawing
    centers = [(axes.across(mark.seconds), axes.up(mark.quality)) for mark in marks]
    labels = Labels(drawing, centers)
    for mark, center in zip(marks, centers, strict=True):
        tip = f"{mark.name}: {mark.quality:.3f} at {mark.seconds:.3g} s"
        drawing.circle(center, 5, "mark", tip)
    for mark, center in sorted(zip(marks, centers, strict=True), key=lambda pair: pair[1][1]):
        labels.put(center, clipped(mark.name, 200))
    return drawing.markup()


class _SpeedAxes:
    """The ground of a chart of speed against quality.

    Args:
        title: What it shows.
        marks: What has to find room.
        floor: The quality that chance gives.
    """

    _LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 20.0, 30.0, 46.0

    def __init__(self, title: str, marks: Sequence[_Mark], floor: float | None) -> None:
        self.drawing = Drawing(560.0, 350.0, title)
        self.decades = _decades([mark.seconds for mark in marks])
        self.low, self.high, self.ticks = _range([mark.quality for mark in marks], floor)

    def across(self, seconds: float) -> float:
        """Where a time lies, from left to right."""
        share = (math.log10(seconds) - self.decades[0]) / (self.decades[-1] - self.decades[0])
        return self._LEFT + share * (self.drawing.width - self._LEFT - self._RIGHT)

    def up(self, value: float) -> float:
        """Where a quality lies, from the top down."""
        height = self.drawing.height - self._TOP - self._BOTTOM
        return (
            self.drawing.height
            - self._BOTTOM
            - (value - self.low) / (self.high - self.low) * (height)
        )

    def draw(self, name: str, floor: float | None) -> None:
        """Lines, their numbers and what they are."""
        drawing, left, bottom = self.drawing, self._LEFT, self.drawing.height - self._BOTTOM
        right = drawing.width - self._RIGHT
        for decade in self.decades:
            x = self.across(10.0**decade)
            drawing.line((x, self._TOP), (x, bottom), "grid")
            drawing.text((x, bottom + 17), f"{10.0**decade:g}", "faint", "middle")
        for value in self.ticks:
            drawing.line((left, self.up(value)), (right, self.up(value)), "grid")
            drawing.text((left - 7, self.up(value) + 4), f"{value:.2g}", "faint", "end")
        foot = ((left + right) / 2, drawing.height - 8)
        drawing.text(foot, "seconds per cloud (faster is left)", "faint", "middle")
        drawing.text((4, 14), name)
        if floor is not None and self.low <= floor <= self.high:
            drawing.line((left, self.up(floor)), (right, self.up(floor)), "floor")
            drawing.text((right - 4, self.up(floor) - 5), "chance", "faint", "end")


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

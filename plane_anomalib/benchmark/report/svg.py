"""A few words of SVG; text is escaped by the writer of the tree."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

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

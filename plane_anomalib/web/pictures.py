"""Static pictures: one cloud's input, truth, scores and prediction side by side, and overviews."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.files import replaced
from plane_anomalib.web import colours as palette
from plane_anomalib.web.colours import ScoreScale
from plane_anomalib.web.shown_cloud import Rendering, ShownCloud, best_rotation, render

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

#: What a panel can show.
Panel = Literal["input", "truth", "score", "prediction"]
Colour = tuple[int, int, int]

_TITLES: dict[Panel, str] = {
    "input": "Input",
    "truth": "Ground truth",
    "score": "Anomaly map",
    "prediction": "Prediction",
}


@dataclass(frozen=True)
class Theme:
    """Colours of a picture beside its clouds."""

    background: Colour = (255, 255, 255)
    text: Colour = (27, 31, 38)
    faint: Colour = (106, 115, 125)


LIGHT = Theme()
DARK = Theme(background=(19, 23, 29), text=(230, 234, 240), faint=(150, 160, 172))


@lru_cache(maxsize=8)
def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def panel_colours(cloud: ShownCloud, panel: Panel, scale: ScoreScale) -> NDArray[np.uint8] | None:
    """Colour a cloud for one panel.

    Args:
        cloud: The cloud.
        panel: What to show.
        scale: The run's score colours.

    Returns:
        `(N, 3) uint8`, or `None` if the cloud has nothing of that kind.
    """
    if panel == "input":
        return palette.mask_colours(np.zeros(len(cloud.points), dtype=bool), palette.DEFECT)
    if panel == "truth":
        return None if cloud.truth is None else palette.mask_colours(cloud.truth, palette.DEFECT)
    if panel == "score":
        return None if cloud.scores is None else scale.colours(cloud.scores)
    if cloud.predicted is None:
        return None
    return palette.agreement_colours(cloud.predicted, cloud.truth)


def what_matters(cloud: ShownCloud, scale: ScoreScale) -> NDArray[np.floating] | None:
    """Weights for choosing a view: the true defect, else where the scores are high, else none."""
    if cloud.truth is not None and cloud.truth.any():
        return cloud.truth.astype(np.float32)
    if cloud.scores is None or cloud.truth is not None:
        return None
    return np.nan_to_num(np.clip(scale.fraction(cloud.scores) - 0.5, 0.0, None))


def cloud_picture(
    cloud: ShownCloud,
    scale: ScoreScale,
    *,
    panels: Sequence[Panel] = ("input", "truth", "score", "prediction"),
    size: int = 300,
    theme: Theme = LIGHT,
) -> Image:
    """Draw one cloud, a panel per question, all from the same direction.

    Args:
        cloud: The cloud; panels that it has no data for are left out.
        scale: The run's score colours, shared so that pictures can be compared.
        panels: What to show, from left to right.
        size: Side of a panel in pixels.
        theme: Background and text colours.

    Returns:
        An RGB picture `number of panels x size` wide and `size + 96` high.
    """
    from PIL import Image, ImageDraw

    coloured = {panel: panel_colours(cloud, panel, scale) for panel in panels}
    shown = {panel: values for panel, values in coloured.items() if values is not None}
    rendering = render(cloud, _rotation(cloud, scale), size)
    picture = Image.new("RGB", (size * max(len(shown), 1), size + 96), theme.background)
    draw = ImageDraw.Draw(picture)
    for place, (panel, values) in enumerate(shown.items()):
        left = place * size
        _paste(picture, rendering, values, (left, 54), theme)
        draw.text((left + size // 2, 42), _TITLES[panel], theme.faint, _font(13), anchor="mm")
        foot = (left + 20, size + 62, size - 40)
        if panel == "score":
            _score_bar(draw, scale, foot, theme)
        elif panel in ("truth", "prediction"):
            _legend(draw, _legend_entries(cloud, panel), foot, theme)
    _headline(draw, cloud, picture.width, theme)
    return picture


def _rotation(cloud: ShownCloud, scale: ScoreScale) -> NDArray[np.float32]:
    if cloud.rotation is not None:
        return cloud.rotation
    return best_rotation(cloud, what_matters(cloud, scale))


def _paste(
    picture: Image,
    rendering: Rendering,
    values: NDArray[np.uint8],
    corner: tuple[int, int],
    theme: Theme,
) -> None:
    from PIL import Image

    picture.paste(Image.fromarray(rendering.paint(values, theme.background)), corner)


def _fitted(draw: ImageDraw, text: str, width: float, size: int) -> str:
    """Shorten text in its middle until it fits."""
    font = _font(size)
    if draw.textlength(text, font) <= width:
        return text
    keep = len(text)
    while keep > 4 and draw.textlength(f"{text[: keep // 2]}...{text[-keep // 2 :]}", font) > width:
        keep -= 2
    return f"{text[: keep // 2]}...{text[-keep // 2 :]}"


def describe(cloud: ShownCloud) -> str:
    """The cloud's label and object score in a few words, as far as they are known."""
    words = []
    if cloud.anomalous is not None:
        kind = cloud.defect if cloud.defect not in ("", "good") else "anomalous"
        words.append(kind if cloud.anomalous else "normal")
    if cloud.score is not None:
        words.append(f"object score {cloud.score:.4g}")
    if cloud.called_anomalous is not None:
        words.append("called anomalous" if cloud.called_anomalous else "called normal")
    return ", ".join(words)


def _headline(draw: ImageDraw, cloud: ShownCloud, width: int, theme: Theme) -> None:
    facts = _fitted(draw, describe(cloud), width * 0.62, 13)
    draw.text((width - 16, 17), facts, theme.faint, _font(13), anchor="rm")
    room = width - 40 - draw.textlength(facts, _font(13))
    title = f"{cloud.category} / {cloud.name}" if cloud.category else cloud.name
    draw.text((16, 17), _fitted(draw, title, room, 15), theme.text, _font(15), anchor="lm")


def _score_bar(
    draw: ImageDraw, scale: ScoreScale, place: tuple[int, int, int], theme: Theme
) -> None:
    left, top, width = place
    entries = palette.score_palette()
    for x in range(width):
        colour = tuple(int(v) for v in entries[x * 255 // max(width - 1, 1)])
        draw.line((left + x, top, left + x, top + 9), fill=colour)
    draw.text((left, top + 20), f"{scale.low:.3g}", theme.faint, _font(11), anchor="lm")
    draw.text((left + width, top + 20), f"{scale.high:.3g}", theme.faint, _font(11), anchor="rm")
    if scale.threshold is not None:
        middle = left + width // 2
        draw.line((middle, top - 4, middle, top + 12), fill=theme.text, width=2)
        label = f"threshold {scale.threshold:.3g}"
        draw.text((middle, top + 20), label, theme.text, _font(11), anchor="mm")


def _legend_entries(cloud: ShownCloud, panel: Panel) -> list[tuple[Colour, str]]:
    if panel == "truth":
        return [(palette.DEFECT, "defect")]
    if cloud.truth is None:
        return [(palette.DEFECT, "called anomalous")]
    return [
        (palette.FOUND, "found"),
        (palette.DEFECT, "missed"),
        (palette.FALSE_ALARM, "false alarm"),
    ]


def _legend(
    draw: ImageDraw,
    entries: Sequence[tuple[Colour, str]],
    place: tuple[int, int, int],
    theme: Theme,
) -> None:
    left, top, width = place
    lengths = [20 + draw.textlength(text, _font(12)) for _, text in entries]
    x = left + (width - sum(lengths) - 12 * (len(entries) - 1)) / 2
    for (colour, text), length in zip(entries, lengths, strict=True):
        draw.rounded_rectangle((x, top + 2, x + 12, top + 14), radius=3, fill=colour)
        draw.text((x + 17, top + 8), text, theme.faint, _font(12), anchor="lm")
        x += length + 12


def contact_sheet(
    clouds: Sequence[ShownCloud],
    scale: ScoreScale,
    *,
    panels: Sequence[Panel] = ("truth", "score"),
    columns: int = 8,
    size: int = 170,
    title: str = "",
    theme: Theme = LIGHT,
) -> Image:
    """Draw many clouds small, the panels of each one above the other.

    Args:
        clouds: At least one cloud, in the order to show.
        scale: The run's score colours.
        panels: What to show; panels that no cloud has data for are left out.
        columns: Clouds in a row.
        size: Side of one panel in pixels.
        title: A line on top.
        theme: Background and text colours.
    """
    from PIL import Image, ImageDraw

    present = _present(clouds, panels, scale)
    columns = max(1, min(columns, len(clouds)))
    tile = len(present) * size + 44
    top = 44 if title else 8
    rows = -(-len(clouds) // columns)
    picture = Image.new("RGB", (columns * size, top + rows * tile + 44), theme.background)
    draw = ImageDraw.Draw(picture)
    draw.text((12, 24), _fitted(draw, title, picture.width - 24, 17), theme.text, _font(17), "lm")
    for number, cloud in enumerate(clouds):
        corner = (number % columns * size, top + number // columns * tile)
        _tile(picture, cloud, scale, present, corner, size, theme)
    if "score" in present:
        width = min(420, picture.width - 24)
        _score_bar(draw, scale, (12, picture.height - 36, width), theme)
    return picture


def _present(
    clouds: Sequence[ShownCloud], panels: Sequence[Panel], scale: ScoreScale
) -> list[Panel]:
    """The panels that some cloud has data for; its surface if there is none."""
    found: list[Panel] = [
        panel for panel in panels if any(panel_colours(c, panel, scale) is not None for c in clouds)
    ]
    return found or ["input"]


def _tile(
    picture: Image,
    cloud: ShownCloud,
    scale: ScoreScale,
    panels: Sequence[Panel],
    corner: tuple[int, int],
    size: int,
    theme: Theme,
) -> None:
    from PIL import ImageDraw

    left, top = corner
    rendering = render(cloud, _rotation(cloud, scale), size)
    for row, panel in enumerate(panels):
        values = panel_colours(cloud, panel, scale)
        if values is not None:
            _paste(picture, rendering, values, (left, top + row * size), theme)
    draw = ImageDraw.Draw(picture)
    middle, foot = left + size // 2, top + len(panels) * size
    name = _fitted(draw, cloud.name, size - 12, 12)
    draw.text((middle, foot + 8), name, theme.text, _font(12), anchor="mm")
    facts = _fitted(draw, describe(cloud).split(", called")[0], size - 12, 11)
    draw.text((middle, foot + 24), facts, theme.faint, _font(11), anchor="mm")


def thumbnail(cloud: ShownCloud, scale: ScoreScale, *, size: int = 320) -> Image:
    """Draw a cloud's map, small and alone, on a transparent ground.

    Args:
        cloud: At least one point; without scores its surface is drawn.
        scale: The run's score colours.
        size: Side in pixels.
    """
    from PIL import Image

    # A small picture shows no more than so many points; a coarser set is drawn faster.
    few = cloud.thinned(size * size // 8)
    rendering = render(few, _rotation(cloud, scale), size)
    values = panel_colours(few, "score", scale)
    if values is None:
        values = palette.mask_colours(np.zeros(len(few.points), dtype=bool), palette.DEFECT)
    picture = Image.fromarray(rendering.paint(values, palette.NEUTRAL))
    seen = (rendering.index >= 0).reshape(size, 2, size, 2).mean((1, 3))
    picture.putalpha(Image.fromarray(np.round(255 * seen).astype(np.uint8)))
    return picture


def save_png(picture: Image, path: str | Path) -> Path:
    """Write a picture, whole or not at all.

    Args:
        picture: The picture.
        path: Where to; directories are made.

    Returns:
        The path.
    """
    with replaced(path) as temporary:
        picture.save(temporary, format="PNG", compress_level=4)
    return Path(path)

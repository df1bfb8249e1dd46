"""Pages of one file: templates filled in, and clouds as the compact JSON that their scripts unpack.

A page needs no network and no library: its styles, its scripts and its data stand in it. Templates
are Jinja's and escape what they are given; `templates/page.html` is the frame of all of them.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from plane_anomalib.core.files import replaced
from plane_anomalib.web import colours as palette
from plane_anomalib.web.shown_cloud import ShownCloud, view_rotation

UNKNOWN_SCORE = 65535
"""Code of a score that is not a number."""
_TEMPLATES = Path(__file__).resolve().parent / "templates"


def render_page(template: str, **values: Any) -> str:
    """Fill a template.

    Args:
        template: Name of a file in `templates`.
        values: What it asks for; text is escaped.

    Returns:
        The page.
    """
    return _environment().get_template(template).render(values)


def write_page(path: str | Path, template: str, **values: Any) -> Path:
    """Fill a template and write the page, whole or not at all.

    Args:
        path: Where to; directories are made.
        template: Name of a file in `templates`.
        values: What it asks for; text is escaped.

    Returns:
        The path.
    """
    with replaced(path) as temporary:
        temporary.write_text(render_page(template, **values), encoding="utf-8")
    return Path(path)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["sources"] = _sources
    environment.filters["script_json"] = _script_json
    return environment


def _sources(*names: str) -> Markup:
    """Styles or scripts of the package as they are, one after the other."""
    # Only what comes with the package is put in without being escaped.
    return Markup("\n".join((_TEMPLATES / name).read_text("utf-8") for name in names))  # noqa: S704


def _script_json(data: Mapping[str, Any]) -> Markup:
    """JSON that may stand in a script element: "<" never appears, so no text in it can end it."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704


def packed_palette() -> dict[str, Any]:
    """The score colours and the colours of masks."""
    return {
        "palette": packed(palette.score_palette()),
        "colours": {
            "neutral": palette.NEUTRAL,
            "defect": palette.DEFECT,
            "found": palette.FOUND,
            "falseAlarm": palette.FALSE_ALARM,
        },
    }


def packed_scale(scale: palette.ScoreScale) -> dict[str, float | None]:
    """A score scale by name."""
    return {
        "low": scale.low,
        "center": scale.center,
        "high": scale.high,
        "threshold": scale.threshold,
    }


def packed_steps(low: float, high: float) -> dict[str, float]:
    """How codes of scores become scores again."""
    return {"low": low, "step": (high - low) / (UNKNOWN_SCORE - 1)}


def packed(values: NDArray[Any]) -> str:
    """An array's bytes, little-endian, in base 64."""
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return base64.b64encode(np.ascontiguousarray(little).tobytes()).decode("ascii")


def finite(value: float | None) -> float | None:
    """A number JSON has a word for, else None."""
    return None if value is None or not math.isfinite(value) else float(value)


def score_limits(clouds: Sequence[ShownCloud]) -> tuple[float, float]:
    """The lowest and the highest score of all clouds, never equal."""
    finite = [c.scores[np.isfinite(c.scores)] for c in clouds if c.scores is not None]
    pooled = np.concatenate([*finite, np.empty(0, dtype=np.float32)])
    low, high = (float(pooled.min()), float(pooled.max())) if len(pooled) else (0.0, 1.0)
    return low, high if high > low else low + 1.0


def packed_cloud(cloud: ShownCloud, low: float, high: float) -> dict[str, Any]:
    """Quantise: 16 bits per coordinate (one step for all axes) and score, 8 per normal's axis."""
    points = cloud.points.astype(np.float64)
    origin = points.min(axis=0)
    step = max(float(np.ptp(points, axis=0).max()), 1e-12) / 65535
    codes = None
    if cloud.scores is not None:
        scores = cloud.scores.astype(np.float64)
        known = np.isfinite(scores)
        levels = np.round((np.where(known, scores, low) - low) / (high - low) * (UNKNOWN_SCORE - 1))
        codes = packed(np.where(known, levels, UNKNOWN_SCORE).astype(np.uint16))
    flags = None if cloud.truth is None else packed(np.packbits(cloud.truth, bitorder="little"))
    calls = cloud.predicted
    rotation = view_rotation(35.0, 28.0) if cloud.rotation is None else cloud.rotation
    return {
        "name": cloud.name,
        "category": cloud.category,
        "defect": cloud.defect,
        "path": cloud.path,
        "score": finite(cloud.score),
        "anomalous": cloud.anomalous,
        "called": cloud.called_anomalous,
        "total": cloud.num_points or len(points),
        "shown": len(points),
        "origin": origin.tolist(),
        "step": step,
        "spacing": cloud.spacing,
        "rotation": [round(float(v), 6) for v in rotation.ravel()],
        "points": packed(np.round((points - origin) / step).astype(np.uint16)),
        "normals": packed(np.round(cloud.normals * 127).astype(np.int8)),
        "pointScores": codes,
        "truth": flags,
        "predicted": None if calls is None else packed(np.packbits(calls, bitorder="little")),
    }

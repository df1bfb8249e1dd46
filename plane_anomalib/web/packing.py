"""Clouds as compact JSON: what `web/viewer.js` unpacks."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.web import colours as palette
from plane_anomalib.web.raster import view_rotation
from plane_anomalib.web.shown import ShownCloud

#: Code of a score that is not a number.
UNKNOWN_SCORE = 65535


def json_for_page(data: Mapping[str, Any]) -> str:
    """JSON that may stand in a script element: "<" never appears, so no text in it can end it."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


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

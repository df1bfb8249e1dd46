"""One self-contained page per run: a point-cloud viewer, the list of clouds, the metrics.

The page needs no network and no library. Points are drawn by a z-buffer in plain JavaScript on a
two-dimensional canvas (`web/`), so it also works where WebGL does not.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.atomic import replaced
from plane_anomalib.visualization import colours as palette
from plane_anomalib.visualization.colours import ScoreScale
from plane_anomalib.visualization.gallery import CloudRecord
from plane_anomalib.visualization.raster import view_rotation
from plane_anomalib.visualization.shown import ShownCloud

if TYPE_CHECKING:
    from plane_anomalib.results import RunResult

#: Code of a score that is not a number.
UNKNOWN_SCORE = 65535
_FORMAT = 1
_SCRIPTS = ("viewer.js", "plots.js", "report.js")


@dataclass(frozen=True)
class MetricTable:
    """Metrics per category.

    Attributes:
        columns: Names of the metrics.
        rows: Row title and one value per column, `None` where there is none.
        summary: Rows that belong below the others (mean, pooled).
        notes: Sentences under the table.
    """

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[float | None]]]
    summary: Sequence[tuple[str, Sequence[float | None]]] = ()
    notes: Sequence[str] = ()

    @classmethod
    def from_result(cls, result: RunResult) -> MetricTable:
        """Take the table from a run's results, leaving out metrics that nothing has."""
        from plane_anomalib.results import METRIC_NAMES

        metrics = result.metrics
        named = list(metrics.per_category.items())
        summary = [(f"mean of {len(named)}", metrics.mean), ("pooled", metrics.pooled)]
        every = [values for _, values in [*named, *summary]]
        columns = [n for n in METRIC_NAMES if any(v.get(n) is not None for v in every)]

        def rows(
            parts: Sequence[tuple[str, Mapping[str, float | None]]],
        ) -> list[tuple[str, list[float | None]]]:
            return [(title, [values.get(name) for name in columns]) for title, values in parts]

        return cls(
            [n.replace("_", " ") for n in columns], rows(named), rows(summary), metrics.notes
        )


def write_report(
    path: str | Path,
    clouds: Sequence[ShownCloud],
    scale: ScoreScale,
    *,
    title: str,
    subtitle: str = "",
    metrics: MetricTable | None = None,
    records: Sequence[CloudRecord] = (),
    object_threshold: float | None = None,
    max_points: int = 20_000,
    max_total_points: int = 600_000,
) -> Path:
    """Write the interactive page of a run.

    Args:
        path: The file; directories are made.
        clouds: Clouds to look at, in the order of the list.
        scale: Score colours and threshold of the whole run.
        title: Headline.
        subtitle: A line below it.
        metrics: Table of metrics, if there is one.
        records: Every cloud of the run, for the plot of object scores.
        object_threshold: Object score above which a cloud is called anomalous.
        max_points: The most points of one cloud.
        max_total_points: The most points of all clouds together, which bounds the page to about
            16 bytes each.

    Returns:
        The path.
    """
    share = max(1, min(max_points, max_total_points // max(len(clouds), 1)))
    shown = [cloud.thinned(share) for cloud in clouds]
    low, high = _score_limits(shown)
    data = {
        "format": _FORMAT,
        "scale": {
            "low": scale.low,
            "centre": scale.centre,
            "high": scale.high,
            "threshold": scale.threshold,
        },
        "palette": _packed(palette.score_palette()),
        "colours": {
            "neutral": palette.NEUTRAL,
            "defect": palette.DEFECT,
            "found": palette.FOUND,
            "falseAlarm": palette.FALSE_ALARM,
        },
        "scores": {"low": low, "step": (high - low) / (UNKNOWN_SCORE - 1)},
        "clouds": [_packed_cloud(cloud, low, high) for cloud in shown],
        "metrics": None if metrics is None else _table(metrics),
        "objects": [
            {"category": r.category, "score": _finite(r.score), "anomalous": r.anomalous}
            for r in records
        ],
        "objectThreshold": _finite(object_threshold),
    }
    with replaced(path) as temporary:
        temporary.write_text(_page(title, subtitle, data), encoding="utf-8")
    return Path(path)


def _page(title: str, subtitle: str, data: Mapping[str, Any]) -> str:
    folder = resources.files("plane_anomalib.visualization") / "web"
    # "<" never appears in the data, so no text in it can end the script element.
    payload = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    parts = {
        "TITLE": escape(title),
        "SUBTITLE": escape(subtitle),
        "STYLE": (folder / "report.css").read_text("utf-8"),
        "SCRIPT": "\n".join((folder / name).read_text("utf-8") for name in _SCRIPTS),
        "DATA": payload,
    }
    page = (folder / "report.html").read_text("utf-8")
    pieces = page.split("@@")
    # Odd pieces are the names between the marks; text put in is never searched for marks.
    return "".join(parts[piece] if i % 2 else piece for i, piece in enumerate(pieces))


def _packed(values: NDArray[Any]) -> str:
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return base64.b64encode(np.ascontiguousarray(little).tobytes()).decode("ascii")


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _score_limits(clouds: Sequence[ShownCloud]) -> tuple[float, float]:
    finite = [c.scores[np.isfinite(c.scores)] for c in clouds if c.scores is not None]
    pooled = np.concatenate([*finite, np.empty(0, dtype=np.float32)])
    low, high = (float(pooled.min()), float(pooled.max())) if len(pooled) else (0.0, 1.0)
    return low, high if high > low else low + 1.0


def _packed_cloud(cloud: ShownCloud, low: float, high: float) -> dict[str, Any]:
    """Quantise: 16 bits per coordinate (one step for all axes) and score, 8 per normal's axis."""
    points = cloud.points.astype(np.float64)
    origin = points.min(axis=0)
    step = max(float(np.ptp(points, axis=0).max()), 1e-12) / 65535
    codes = None
    if cloud.scores is not None:
        scores = cloud.scores.astype(np.float64)
        known = np.isfinite(scores)
        levels = np.round((np.where(known, scores, low) - low) / (high - low) * (UNKNOWN_SCORE - 1))
        codes = _packed(np.where(known, levels, UNKNOWN_SCORE).astype(np.uint16))
    flags = None if cloud.truth is None else _packed(np.packbits(cloud.truth, bitorder="little"))
    calls = cloud.predicted
    rotation = view_rotation(35.0, 28.0) if cloud.rotation is None else cloud.rotation
    return {
        "name": cloud.name,
        "category": cloud.category,
        "defect": cloud.defect,
        "path": cloud.path,
        "score": _finite(cloud.score),
        "anomalous": cloud.anomalous,
        "called": cloud.called_anomalous,
        "total": cloud.num_points or len(points),
        "shown": len(points),
        "origin": origin.tolist(),
        "step": step,
        "spacing": cloud.spacing,
        "rotation": [round(float(v), 6) for v in rotation.ravel()],
        "points": _packed(np.round((points - origin) / step).astype(np.uint16)),
        "normals": _packed(np.round(cloud.normals * 127).astype(np.int8)),
        "pointScores": codes,
        "truth": flags,
        "predicted": None if calls is None else _packed(np.packbits(calls, bitorder="little")),
    }


def _table(metrics: MetricTable) -> dict[str, Any]:
    def rows(parts: Sequence[tuple[str, Sequence[float | None]]]) -> list[dict[str, Any]]:
        return [{"name": name, "values": [_finite(v) for v in values]} for name, values in parts]

    return {
        "columns": list(metrics.columns),
        "rows": rows(metrics.rows),
        "summary": rows(metrics.summary),
        "notes": list(metrics.notes),
    }

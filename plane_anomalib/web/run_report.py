"""The page of a test or prediction run: a point-cloud viewer, the list of clouds, the metrics.

Points are drawn by a z-buffer in plain JavaScript on a two-dimensional canvas
(`templates/viewer.js`), so it also works where WebGL does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plane_anomalib.web.colours import ScoreScale
from plane_anomalib.web.gallery import CloudRecord
from plane_anomalib.web.pages import (
    finite,
    packed_cloud,
    packed_palette,
    packed_scale,
    packed_steps,
    score_limits,
    write_page,
)
from plane_anomalib.web.shown_cloud import ShownCloud

if TYPE_CHECKING:
    from plane_anomalib.core.results import RunResult

_FORMAT = 1


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
        from plane_anomalib.core.results import METRIC_NAMES

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
    data = _run_data([cloud.thinned(share) for cloud in clouds], scale, metrics, records)
    data["objectThreshold"] = finite(object_threshold)
    return write_page(path, "run_report.html", title=title, subtitle=subtitle, data=data)


def _run_data(
    shown: Sequence[ShownCloud],
    scale: ScoreScale,
    metrics: MetricTable | None,
    records: Sequence[CloudRecord],
) -> dict[str, Any]:
    """What the page's scripts read."""
    low, high = score_limits(shown)
    return {
        "format": _FORMAT,
        "scale": packed_scale(scale),
        **packed_palette(),
        "scores": packed_steps(low, high),
        "clouds": [packed_cloud(cloud, low, high) for cloud in shown],
        "metrics": None if metrics is None else _table(metrics),
        "objects": [
            {"category": r.category, "score": finite(r.score), "anomalous": r.anomalous}
            for r in records
        ],
    }


def _table(metrics: MetricTable) -> dict[str, Any]:
    def rows(parts: Sequence[tuple[str, Sequence[float | None]]]) -> list[dict[str, Any]]:
        return [{"name": name, "values": [finite(v) for v in values]} for name, values in parts]

    return {
        "columns": list(metrics.columns),
        "rows": rows(metrics.rows),
        "summary": rows(metrics.summary),
        "notes": list(metrics.notes),
    }

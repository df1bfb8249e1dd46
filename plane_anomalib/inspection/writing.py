"""What was found in one cloud as files: for programs, for viewers, for spreadsheets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.files import replaced
from plane_anomalib.formats.io import write_points
from plane_anomalib.inspection.result import Inspection
from plane_anomalib.inspection.summary import CLOUDS_FOLDER
from plane_anomalib.web.colours import ScoreScale

FORMATS = ("npz", "ply", "csv")
DEFAULT_FORMATS = ("npz", "ply")


def score_scale(scores: NDArray[np.float32], threshold: float | None) -> ScoreScale:
    """Colours for all clouds of a run, from the first one and the threshold of points.

    The others are not known yet. With a threshold the hottest colour is as far above it as the
    coldest is below, and the coldest is what the first cloud scores at its best places: nearly
    the same for any cloud, since most places of most clouds are good.

    Args:
        scores: `(N,)`, of the first cloud.
        threshold: Score drawn in grey.
    """
    scale = ScoreScale.fit([scores], threshold)
    if scale.threshold is None:
        return scale
    return ScoreScale(scale.low, scale.center, 2 * scale.center - scale.low, scale.threshold)


def write_cloud(
    out: Path,
    name: str,
    points: NDArray[np.float32],
    inspection: Inspection[NDArray[np.float32]],
    *,
    scale: ScoreScale,
    formats: Sequence[str] = DEFAULT_FORMATS,
    truth: NDArray[np.bool_] | None = None,
) -> dict[str, str]:
    """Write what was found in a cloud, each file whole or not at all.

    Args:
        out: The folder of results.
        name: Of the files, without suffix.
        points: `(N, 3)`, in input order.
        inspection: What was found.
        scale: Colours of the scores.
        formats: Some of `FORMATS`.
        truth: `(N,)`, which points are anomalous, where it is known.

    Returns:
        Format to file, relative to `out`, in POSIX form.
    """
    scores, region = inspection.point_scores, inspection.region_of_point
    files = {kind: f"{CLOUDS_FOLDER}/{name}.{kind}" for kind in FORMATS if kind in formats}
    columns: dict[str, NDArray[Any]] = {"score": scores, "region": region}
    for kind, file in files.items():
        if kind == "npz":
            with replaced(out / file) as temporary:
                np.savez(temporary, **result_arrays(points, inspection, truth))
        elif kind == "ply":
            write_points(out / file, points, fields=columns, colors=scale.colours(scores))
        else:
            write_points(out / file, points, fields=columns)
    return files


def result_arrays(
    points: NDArray[np.float32],
    inspection: Inspection[NDArray[np.float32]],
    truth: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """What an `.npz` of a judged cloud holds, see `summary`.

    Args:
        points: `(N, 3)`, in input order.
        inspection: What was found.
        truth: `(N,)`, which points are anomalous, where it is known.
    """
    arrays: dict[str, Any] = {
        "points": points.astype(np.float32, copy=False),
        "scores": inspection.point_scores.astype(np.float32, copy=False),
        "region": inspection.region_of_point.astype(np.int32, copy=False),
    }
    if truth is not None:
        arrays["truth"] = truth.astype(np.bool_, copy=False)
    return arrays

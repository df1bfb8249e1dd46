"""The files of one judged cloud: for programs, for viewers, for spreadsheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import PointCloudFileError
from plane_anomalib.core.files import replaced
from plane_anomalib.formats.writer import write_points
from plane_anomalib.inspection.result import Inspection
from plane_anomalib.inspection.results_folder import CLOUDS_FOLDER
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


_HINT = "it must be a .npz that `plane-anomalib predict` wrote"


@dataclass(frozen=True, eq=False)
class JudgedCloud:
    """A cloud with its scores.

    Attributes:
        points: `(N, 3) float32`, in input order, in the object's units.
        scores: `(N,) float32`, raw.
        region: `(N,) int32`, the number of each point's region, -1 outside of all.
        truth: `(N,) bool`, or `None` where it is not known.
    """

    points: NDArray[np.float32]
    scores: NDArray[np.float32]
    region: NDArray[np.int32]
    truth: NDArray[np.bool_] | None

    @classmethod
    def read(cls, file: Path) -> JudgedCloud:
        """Read a file of OUT/clouds.

        Args:
            file: A `.npz` with `points` and `scores`, and `region` and `truth` where they are
                known.

        Raises:
            PointCloudFileError: It is missing or damaged, or does not hold a scored cloud.
        """
        found = _arrays(file)
        count = len(found["scores"]) if found["scores"].ndim else 0
        found.setdefault("region", np.full(count, -1, np.int32))
        for name, values in found.items():
            wanted = (count, 3) if name == "points" else (count,)
            if values.shape != wanted or values.dtype.kind not in "bifu" or not count:
                reason = f"`{name}` is {values.dtype} {values.shape} and must be numbers {wanted}"
                raise PointCloudFileError(file, reason, _HINT)
        if not np.isfinite(found["points"]).all():
            raise PointCloudFileError(file, "a coordinate is not a number", _HINT)
        truth = found.get("truth")
        return cls(
            np.ascontiguousarray(found["points"], np.float32),
            found["scores"].astype(np.float32),
            found["region"].astype(np.int32),
            None if truth is None else truth.astype(np.bool_),
        )


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            found = {
                name: arrays[name]
                for name in ("points", "scores", "region", "truth")
                if name in arrays
            }
    except FileNotFoundError as error:
        raise PointCloudFileError(file, "there is no such file", _HINT) from error
    except Exception as error:  # a damaged archive fails in many ways
        reason = f"cannot be read ({type(error).__name__}: {error})"
        raise PointCloudFileError(file, reason, _HINT) from error
    for name in ("points", "scores"):
        if name not in found:
            raise PointCloudFileError(file, f"holds no array `{name}`", _HINT)
    return found

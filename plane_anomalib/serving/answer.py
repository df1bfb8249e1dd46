"""What is asked of one cloud, what the server says of it, and how both are described to clients."""

from __future__ import annotations

import base64
import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.units import unit_named
from plane_anomalib.formats.io import MESH_SUFFIXES, POINT_SUFFIXES, PointCloudData, read_points
from plane_anomalib.formats.raw_cloud import ReadOptions
from plane_anomalib.inspection.cloud_files import result_arrays
from plane_anomalib.inspection.detector import Detector
from plane_anomalib.inspection.inputs import in_units_of
from plane_anomalib.inspection.regions import Region
from plane_anomalib.inspection.result import Decision, Inspection, Threshold
from plane_anomalib.serving.requests import FIELD

_MESH_SAMPLES = 100_000


@dataclass(frozen=True)
class Question:
    """What the client wants to know beyond the scores.

    Attributes:
        category: What the object is, for a model of many.
        compare: Look for the nearest good scan.
        points: Give the points' scores.
        columns: Which columns of a table are x, y and z, such as `x,y,z` or `2,3,4`; None reads as
            the good scans were read.
        pitch: Of a height map, such as `0.5,0.3`; None likewise.
        units: Unit of length of the cloud, such as `m`; None takes what the file declares.
    """

    category: str | None = None
    compare: bool = False
    points: bool = False
    columns: str | None = None
    pitch: str | None = None
    units: str | None = None


@dataclass(frozen=True)
class Answer:
    """Scores are raw, higher is more anomalous; lengths are in the unit of the good scans.

    Attributes:
        score: Of the object; null where it was not scored.
        decision: What the threshold says, or `not judged`; null without a threshold.
        reason: Why it was not judged and what to do; empty where it was.
        notes: What was dropped, converted, resampled or assumed, a sentence each.
        seen: Which share of the part's surface the cloud shows; null where that cannot be told.
        threshold: For the object's score.
        point_threshold: For the points' scores.
        regions: Connected parts above the point threshold, the one with most points first.
        nearest_good: Name of the good scan that the cloud resembles most, where compared.
        num_points: How many points were scored.
        dropped: How many points of the file were left out, as a coordinate was not finite.
        sampled: Whether the file was a mesh, of which points were drawn.
        seconds: Reading and scoring, without waiting.
        cloud: With points=true, an .npz file in base64: points (N, 3) float32 in the order of the
            file, scores (N,) float32, region (N,) int32, -1 outside of all regions.
    """

    score: float | None
    decision: Decision | None
    reason: str
    notes: list[str]
    seen: float | None
    threshold: Threshold | None
    point_threshold: Threshold | None
    regions: list[Region]
    nearest_good: str | None
    num_points: int
    dropped: int
    sampled: bool
    seconds: float
    cloud: str | None = None


def judge(detector: Detector, path: Path, question: Question, max_points: int) -> Answer:
    """Read a cloud and ask the detector.

    Args:
        detector: A loaded detector.
        path: A file of a kind that `read_points` takes; a mesh is sampled (seed 0).
        question: What to tell beyond the scores.
        max_points: Refuse more.

    Raises:
        PointCloudFileError: The file holds no such cloud.
        ConfigurationError: The detector does not take it.
    """
    start = time.perf_counter()
    options = None if detector.card is None else detector.card.reading
    if question.columns is not None or question.pitch is not None:
        options = ReadOptions.typed(question.columns, question.pitch)
    samples = min(_MESH_SAMPLES, max_points)
    read = read_points(path, num_samples=samples, max_points=max_points, options=options)
    points, converted = _in_units(detector, read, question.units)
    result = detector(points, category=question.category, compare=question.compare)
    return Answer(
        score=result.score if np.isfinite(result.score) else None,
        decision=result.decision,
        reason=result.reason,
        notes=[*read.notes, *converted, *result.notes],
        seen=result.seen,
        threshold=result.threshold,
        point_threshold=result.point_threshold,
        regions=list(result.regions),
        nearest_good=result.nearest_good,
        num_points=len(points),
        dropped=read.dropped,
        sampled=read.sampled,
        seconds=time.perf_counter() - start,
        cloud=_packed(points, result) if question.points else None,
    )


def _in_units(
    detector: Detector, read: PointCloudData, stated: str | None
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    wanted = "" if detector.card is None else detector.card.units
    unit = None if stated is None else unit_named(stated)
    if unit and not wanted:
        raise ConfigurationError(
            f"units={unit}: the detector does not say which unit its good scans have; train again "
            "with --units, or leave it out."
        )
    return in_units_of(read, unit, wanted)


def _packed(points: NDArray[np.float32], result: Inspection[NDArray[np.float32]]) -> str:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **result_arrays(points, result))
    return base64.b64encode(buffer.getvalue()).decode("ascii")


_KINDS = ", ".join(sorted(POINT_SUFFIXES | MESH_SUFFIXES))
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {
                        FIELD: {
                            "type": "string",
                            "format": "binary",
                            "description": f"A cloud, or a mesh to sample, by suffix: {_KINDS}",
                        }
                    },
                }
            }
        },
    }
}
"""The form that is posted, for OpenAPI."""


@dataclass(frozen=True)
class Problem:
    """Why there is no answer.

    Attributes:
        detail: A sentence.
    """

    detail: str


@dataclass(frozen=True)
class Health:
    """The server is there and its detector is loaded.

    Attributes:
        loaded: Always true: the server does not answer before.
        model: Registered name.
        weights_hash: SHA-256 over the model's state.
        categories: What it was trained on; empty where the model does not say.
        version: Of plane_anomalib.
        busy: How many requests wait or are being answered.
    """

    loaded: bool
    model: str
    weights_hash: str
    categories: list[str]
    version: str
    busy: int


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        400: "The form cannot be read",
        413: "The file is too large, or has too many points",
        415: "No form, or a file of another kind",
        422: "No file, or one that holds no cloud that can be judged",
        500: "The server failed",
        503: "Too many requests wait; try again after Retry-After seconds",
        504: "It took too long",
    }.items()
}
"""What can go wrong, for OpenAPI."""

"""Thresholds on raw scores, found from clouds whose truth is known."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.metrics.collection import ScoreCollection
from plane_anomalib.metrics.functional import RankCounts, rank_counts
from plane_anomalib.metrics.summary import object_scores, point_counts

logger = logging.getLogger(__name__)

ThresholdSource = Literal["none", "f1", "normal_quantile"]

OBJECT_QUANTILE = 0.95
POINT_QUANTILE = 0.99

_EMPTY = np.empty(0, dtype=np.float32)


@dataclass(frozen=True)
class ScoreThreshold:
    """The score from which on an object or a point is anomalous, and the range it was found in.

    Attributes:
        value: The threshold; nan where none was found.
        source: What it is: the best F1, or just above a quantile of the normal scores.
        low: Least score that was looked at; nan where none was.
        high: Largest score that was looked at.
    """

    value: float = math.nan
    source: ThresholdSource = "none"
    low: float = math.nan
    high: float = math.nan


def object_threshold(
    collection: ScoreCollection, quantile: float = OBJECT_QUANTILE, *, near_normal: bool = False
) -> ScoreThreshold | None:
    """Find the threshold of object scores.

    Args:
        collection: Raw scores of clouds.
        quantile: Of the normal clouds' scores, used where no cloud is anomalous.
        near_normal: Where normal and anomalous clouds are far apart, keep the threshold near the
            normal ones instead of in the middle: synthetic anomalies can be much plainer than real
            ones.

    Returns:
        The threshold; None where no cloud has a score and a label.
    """
    scores, labels = object_scores(collection.clouds)
    if not len(scores):
        return None
    counts = rank_counts(scores[labels], [scores[~labels]])
    threshold, source = _threshold(counts, scores[~labels], quantile)
    if source == "f1":
        middle = _halfway_down(threshold, scores)
        threshold = _just_above(scores[~labels], middle) if near_normal else middle
    logger.info("Object threshold %.6g (%s).", threshold, source)
    return ScoreThreshold(threshold, source, float(scores.min()), float(scores.max()))


def point_threshold(
    collection: ScoreCollection, quantile: float = POINT_QUANTILE, *, near_normal: bool = False
) -> ScoreThreshold | None:
    """Find the threshold of point scores.

    Args:
        collection: Raw scores of clouds.
        quantile: Of the normal points' scores, used where no point is anomalous.
        near_normal: Not further above the highest scores in normal clouds than these are apart:
            beside plain synthetic anomalies the best F1 can be far above, where weak real ones
            would go unseen.

    Returns:
        The threshold; None where no cloud has point labels.
    """
    known = [cloud for cloud in collection.clouds if cloud.point_truth and cloud.num_points]
    if not known:
        return None
    counts = point_counts(collection, known)
    normal = _EMPTY
    if counts.degenerate:
        normal = np.concatenate([collection.normal(cloud) for cloud in known])
    threshold, source = _threshold(counts, normal, quantile)
    if source == "f1" and near_normal:
        good = [collection.normal(cloud) for cloud in known if cloud.label is False]
        peaks = np.asarray([scores.max() for scores in good if len(scores)], np.float64)
        threshold = _just_above(peaks, threshold)
    pieces = [piece for cloud in known for piece in (cloud.anomalous, collection.normal(cloud))]
    low = float(min(piece.min() for piece in pieces if len(piece)))
    high = float(max(piece.max() for piece in pieces if len(piece)))
    logger.info("Point threshold %.6g (%s).", threshold, source)
    return ScoreThreshold(threshold, source, low, high)


def _threshold(
    counts: RankCounts, normal: NDArray[Any], quantile: float
) -> tuple[float, ThresholdSource]:
    """Best F1 where both classes are present, else just above a quantile of the normal scores."""
    if not counts.degenerate:
        return counts.f1_max()[1], "f1"
    if not len(normal):
        return float("nan"), "none"
    # An order statistic, not an interpolation, and a float32 above it: ties with it stay normal.
    value = np.quantile(normal, quantile, method="higher").astype(np.float32)
    return float(np.nextafter(value, np.float32(np.inf))), "normal_quantile"


def _halfway_down(threshold: float, scores: NDArray[np.float64]) -> float:
    """Between the threshold and the next lower score: the same decisions, and room to err."""
    below = scores[scores < threshold]
    middle = np.float32((threshold + below.max()) / 2) if len(below) else np.float32(threshold)
    return (
        float(middle) if np.isfinite(middle) and middle > below.max(initial=-np.inf) else threshold
    )


def _just_above(normal: NDArray[np.float64], threshold: float) -> float:
    """As far above the highest normal score below a threshold as that is above their median.

    Never above the threshold, so that the decisions are the same.
    """
    below = normal[normal < threshold]
    if not len(below):
        return threshold
    highest = float(below.max())
    spread = highest - float(np.median(below))
    near = float(np.float32(highest + spread))
    return min(threshold, near) if near > highest else threshold

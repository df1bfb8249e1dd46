"""Exact ranking metrics on raw scores: AUROC, average precision and the best F1 from one sort.

Every one of these curves changes its precision, recall or area only at a score that some anomalous
item has. So the anomalous and the normal scores are sorted apart, and for each distinct anomalous
score the normal ones above it and from it on are counted (:class:`RankCounts`). The counts are
integers, add up over chunks of normal scores (a category, a file), and carry AUROC, average
precision, F1-max and the region overlap of :mod:`plane_anomalib.metrics.aupro` alike. No threshold
is skipped, tied scores count exactly, and no score is squashed or clamped on the way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plane_anomalib.core.errors import ConfigurationError

FloatArray = NDArray[np.floating[Any]]
NO_ANOMALOUS = "no anomalous item"
NO_NORMAL = "no normal item"


@dataclass(frozen=True)
class RankCounts:
    """How anomalous and normal scores interleave, at each distinct anomalous score.

    Attributes:
        thresholds: Distinct scores of anomalous items, falling, `(K,)`.
        positives: Anomalous items with exactly that score, `(K,)` int64.
        weights: Summed weight of those items, `(K,)` float64 (their number if unweighted).
        negatives_above: Normal items with a greater score, `(K,)` int64.
        negatives_from: Normal items with that or a greater score, `(K,)` int64.
        num_positives: Number of anomalous items.
        num_negatives: Number of normal items.
    """

    thresholds: FloatArray
    positives: NDArray[np.int64]
    weights: NDArray[np.float64]
    negatives_above: NDArray[np.int64]
    negatives_from: NDArray[np.int64]
    num_positives: int
    num_negatives: int

    @property
    def degenerate(self) -> str | None:
        """Why no curve exists, or None when both classes are present."""
        if not self.num_positives:
            return NO_ANOMALOUS
        return None if self.num_negatives else NO_NORMAL

    def auroc(self) -> float:
        """Area under the ROC curve (nan with one class only); ties count one half."""
        if self.degenerate:
            return float("nan")
        below_or_tied_half = 2 * self.num_negatives - self.negatives_above - self.negatives_from
        ordered_pairs = int(np.sum(self.positives * below_or_tied_half))
        return ordered_pairs / (2 * self.num_positives * self.num_negatives)

    def average_precision(self) -> float:
        """Sum of precision times gained recall over falling thresholds (nan with one class)."""
        if self.degenerate:
            return float("nan")
        hits = np.cumsum(self.positives)
        precision = hits / (hits + self.negatives_from)
        return float(np.sum(precision * self.positives) / self.num_positives)

    def f1_max(self) -> tuple[float, float]:
        """Best F1 and the highest threshold that reaches it (nan, nan with one class only).

        An item is called anomalous when its score is greater than OR EQUAL to the threshold.
        """
        if self.degenerate:
            return float("nan"), float("nan")
        hits = np.cumsum(self.positives)
        f1 = 2 * hits / (hits + self.negatives_from + self.num_positives)
        best = int(np.argmax(f1))
        return float(f1[best]), float(self.thresholds[best])


@dataclass(frozen=True)
class BinaryMetrics:
    """AUROC, average precision and F1-max of one set of scores.

    Attributes:
        auroc: Area under the ROC curve.
        average_precision: Area under the precision-recall steps.
        f1_max: Best F1 over all thresholds.
        f1_threshold: The highest threshold that reaches it; at or above it means anomalous.
        num_positives: Number of anomalous items.
        num_negatives: Number of normal items.
        reason: Why the values are nan (one class only), None when they are not.
    """

    auroc: float
    average_precision: float
    f1_max: float
    f1_threshold: float
    num_positives: int
    num_negatives: int
    reason: str | None = None


def binary_metrics(scores: ArrayLike, labels: ArrayLike) -> BinaryMetrics:
    """Exact AUROC, average precision and F1-max of raw scores, from one sort.

    Equal to scikit-learn's `roc_auc_score`, `average_precision_score` and the maximum of F1
    over `precision_recall_curve`, ties included. Infinite scores rank before or after all others.

    Args:
        scores: `(N,)` floats, higher is more anomalous; a CPU tensor is fine.
        labels: `(N,)` booleans or 0/1, true is anomalous.

    Returns:
        The metrics; nan with a reason when only one class is present.

    Raises:
        ConfigurationError: A score is NaN, or the shapes differ.
    """
    values, truth = _as_scores(scores), np.asarray(labels)
    if truth.shape != values.shape:
        raise ConfigurationError(
            f"scores {values.shape} and labels {truth.shape} must be 1-D and of one length."
        )
    truth = _as_labels(truth)
    counts = rank_counts(values[truth], [values[~truth]])
    f1, threshold = counts.f1_max()
    return BinaryMetrics(
        auroc=counts.auroc(),
        average_precision=counts.average_precision(),
        f1_max=f1,
        f1_threshold=threshold,
        num_positives=counts.num_positives,
        num_negatives=counts.num_negatives,
        reason=counts.degenerate,
    )


def rank_counts(
    positives: ArrayLike, negatives: Iterable[ArrayLike], weights: ArrayLike | None = None
) -> RankCounts:
    """Count, for each distinct anomalous score, the normal scores above it and from it on.

    Args:
        positives: `(P,)` scores of anomalous items.
        negatives: Chunks of scores of normal items; one chunk is held and sorted at a time.
        weights: `(P,)` weight of each anomalous item, 1 when None.

    Returns:
        The counts, summed over the chunks.

    Raises:
        ConfigurationError: A score is NaN, or weights and positives differ in length.
    """
    thresholds, at, weight = _distinct(_as_scores(positives), weights)
    below = np.zeros(len(thresholds), dtype=np.int64)
    up_to = np.zeros(len(thresholds), dtype=np.int64)
    total = 0
    for chunk in negatives:
        ranked = np.sort(_as_scores(chunk))
        # Comparing two float widths would make searchsorted convert a copy of the large array.
        wanted = thresholds if ranked.dtype == thresholds.dtype else thresholds.astype(float)
        below += np.searchsorted(ranked, wanted, side="left")
        up_to += np.searchsorted(ranked, wanted, side="right")
        total += len(ranked)
    return RankCounts(
        thresholds=thresholds[::-1],
        positives=at[::-1],
        weights=weight[::-1],
        negatives_above=(total - up_to)[::-1],
        negatives_from=(total - below)[::-1],
        num_positives=int(at.sum()),
        num_negatives=total,
    )


def chance_average_precision(anomalous_share: float) -> float:
    """Average precision of a random ranking: the share of anomalous items."""
    return anomalous_share


def chance_f1_max(anomalous_share: float) -> float:
    """F1 of calling everything anomalous, `2p / (1 + p)`: no scorer's F1-max is lower."""
    return 2 * anomalous_share / (1 + anomalous_share)


def _distinct(
    positives: FloatArray, weights: ArrayLike | None
) -> tuple[FloatArray, NDArray[np.int64], NDArray[np.float64]]:
    """Rising distinct scores with how many items, and what weight, sit at each."""
    if weights is None:
        ranked = np.sort(positives)
        weight = None
    else:
        weight = np.asarray(weights, dtype=np.float64)
        if weight.shape != positives.shape:
            raise ConfigurationError(
                f"weights {weight.shape} must have the shape of the scores {positives.shape}."
            )
        order = np.argsort(positives)
        ranked, weight = positives[order], weight[order]
    is_first = np.ones(len(ranked), dtype=bool)
    np.not_equal(ranked[1:], ranked[:-1], out=is_first[1:])
    first = np.flatnonzero(is_first)
    at = np.diff(first, append=len(ranked)).astype(np.int64)
    if weight is None:
        summed = at.astype(np.float64)
    else:
        summed = np.add.reduceat(weight, first) if len(first) else np.empty(0)
    return ranked[first], at, summed


def _as_scores(scores: ArrayLike) -> FloatArray:
    values = np.asarray(scores)
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    if values.ndim != 1:
        raise ConfigurationError(
            f"scores must be 1-D, one per item, and have shape {values.shape}."
        )
    # The minimum is NaN as soon as one score is, and needs no array of flags.
    if values.size and np.isnan(values.min()):
        raise ConfigurationError(
            f"{int(np.isnan(values).sum())} of {values.size} scores are NaN: "
            "the model diverged or divided by zero; metrics on them would be meaningless."
        )
    return values


def _as_labels(labels: NDArray[Any]) -> NDArray[np.bool_]:
    if labels.dtype == np.bool_:
        return labels
    truth = labels != 0
    if np.any(labels[truth] != 1):
        raise ConfigurationError("labels must be booleans or 0 and 1.")
    return truth

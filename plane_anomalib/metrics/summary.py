"""From all raw scores of a run to its metrics: per category, their mean, and pooled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.results import METRIC_NAMES, CategoryCounts, Metrics, MetricValues
from plane_anomalib.metrics.aupro import au_pro_from_counts, region_weights
from plane_anomalib.metrics.collection import ScoreCollection, TestedCloud
from plane_anomalib.metrics.functional import (
    RankCounts,
    binary_metrics,
    chance_average_precision,
    chance_f1_max,
    rank_counts,
)

POOLED = "pooled"
MEAN = "mean"


def summarise(collection: ScoreCollection, pro_limit: float = 0.3) -> Metrics:
    """Compute every metric of a run.

    Args:
        collection: All clouds.
        pro_limit: False-positive rate up to which AU-PRO is integrated.

    Returns:
        The metrics; absent ones are None and the notes say why.
    """
    groups = collection.by_category()
    values = {name: _values(collection, clouds, pro_limit) for name, clouds in groups.items()}
    floors = {name: _floors(clouds, values[name], pro_limit) for name, clouds in groups.items()}
    if len(groups) == 1:
        pooled = next(iter(values.values()))
    else:
        pooled = _values(collection, collection.clouds, pro_limit)
    mean, mean_over = _mean(list(values.values()))
    floors[MEAN] = _mean(list(floors.values()))[0]
    floors[POOLED] = _floors(collection.clouds, pooled, pro_limit)
    settings = {"pro_limit": pro_limit}
    if collection.radius_factor is not None:
        settings["radius_factor"] = collection.radius_factor
    return Metrics(
        mean=mean,
        mean_over=mean_over,
        pooled=pooled,
        per_category=values,
        floors=floors,
        notes=[note for name, clouds in groups.items() for note in _notes(name, clouds)],
        settings=settings,
    )


def count_categories(
    collection: ScoreCollection, train_clouds: dict[str, int] | None = None
) -> dict[str, CategoryCounts]:
    """What each category of the run holds.

    Args:
        collection: All test clouds.
        train_clouds: Number of training clouds per category; None when not known.
    """
    return {
        name: CategoryCounts(
            train_clouds=None if train_clouds is None else train_clouds.get(name, 0),
            test_good=sum(cloud.label is False for cloud in clouds),
            test_bad=sum(cloud.label is True for cloud in clouds),
            test_points=sum(cloud.num_points for cloud in clouds),
            anomalous_points=sum(len(cloud.anomalous) for cloud in clouds),
            regions=sum(int(c.regions.max()) + 1 for c in clouds if len(c.regions)),
        )
        for name, clouds in collection.by_category().items()
    }


def object_scores(
    clouds: Sequence[TestedCloud],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Raw scores `(B,)` and labels `(B,)` of the clouds that have both."""
    known = [(c.score, c.label) for c in clouds if c.score is not None and c.label is not None]
    scores = np.array([score for score, _ in known], dtype=np.float64)
    return scores, np.array([label for _, label in known], dtype=bool)


def point_counts(collection: ScoreCollection, clouds: Sequence[TestedCloud]) -> RankCounts:
    """Rank counts of all points of the clouds that have point truth, regions as weights."""
    known = [cloud for cloud in clouds if cloud.point_truth]
    anomalous = [cloud.anomalous for cloud in known if len(cloud.anomalous)]
    positives = np.concatenate(anomalous) if anomalous else np.empty(0, dtype=np.float32)
    weights = None
    if collection.radius_factor is not None:
        # A region never leaves its cloud, so its weights need not wait for the other clouds.
        found = [region_weights(cloud.regions) for cloud in known if len(cloud.anomalous)]
        weights = np.concatenate(found) if found else np.empty(0)
    return rank_counts(positives, collection.normals(known), weights=weights)


def _values(
    collection: ScoreCollection, clouds: Sequence[TestedCloud], pro_limit: float
) -> MetricValues:
    objects = binary_metrics(*object_scores(clouds))
    points = point_counts(collection, clouds)
    overlap = collection.radius_factor is not None
    values = {
        "object_AUROC": objects.auroc,
        "object_AP": objects.average_precision,
        "object_F1max": objects.f1_max,
        "point_AUROC": points.auroc(),
        "point_AP": points.average_precision(),
        "point_F1max": points.f1_max()[0],
        "point_AUPRO": au_pro_from_counts(points, pro_limit) if overlap else float("nan"),
        "point_AUROC_per_cloud": _per_cloud_auroc(collection, clouds),
    }
    return {name: None if np.isnan(value) else value for name, value in values.items()}


def _per_cloud_auroc(collection: ScoreCollection, clouds: Sequence[TestedCloud]) -> float:
    """Mean over the clouds with both anomalous and normal points."""
    found = [
        rank_counts(cloud.anomalous, [collection.normal(cloud)]).auroc()
        for cloud in clouds
        if len(cloud.anomalous)
    ]
    found = [value for value in found if not np.isnan(value)]
    return float(np.mean(found)) if found else float("nan")


def _floors(clouds: Sequence[TestedCloud], values: MetricValues, pro_limit: float) -> MetricValues:
    """What a random ranking gets (F1: what calling everything anomalous gets)."""
    _, labels = object_scores(clouds)
    known = [cloud for cloud in clouds if cloud.point_truth]
    anomalous = sum(len(cloud.anomalous) for cloud in known)
    share_of_objects = float(labels.mean()) if len(labels) else 0.0
    share_of_points = anomalous / max(sum(cloud.num_points for cloud in known), 1)
    floors = {
        "object_AUROC": 0.5,
        "object_AP": chance_average_precision(share_of_objects),
        "object_F1max": chance_f1_max(share_of_objects),
        "point_AUROC": 0.5,
        "point_AP": chance_average_precision(share_of_points),
        "point_F1max": chance_f1_max(share_of_points),
        "point_AUPRO": pro_limit / 2,
        "point_AUROC_per_cloud": 0.5,
    }
    return {name: None if values[name] is None else floors[name] for name in METRIC_NAMES}


def _mean(rows: Sequence[MetricValues]) -> tuple[MetricValues, dict[str, int]]:
    """Mean of each metric over the rows that have it, and over how many that is."""
    mean: MetricValues = {}
    over: dict[str, int] = {}
    for name in METRIC_NAMES:
        present = [value for row in rows if (value := row[name]) is not None]
        mean[name] = float(np.mean(present)) if present else None
        over[name] = len(present)
    return mean, over


def _notes(category: str, clouds: Sequence[TestedCloud]) -> list[str]:
    """Why a category lacks metrics, one sentence each."""
    where = category or "(no category)"
    labels = [cloud.label for cloud in clouds]
    notes = []
    if None in labels:
        notes.append(f"{where}: {labels.count(None)} clouds have no label and are left out.")
    if True not in labels:
        notes.append(f"{where}: no anomalous cloud, so no object metrics.")
    elif False not in labels:
        notes.append(f"{where}: no normal cloud, so no object metrics.")
    if any(cloud.score is None for cloud in clouds):
        notes.append(f"{where}: the model gave no object score for some clouds.")
    blind = sum(c.label is not False and not c.point_truth for c in clouds)
    if not any(len(cloud.anomalous) for cloud in clouds):
        notes.append(f"{where}: no point is known to be anomalous, so no point metrics.")
    elif blind:
        notes.append(f"{where}: {blind} clouds without point truth are left out of point metrics.")
    return notes

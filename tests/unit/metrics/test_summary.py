"""Per-category, mean and pooled metrics against scikit-learn on the same clouds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from plane_anomalib.metrics.aupro import au_pro
from plane_anomalib.metrics.collection import ScoreCollection
from plane_anomalib.metrics.summary import count_categories, summarise


@dataclass
class Cloud:
    category: str
    label: bool
    score: float
    points: np.ndarray
    mask: np.ndarray | None
    scores: np.ndarray


def make_cloud(generator: np.random.Generator, category: str, label: bool) -> Cloud:
    size = int(generator.integers(60, 120))
    points = generator.uniform(size=(size, 3)).astype(np.float32)
    mask = np.zeros(size, bool)
    if label:
        mask[:12] = True
        points[6:12] += 50
    scores = (generator.normal(size=size) + mask).round(1).astype(np.float32)
    return Cloud(category, label, float(generator.normal() + label), points, mask, scores)


def add(collection: ScoreCollection, clouds: list[Cloud]) -> None:
    for i, cloud in enumerate(clouds):
        collection.add(
            path=f"{i}.pcd",
            category=cloud.category,
            points=cloud.points,
            label=cloud.label,
            score=cloud.score,
            anomaly_map=cloud.scores,
            mask=cloud.mask,
        )


@pytest.fixture
def clouds() -> list[Cloud]:
    generator = np.random.default_rng()
    return [make_cloud(generator, c, label) for c in "ab" for label in [True, False] * 4]


@pytest.mark.parametrize("memory_bytes", [0, 1 << 20])
def test_every_level_equals_scikit_learn(clouds: list[Cloud], memory_bytes: int) -> None:
    collection = ScoreCollection(memory_bytes=memory_bytes)
    add(collection, clouds)
    metrics = summarise(collection)
    levels = {
        "a": (metrics.per_category["a"], [c for c in clouds if c.category == "a"]),
        "b": (metrics.per_category["b"], [c for c in clouds if c.category == "b"]),
        "pooled": (metrics.pooled, clouds),
    }
    for values, members in levels.values():
        labels = [c.label for c in members]
        object_scores = np.array([c.score for c in members], np.float32)
        mask = np.concatenate([c.mask for c in members])
        scores = np.concatenate([c.scores for c in members])
        assert values["object_AUROC"] == pytest.approx(roc_auc_score(labels, object_scores))
        assert values["object_AP"] == pytest.approx(average_precision_score(labels, object_scores))
        assert values["point_AUROC"] == pytest.approx(roc_auc_score(mask, scores), abs=1e-9)
        assert values["point_AP"] == pytest.approx(average_precision_score(mask, scores), abs=1e-9)
        # Each anomalous cloud has two regions: points 0-5 and, far away, points 6-11.
        bad = sum(c.label for c in members)
        regions = np.repeat(np.arange(2 * bad), 6)
        assert values["point_AUPRO"] == pytest.approx(au_pro(scores, mask, regions), abs=1e-9)
        each = [roc_auc_score(c.mask, c.scores) for c in members if c.label]
        assert values["point_AUROC_per_cloud"] == pytest.approx(np.mean(each), abs=1e-9)
    for name, mean in metrics.mean.items():
        both = [metrics.per_category[c][name] for c in "ab"]
        assert mean == pytest.approx(np.mean(both))
        assert metrics.mean_over[name] == 2
    assert metrics.notes == []


def test_floors_are_the_anomalous_shares(clouds: list[Cloud]) -> None:
    collection = ScoreCollection()
    add(collection, clouds)
    floors = summarise(collection, pro_limit=0.2).floors
    assert set(floors) == {"a", "b", "mean", "pooled"}
    assert floors["a"]["object_AP"] == 0.5
    assert floors["a"]["object_F1max"] == pytest.approx(2 / 3)
    masks = np.concatenate([c.mask for c in clouds])
    assert floors["pooled"]["point_AP"] == pytest.approx(masks.mean())
    assert floors["pooled"]["point_AUPRO"] == pytest.approx(0.1)


def test_category_without_anomalies_is_absent_noted_and_not_in_the_mean(
    clouds: list[Cloud],
) -> None:
    good = [c for c in clouds if c.category == "a" or not c.label]
    collection = ScoreCollection()
    add(collection, good)
    metrics = summarise(collection)
    assert set(metrics.per_category["b"].values()) == {None}
    assert set(metrics.floors["b"].values()) == {None}
    assert metrics.mean == pytest.approx(metrics.per_category["a"])
    assert set(metrics.mean_over.values()) == {1}
    assert any(note.startswith("b: no anomalous cloud") for note in metrics.notes)
    assert metrics.pooled["object_AUROC"] is not None


def test_object_labels_only_give_object_metrics_only(clouds: list[Cloud]) -> None:
    for cloud in clouds:
        cloud.mask = None
    collection = ScoreCollection()
    add(collection, clouds)
    metrics = summarise(collection)
    assert metrics.mean["object_AUROC"] is not None
    assert {metrics.mean[n] for n in metrics.mean if n.startswith("point")} == {None}
    assert any("no point is known to be anomalous" in note for note in metrics.notes)


def test_some_clouds_without_point_truth_are_noted(clouds: list[Cloud]) -> None:
    clouds[0].mask = None
    collection = ScoreCollection()
    add(collection, clouds)
    metrics = summarise(collection)
    assert metrics.notes == ["a: 1 clouds without point truth are left out of point metrics."]
    assert metrics.mean_over["point_AUROC"] == 2


def test_regions_are_optional(clouds: list[Cloud]) -> None:
    collection = ScoreCollection(radius_factor=None)
    add(collection, clouds)
    metrics = summarise(collection)
    assert metrics.mean["point_AUPRO"] is None
    assert metrics.mean["point_AUROC"] is not None


def test_counts_say_what_was_tested(clouds: list[Cloud]) -> None:
    collection = ScoreCollection()
    add(collection, clouds)
    counts = count_categories(collection, {"a": 4})
    assert (counts["a"].train_clouds, counts["b"].train_clouds) == (4, 0)
    assert (counts["a"].test_good, counts["a"].test_bad) == (4, 4)
    assert counts["a"].test_points == sum(len(c.points) for c in clouds if c.category == "a")
    assert (counts["b"].anomalous_points, counts["b"].regions) == (48, 8)
    assert count_categories(collection)["a"].train_clouds is None

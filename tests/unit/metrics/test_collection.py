"""Scores survive their way through memory, file and other processes."""

from __future__ import annotations

import numpy as np
import pytest

from plane_anomalib.errors import ConfigurationError
from plane_anomalib.metrics.collection import FloatSpool, ScoreCollection


def filled(memory_bytes: int, rng: np.random.Generator, clouds: int = 6) -> ScoreCollection:
    collection = ScoreCollection(radius_factor=2.5, memory_bytes=memory_bytes)
    for i in range(clouds):
        size = int(rng.integers(20, 60))
        mask = (np.arange(size) < 8) & (i % 2 == 1)
        collection.add(
            path=f"c{i % 3}/cloud{i}.pcd",
            category=f"c{i % 3}",
            points=rng.normal(size=(size, 3)).astype(np.float32),
            label=i % 2 == 1,
            score=float(rng.normal()),
            anomaly_map=rng.normal(size=size).astype(np.float32),
            mask=mask,
        )
    return collection


def test_spool_returns_what_it_got_in_any_order_on_both_sides_of_the_budget() -> None:
    rng = np.random.default_rng()
    arrays = [rng.normal(size=n).astype(np.float32) for n in (10, 0, 30, 5, 200, 1)]
    spool = FloatSpool(memory_bytes=120)
    handles = [spool.put(array) for array in arrays]
    assert not all(isinstance(handle, np.ndarray) for handle in handles)
    for i in rng.permutation(len(arrays)):
        assert np.array_equal(spool.get(handles[i]), arrays[i])


def test_memory_budget_changes_no_score() -> None:
    seed = int(np.random.default_rng().integers(1 << 30))
    kept = filled(1 << 20, np.random.default_rng(seed))
    spilled = filled(0, np.random.default_rng(seed))
    for left, right in zip(kept.clouds, spilled.clouds, strict=True):
        assert np.array_equal(kept.normal(left), spilled.normal(right))
        assert not isinstance(right.normal, np.ndarray) or not right.normal.size
    whole = np.concatenate(list(kept.normals(kept.clouds)))
    assert np.array_equal(whole, np.concatenate(list(spilled.normals(spilled.clouds))))


def test_merging_processes_counts_repeated_clouds_once_and_keeps_variants() -> None:
    rng = np.random.default_rng()
    whole = filled(1 << 20, rng)
    clouds = whole.export()
    first, second = ScoreCollection(), ScoreCollection(memory_bytes=0)
    first.merge([clouds[::2], clouds[1::2], clouds[:1]])
    second.merge([clouds[1::2], clouds[::2]])
    assert [c.path for c in first.clouds] == [c.path for c in second.clouds]
    assert {c.path for c in first.clouds} == {c.path for c in clouds}
    variants = ScoreCollection()
    for score in (0.1, 0.2):
        variants.add(
            path="same.pcd",
            category="",
            points=np.zeros((1, 3), np.float32),
            label=True,
            score=score,
            anomaly_map=None,
            mask=None,
        )
    variants.merge([variants.export()])
    assert len(variants) == 2


def test_a_good_cloud_without_a_mask_has_only_normal_points() -> None:
    collection = ScoreCollection()
    common = {"category": "a", "score": None, "points": np.zeros((4, 3), np.float32)}
    scores = np.arange(4, dtype=np.float32)
    collection.add(path="good", label=False, anomaly_map=scores, mask=None, **common)
    collection.add(path="bad", label=True, anomaly_map=scores, mask=None, **common)
    assert [cloud.point_truth for cloud in collection.clouds] == [True, False]
    assert collection.normal(collection.clouds[0]).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("score", "anomaly_map", "mask", "message"),
    [
        (float("nan"), None, None, "object score is NaN"),
        (0.0, np.array([0, np.nan, 1], np.float32), np.zeros(3, bool), "1 of 3 point scores"),
        (0.0, np.zeros(2, np.float32), np.zeros(3, bool), r"anomaly_map has shape \(2,\)"),
        (0.0, np.zeros(3, np.float32), np.zeros(4, bool), r"gt_mask has shape \(4,\)"),
    ],
)
def test_bad_scores_are_refused_with_the_cloud_named(
    score: float, anomaly_map: np.ndarray | None, mask: np.ndarray | None, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"bowl.pcd.*{message}"):
        ScoreCollection().add(
            path="bowl.pcd",
            category="bowl",
            points=np.zeros((3, 3), np.float32),
            label=True,
            score=score,
            anomaly_map=anomaly_map,
            mask=mask,
        )

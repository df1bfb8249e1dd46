"""Scores survive their way through memory, file and other processes."""

from __future__ import annotations

import numpy as np
import pytest

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.metrics.collection import FloatSpool, ScoreCollection


def filled(memory_bytes: int, generator: np.random.Generator, clouds: int = 6) -> ScoreCollection:
    collection = ScoreCollection(radius_factor=2.5, memory_bytes=memory_bytes)
    for i in range(clouds):
        size = int(generator.integers(20, 60))
        mask = (np.arange(size) < 8) & (i % 2 == 1)
        collection.add(
            path=f"c{i % 3}/cloud{i}.pcd",
            category=f"c{i % 3}",
            points=generator.normal(size=(size, 3)).astype(np.float32),
            label=i % 2 == 1,
            score=float(generator.normal()),
            anomaly_map=generator.normal(size=size).astype(np.float32),
            mask=mask,
        )
    return collection


def test_spool_returns_what_it_got_in_any_order_on_both_sides_of_the_budget() -> None:
    generator = np.random.default_rng()
    arrays = [generator.normal(size=n).astype(np.float32) for n in (10, 0, 30, 5, 200, 1)]
    spool = FloatSpool(memory_bytes=120)
    handles = [spool.put(array) for array in arrays]
    assert not all(isinstance(handle, np.ndarray) for handle in handles)
    for i in generator.permutation(len(arrays)):
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


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_merging_processes_gives_what_one_has_whatever_the_sampler_repeated(processes: int) -> None:
    whole = filled(1 << 20, np.random.default_rng())
    clouds = whole.export()
    # As torch's DistributedSampler deals: in turn, the first ones again to fill up the last round.
    padded = clouds + clouds[: -len(clouds) % processes]
    parts = [padded[rank::processes] for rank in range(processes)]
    for memory in (0, 1 << 20):
        merged = ScoreCollection(memory_bytes=memory)
        merged.merge(parts, len(clouds))
        assert [c.path for c in merged.clouds] == [c.path for c in clouds]
        for left, right in zip(merged.clouds, whole.clouds, strict=True):
            assert np.array_equal(merged.normal(left), whole.normal(right))


def test_merging_keeps_clouds_that_look_the_same_and_a_run_that_was_cut_short() -> None:
    variants = ScoreCollection()
    for _ in range(4):
        variants.add(
            path="same.pcd",
            category="",
            points=np.zeros((1, 3), np.float32),
            label=True,
            score=0.5,
            anomaly_map=None,
            mask=None,
        )
    same = variants.export()
    variants.merge([same[:2], same[2:]], total=4)
    assert len(variants) == 4
    variants.merge([same[:1], same[2:3]], total=4)
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

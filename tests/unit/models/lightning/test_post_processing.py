"""Thresholds come from validation, survive checkpoints, and scores stay raw."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from anomalib.data import InferenceBatch
from sklearn.metrics import f1_score, precision_recall_curve

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.data.point_cloud import PointCloudBatch
from plane_anomalib.metrics.collection import ScoreCollection
from plane_anomalib.models.lightning.post_processing import PointCloudPostProcessor

TRAINER = SimpleNamespace(sanity_checking=False, world_size=1)


def make_batch(
    generator: np.random.Generator, labels: list[bool], share: float = 0.3
) -> PointCloudBatch:
    lengths = generator.integers(30, 60, len(labels))
    mask = np.repeat(labels, lengths) & (generator.random(lengths.sum()) < share)
    return PointCloudBatch(
        points=torch.from_numpy(generator.normal(size=(lengths.sum(), 3)).astype(np.float32)),
        lengths=torch.from_numpy(lengths),
        gt_label=torch.tensor(labels),
        gt_mask=torch.from_numpy(mask),
        pred_score=torch.from_numpy(
            20 * generator.normal(size=len(labels)) + 15 * np.array(labels)
        ),
        anomaly_map=torch.from_numpy((generator.normal(size=mask.size) + mask) * 500),
    )


def validate(processor: PointCloudPostProcessor, *batches: PointCloudBatch) -> None:
    processor.on_validation_epoch_start(TRAINER, None)
    for i, batch in enumerate(batches):
        processor.on_validation_batch_end(TRAINER, None, None, batch, i)
    processor.on_validation_epoch_end(TRAINER, None)


def best_f1(labels: np.ndarray, scores: np.ndarray) -> float:
    precision, recall, _ = precision_recall_curve(labels, scores)
    return float(np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12)))


def test_thresholds_with_anomalies_reach_the_best_f1_of_validation() -> None:
    generator = np.random.default_rng()
    batches = [make_batch(generator, [True, False, False, True, False]) for _ in range(6)]
    processor = PointCloudPostProcessor(memory_bytes=0)
    validate(processor, *batches)
    assert (processor.object_threshold_source, processor.point_threshold_source) == ("f1", "f1")
    for threshold, truth, score in (
        (processor.object_threshold, "gt_label", "pred_score"),
        (processor.point_threshold, "gt_mask", "anomaly_map"),
    ):
        labels = torch.cat([getattr(b, truth) for b in batches]).numpy()
        scores = torch.cat([getattr(b, score) for b in batches]).numpy()
        reached = f1_score(labels, scores >= threshold.item())
        assert reached == pytest.approx(best_f1(labels, scores), abs=1e-9)


def test_object_threshold_lies_between_two_scores() -> None:
    batch = make_batch(np.random.default_rng(), [False, False, True])
    batch.pred_score = torch.tensor([1.0, 2.0, 4.0])
    processor = PointCloudPostProcessor()
    validate(processor, batch)
    assert processor.object_threshold.item() == 3.0


def test_thresholds_without_anomalies_lie_just_above_a_quantile() -> None:
    generator = np.random.default_rng()
    batch = make_batch(generator, [False] * 40)
    processor = PointCloudPostProcessor(object_quantile=0.9, point_quantile=0.98)
    validate(processor, batch)
    assert processor.object_threshold_source == "normal_quantile"
    assert processor.point_threshold_source == "normal_quantile"
    above = (batch.pred_score >= processor.object_threshold).float().mean()
    assert above == pytest.approx(0.1, abs=0.03)
    above = (batch.anomaly_map >= processor.point_threshold).float().mean()
    assert above == pytest.approx(0.02, abs=0.005)


def test_constant_normal_scores_are_not_called_anomalous() -> None:
    batch = make_batch(np.random.default_rng(), [False] * 4)
    batch.pred_score = torch.full((4,), 7.0)
    batch.anomaly_map = torch.full((len(batch.points),), 7.0)
    processor = PointCloudPostProcessor()
    validate(processor, batch)
    processor.post_process_batch(batch)
    assert not batch.pred_label.any()
    assert not batch.pred_mask.any()


def test_a_test_batch_gets_decisions_and_keeps_its_raw_scores() -> None:
    generator = np.random.default_rng()
    processor = PointCloudPostProcessor(normalize_predictions=True)
    validate(processor, make_batch(generator, [True, False] * 5))
    batch = make_batch(generator, [True, False, True])
    score, anomaly_map = batch.pred_score * 1e3, batch.anomaly_map * 1e3
    batch.pred_score, batch.anomaly_map = score.clone(), anomaly_map.clone()
    processor.on_test_batch_end(TRAINER, None, batch, batch, 0)
    assert torch.equal(batch.pred_score, score)
    assert torch.equal(batch.anomaly_map, anomaly_map)
    assert torch.equal(batch.pred_label, score >= processor.object_threshold)
    assert torch.equal(batch.pred_mask, anomaly_map >= processor.point_threshold)


def test_decisions_of_the_model_are_kept() -> None:
    processor = PointCloudPostProcessor()
    batch = make_batch(np.random.default_rng(), [True, False])
    validate(processor, batch)
    batch.pred_label = torch.tensor([False, True])
    processor.post_process_batch(batch)
    assert batch.pred_label.tolist() == [False, True]


def test_without_validation_nothing_is_decided() -> None:
    processor = PointCloudPostProcessor()
    batch = make_batch(np.random.default_rng(), [True])
    processor.post_process_batch(batch)
    assert batch.pred_label is None
    assert batch.pred_mask is None
    assert processor.object_threshold_source == "none"
    assert torch.equal(processor.normalize_map(batch.anomaly_map), batch.anomaly_map)


def test_sanity_check_before_training_sets_no_threshold() -> None:
    processor = PointCloudPostProcessor()
    trainer = SimpleNamespace(sanity_checking=True, world_size=1)
    batch = make_batch(np.random.default_rng(), [True, False])
    processor.on_validation_epoch_start(trainer, None)
    processor.on_validation_batch_end(trainer, None, None, batch, 0)
    processor.on_validation_epoch_end(trainer, None)
    assert torch.isnan(processor.object_threshold)


def test_predictions_are_mapped_monotonically_and_not_clamped() -> None:
    generator = np.random.default_rng()
    processor = PointCloudPostProcessor(normalize_predictions=True)
    validate(processor, make_batch(generator, [True, False] * 4))
    batch = make_batch(generator, [True, False, True])
    batch.anomaly_map = batch.anomaly_map * 10
    raw = batch.anomaly_map.clone()
    label = batch.pred_score >= processor.object_threshold
    processor.on_predict_batch_end(TRAINER, None, batch)
    mapped = batch.anomaly_map
    assert (mapped[raw.argsort()].diff() >= 0).all()
    assert mapped.max() > 1
    assert mapped.min() < 0
    assert torch.equal(batch.pred_label, label)
    assert torch.equal(batch.pred_mask, mapped >= 0.5)


def test_sensitivity_moves_the_decision() -> None:
    generator = np.random.default_rng()
    batch = make_batch(generator, [True, False] * 10)
    called = []
    for sensitivity in (0.0, 0.5, 1.0):
        processor = PointCloudPostProcessor(
            image_sensitivity=sensitivity, pixel_sensitivity=sensitivity
        )
        validate(processor, batch)
        out = processor(InferenceBatch(pred_score=batch.pred_score, anomaly_map=batch.anomaly_map))
        called.append(int(out.pred_mask.sum()))
    assert called[0] < called[1] < called[2]


def test_forward_decides_on_raw_scores() -> None:
    processor = PointCloudPostProcessor()
    batch = make_batch(np.random.default_rng(), [True, False])
    validate(processor, batch)
    out = processor(InferenceBatch(pred_score=batch.pred_score, anomaly_map=None))
    assert torch.equal(out.pred_score, batch.pred_score)
    assert torch.equal(out.pred_label, batch.pred_score >= processor.object_threshold)
    assert out.pred_mask is None
    with pytest.raises(ConfigurationError, match="neither"):
        processor(InferenceBatch(pred_score=None, anomaly_map=None))


def test_thresholds_survive_a_weights_only_checkpoint(tmp_path: Any) -> None:
    generator = np.random.default_rng()
    processor = PointCloudPostProcessor(point_quantile=0.9, image_sensitivity=0.7)
    validate(processor, make_batch(generator, [True, False] * 3))
    file = tmp_path / "model.ckpt"
    torch.save({"state": processor.state_dict(), "config": processor.checkpoint_config()}, file)
    loaded = torch.load(file, weights_only=True)
    restored = PointCloudPostProcessor()
    restored.load_state_dict(loaded["state"])
    restored.load_checkpoint_config(loaded["config"])
    assert torch.equal(restored.object_threshold, processor.object_threshold)
    assert torch.equal(restored.point_threshold, processor.point_threshold)
    assert restored.checkpoint_config() == processor.checkpoint_config()
    batch = make_batch(generator, [True, False])
    assert torch.equal(
        restored.normalize_score(batch.pred_score), processor.normalize_score(batch.pred_score)
    )


def test_object_labels_only_leave_the_points_undecided() -> None:
    batch = make_batch(np.random.default_rng(), [True, True, False])
    batch.gt_mask = None
    batch.gt_label = torch.tensor([True, True, True])
    processor = PointCloudPostProcessor()
    validate(processor, batch)
    assert processor.point_threshold_source == "none"
    assert torch.isnan(processor.point_threshold)


@pytest.mark.parametrize("name", ["object_quantile", "point_quantile", "image_sensitivity"])
def test_arguments_outside_zero_to_one_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        PointCloudPostProcessor(**{name: 1.5})


def test_a_threshold_near_the_normal_clouds_decides_the_same_and_leaves_less_room() -> None:
    def learnt(near_normal: bool) -> float:
        collection = ScoreCollection(None)
        for label, scores in ((False, (3.0, 4.0, 5.0)), (True, (100.0, 200.0))):
            for score in scores:
                collection.add(
                    path="", category="", points=np.zeros((1, 3), np.float32), label=label,
                    score=score, anomaly_map=None, mask=None,
                )  # fmt: skip
        processor = PointCloudPostProcessor()
        processor.learn(collection, near_normal=near_normal)
        assert processor.object_threshold_source == "f1"
        return float(processor.object_threshold)

    assert learnt(near_normal=False) == pytest.approx(52.5)
    # As far above 5, the highest, as that is above 4, the median.
    assert learnt(near_normal=True) == pytest.approx(6.0)

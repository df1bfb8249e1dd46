"""Thresholds from validation for packed point clouds; the scores themselves stay raw.

anomalib's post-processor normalises scores and clamps them to [0, 1] before the metrics see them,
which ties every score beyond the validation range and so changes the metrics. This one only
decides: it sets `pred_label` and `pred_mask`; `pred_score` and `anomaly_map` stay raw.
"""

from __future__ import annotations

from typing import Any

import torch
from anomalib.data import InferenceBatch
from anomalib.post_processing import PostProcessor
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.metrics.collection import ScoreCollection
from plane_anomalib.metrics.thresholds import (
    OBJECT_QUANTILE,
    POINT_QUANTILE,
    ThresholdSource,
    object_threshold,
    point_threshold,
)
from plane_anomalib.models.components.checkpoints import shifted
from plane_anomalib.models.lightning.evaluator import collect_batch, gather


class PointCloudPostProcessor(PostProcessor):
    """Decide what is anomalous, by thresholds on raw scores learnt from the validation set.

    With anomalies in validation (the synthetic ones of the default split, say), a threshold is the
    one with the best F1 there. With normal clouds only, it lies just above a quantile of their
    scores. `object_threshold_source` and `point_threshold_source` say which was used; they and
    the thresholds are saved in checkpoints. A score greater than or equal to its threshold is
    anomalous. Without a validation run there is no threshold and no decision.

    Args:
        object_quantile: Quantile of normal clouds' scores, used without anomalies in validation.
        point_quantile: Quantile of normal points' scores, used likewise.
        image_sensitivity: 0.5 takes the threshold as it is; more calls more clouds anomalous. The
            threshold moves by `0.5 - sensitivity` times the range of validation scores.
        pixel_sensitivity: The same for points.
        normalize_predictions: Map predictions (never the scores of a test) so that the threshold is
            0.5 and the range of validation scores 1; monotone and not clamped.
        memory_bytes: Memory for validation scores before they go to a temporary file.

    Raises:
        ConfigurationError: A quantile or sensitivity is outside [0, 1].
    """

    def __init__(
        self,
        object_quantile: float = OBJECT_QUANTILE,
        point_quantile: float = POINT_QUANTILE,
        image_sensitivity: float = 0.5,
        pixel_sensitivity: float = 0.5,
        normalize_predictions: bool = False,
        memory_bytes: int = 2**29,
    ) -> None:
        super().__init__(
            enable_normalization=normalize_predictions,
            # A threshold on objects says nothing about points, nor the other way round.
            enable_threshold_matching=False,
            image_sensitivity=image_sensitivity,
            pixel_sensitivity=pixel_sensitivity,
        )
        for name, value in (
            ("object_quantile", object_quantile),
            ("point_quantile", point_quantile),
            ("image_sensitivity", image_sensitivity),
            ("pixel_sensitivity", pixel_sensitivity),
        ):
            if not 0 <= value <= 1:
                raise ConfigurationError(f"{name} must be in [0, 1] and is {value}.")
        self.object_quantile = object_quantile
        self.point_quantile = point_quantile
        self.memory_bytes = memory_bytes
        self.object_threshold_source: ThresholdSource = "none"
        self.point_threshold_source: ThresholdSource = "none"
        self._collection = ScoreCollection(None)

    @property
    def _checkpoint_config_keys(self) -> tuple[str, ...]:
        return (
            *super()._checkpoint_config_keys,
            "object_quantile",
            "point_quantile",
            "object_threshold_source",
            "point_threshold_source",
        )

    @property
    def object_threshold(self) -> Tensor:
        """Raw object score from which on a cloud is anomalous; nan before any validation."""
        return shifted(
            self._image_threshold, self.image_sensitivity, self.image_max - self.image_min
        )

    @property
    def point_threshold(self) -> Tensor:
        """Raw point score from which on a point is anomalous; nan before any validation."""
        return shifted(
            self._pixel_threshold, self.pixel_sensitivity, self.pixel_max - self.pixel_min
        )

    def normalize_score(self, scores: Tensor) -> Tensor:
        """Map raw object scores for display: threshold to 0.5, validation range to 1, no clamp."""
        return _normalised(scores, self._image_threshold, self.image_min, self.image_max)

    def normalize_map(self, scores: Tensor) -> Tensor:
        """Map raw point scores for display: threshold to 0.5, validation range to 1, no clamp."""
        return _normalised(scores, self._pixel_threshold, self.pixel_min, self.pixel_max)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the previous epoch."""
        del trainer, pl_module
        self._collection = ScoreCollection(None, self.memory_bytes)

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Keep the batch's raw scores."""
        del pl_module, kwargs
        if not trainer.sanity_checking:
            collect_batch(self._collection, args[0] if args else outputs)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Derive thresholds and ranges."""
        del pl_module
        if trainer.sanity_checking:
            return
        collection = gather(self._collection, trainer)
        self.learn(collection)
        self._collection = ScoreCollection(None)

    def learn(self, collection: ScoreCollection, *, near_normal: bool = False) -> None:
        """Derive thresholds and ranges from scores of clouds whose truth is known.

        Args:
            collection: Raw scores; without a cloud nothing changes.
            near_normal: Where normal and anomalous clouds are far apart, keep the threshold of
                objects near the normal ones instead of in the middle: synthetic anomalies can be
                much plainer than real ones.
        """
        found = object_threshold(collection, self.object_quantile, near_normal=near_normal)
        if found is not None:
            self._image_threshold.fill_(found.value)
            self.image_min.fill_(found.low)
            self.image_max.fill_(found.high)
            self.object_threshold_source = found.source
        found = point_threshold(collection, self.point_quantile)
        if found is not None:
            self._pixel_threshold.fill_(found.value)
            self.pixel_min.fill_(found.low)
            self.pixel_max.fill_(found.high)
            self.point_threshold_source = found.source

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Decide, then map the scores if that was asked for."""
        del trainer, pl_module, args, kwargs
        self.post_process_batch(outputs)
        if self.enable_normalization:
            self.normalize_batch(outputs)

    def post_process_batch(self, batch: Any) -> None:
        """Set `pred_label` and `pred_mask` where the model has not; scores are not touched."""
        if self.enable_thresholding:
            self.threshold_batch(batch)

    def threshold_batch(self, batch: Any) -> None:
        """Set `pred_label` and `pred_mask` by the raw thresholds, where there are any."""
        if batch.pred_label is None:
            batch.pred_label = self._apply_threshold(batch.pred_score, self.object_threshold)
        if batch.pred_mask is None:
            batch.pred_mask = self._apply_threshold(batch.anomaly_map, self.point_threshold)

    def normalize_batch(self, batch: Any) -> None:
        """Map both scores for display; monotone, not clamped."""
        if batch.pred_score is not None:
            batch.pred_score = self.normalize_score(batch.pred_score)
        if batch.anomaly_map is not None:
            batch.anomaly_map = self.normalize_map(batch.anomaly_map)

    def forward(self, predictions: InferenceBatch) -> InferenceBatch:
        """Decide on the output of a model's forward pass.

        Args:
            predictions: With `pred_score (B,)` or `anomaly_map (sum N,)` or both.

        Returns:
            The same scores (mapped if asked for) with `pred_label (B,)` and
            `pred_mask (sum N,)`, None without a threshold.

        Raises:
            ConfigurationError: Neither score is there.
        """
        score, anomaly_map = predictions.pred_score, predictions.anomaly_map
        if score is None and anomaly_map is None:
            raise ConfigurationError("predictions hold neither pred_score nor anomaly_map.")
        label = self._apply_threshold(score, self.object_threshold)
        mask = self._apply_threshold(anomaly_map, self.point_threshold)
        if self.enable_normalization:
            score = None if score is None else self.normalize_score(score)
            anomaly_map = None if anomaly_map is None else self.normalize_map(anomaly_map)
        return InferenceBatch(
            pred_score=score, pred_label=label, anomaly_map=anomaly_map, pred_mask=mask
        )

    @staticmethod
    def _apply_threshold(preds: Tensor | None, threshold: Tensor) -> Tensor | None:
        """`preds >= threshold`; None where either is missing."""
        if preds is None or bool(torch.isnan(threshold)):
            return None
        return preds >= threshold.to(preds.device)


def _normalised(scores: Tensor, threshold: Tensor, low: Tensor, high: Tensor) -> Tensor:
    if bool(torch.isnan(threshold)):
        return scores
    span = high - low
    # One value only in validation: keep the slope, move the threshold.
    scale = torch.where(span > 0, span, torch.ones_like(span))
    return (scores - threshold.to(scores.device)) / scale.to(scores.device) + 0.5

"""A model out of good scans, its thresholds in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.progress import Progress
from plane_anomalib.inspection.card import DetectorError
from plane_anomalib.inspection.result import Threshold
from plane_anomalib.inspection.scans import GoodScan
from plane_anomalib.inspection.training_plan import TrainingPlan
from plane_anomalib.metrics.collection import ScoreCollection

_OPTIMISTIC = (
    "One good scan only: how good parts differ is not known, so the thresholds are optimistic and "
    "good parts may be called anomalous; give more good scans."
)

_WHOLE = (
    "Thresholds were found on whole scans, and scans of one side may score a little otherwise: "
    "look at the scores of good ones before you trust decisions."
)


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained model.

    Attributes:
        model: The Lightning model, thresholds in its post-processor.
        origin: In words, what the thresholds were found on.
        notes: What else is worth saying, a sentence each.
    """

    model: Any
    origin: str
    notes: list[str]


def learn(
    plan: TrainingPlan,
    scans: Sequence[GoodScan],
    unfinished: Path,
    progress: Progress,
    *,
    resume: bool,
) -> TrainedModel:
    """Fit or train, and find thresholds.

    Args:
        plan: What to learn.
        scans: Good scans.
        unfinished: Where a training keeps its checkpoint.
        progress: Is told how far it is.
        resume: Go on with the training that was stopped.

    Raises:
        DetectorError: There is nothing to go on with.
        TrainingStoppedError: Ctrl-C was pressed in a training.
        ConfigurationError: The model cannot be fitted on these scans.
    """
    from plane_anomalib.models.lightning.fitted import FittedMixin

    model = plan.make()
    if isinstance(model, FittedMixin):
        if resume:
            raise DetectorError(f"{plan.model} is fitted at once: leave out --resume.")
        origin, notes = _fit(model, plan, scans, progress)
    else:
        from plane_anomalib.inspection.training import train

        model, origin = train(plan, scans, unfinished, progress, resume=resume)
        notes = [_WHOLE] if plan.one_sided else []
    return TrainedModel(model, origin, [_OPTIMISTIC, *notes] if len(scans) == 1 else notes)


def _fit(
    model: Any, plan: TrainingPlan, scans: Sequence[GoodScan], progress: Progress
) -> tuple[str, list[str]]:
    from plane_anomalib.inspection.thresholds import held_out_scores

    collection, origin = held_out_scores(plan, scans, progress)
    progress.start("Fitting on all good scans", 1)
    model.model.fit([(plan.category, [scan.points for scan in scans])])
    if model.model.transductive:
        raise ConfigurationError(
            f"{plan.model} with these arguments scores a cloud by comparing it with a whole test "
            "set, which one cloud is not: leave out --set preset=... or --set fusion=..."
        )
    model.post_processor.learn(collection, near_normal=True)
    progress.advance()
    return origin, [_how_well(collection, float(model.post_processor.object_threshold))]


def thresholds_of(model: Any, origin: str) -> tuple[Threshold | None, Threshold | None]:
    """The thresholds of objects and of points, with their origin in words."""
    processor = model.post_processor
    return (
        _threshold(float(processor.object_threshold), processor.object_threshold_source, origin),
        _threshold(float(processor.point_threshold), processor.point_threshold_source, origin),
    )


def _threshold(value: float, source: str, origin: str) -> Threshold | None:
    if not np.isfinite(value) or source == "none":
        return None
    rule = "best F1 on" if source == "f1" else "just above a high quantile of the scores of"
    return Threshold(value, f"{rule} {origin}")


def _how_well(collection: ScoreCollection, threshold: float) -> str:
    clouds = collection.clouds
    called = [cloud.score is not None and cloud.score >= threshold for cloud in clouds]
    defects = [said for said, cloud in zip(called, clouds, strict=True) if cloud.label]
    good = [said for said, cloud in zip(called, clouds, strict=True) if not cloud.label]
    return (
        f"With its threshold it finds {sum(defects)} of {len(defects)} synthetic defects in "
        f"held-out scans and calls {sum(good)} of {len(good)} good ones anomalous."
    )

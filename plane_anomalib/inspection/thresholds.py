"""Thresholds of a model that is fitted: what it says of scans that it has not seen.

Each good scan is held out in turn. The model is fitted on the others and scores the held-out scan
as it is, draws of its points, and as many draws with synthetic defects. Where the scans to be
judged show one side, or lie in any pose, so do these; holes are then no defects, since nobody can
tell them from what is hidden.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.progress import Progress
from plane_anomalib.data.clouds import CloudTable
from plane_anomalib.data.validation import draw_variant, variant_generator
from plane_anomalib.generation.defects.ano3d import validation_defects
from plane_anomalib.generation.scans import posed_anyhow, seen_from_one_side
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.inspection.scans import GoodScan
from plane_anomalib.inspection.training_plan import TrainingPlan
from plane_anomalib.metrics.collection import ScoreCollection
from plane_anomalib.models.components.method import Method

MOST_FOLDS = 5
_MOST_SCANS = 20
"""Scans that are scored; each takes seconds."""
_LEAST_PER_LABEL = 16

Variant = tuple[FloatArray, NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class _Fold:
    fitted: list[FloatArray]
    judged: list[tuple[str, FloatArray]]


def held_out_scores(
    plan: TrainingPlan, scans: Sequence[GoodScan], progress: Progress
) -> tuple[ScoreCollection, str]:
    """Score good scans and synthetic defects by models that have not seen them.

    Args:
        plan: What is learnt; its model is one that is fitted.
        scans: Good scans.
        progress: Is told after each fit and each score.

    Returns:
        The scores, and in words what they are of.
    """
    folds = list(_folds(scans, plan.seed))
    judged = sum(len(fold.judged) for fold in folds)
    draws = math.ceil(_LEAST_PER_LABEL / judged)
    progress.start("Finding thresholds", len(folds) + 2 * judged * draws)
    collection = ScoreCollection(None)
    for fold in folds:
        method = plan.make()
        method.fit([(plan.category, fold.fitted)])
        progress.advance()
        for name, points in fold.judged:
            _score(method, plan, name, points, draws, collection, progress)
    held = "each scan held out in turn"
    if len(scans) == 1:
        held = "one half of the only scan held out"
    elif len(scans) > MOST_FOLDS:
        held = "a fifth of the scans held out in turn"
    number = f"{judged} good scan{'s' if judged > 1 else ''}"
    if draws > 1:
        number = f"{judged * draws} draws of {number}"
    return collection, f"{number} and {judged * draws} synthetic defects, {held}"


def variant_of(
    points: FloatArray, name: str, variant: int, defect: bool, plan: TrainingPlan
) -> Variant:
    """A cloud as it might come to be judged, made of a good scan.

    Args:
        points: `(N, 3)`.
        name: Of the scan; it seeds, together with the next two.
        variant: Which draw; without a defect, 0 is the scan as it is.
        defect: Whether to make a synthetic one.
        plan: Says how clouds to be judged will lie.

    Returns:
        Points `(M, 3)` and mask `(M,)`, true on the defect.
    """
    generator = variant_generator(plan.seed, name, variant, int(defect))
    cloud, mask = points, np.zeros(len(points), np.bool_)
    if variant or defect:
        anomaly = validation_defects(one_sided=plan.one_sided) if defect else None
        cloud, mask, _ = draw_variant(points, anomaly, generator)
    if plan.one_sided:
        seen = seen_from_one_side(cloud, mask, generator)
        cloud, mask = cloud[seen], mask[seen]
    if not plan.common_pose:
        cloud = posed_anyhow(cloud, generator)
    return cloud, mask


def _folds(scans: Sequence[GoodScan], seed: int) -> Iterator[_Fold]:
    generator = np.random.default_rng(seed)
    if len(scans) == 1:
        scan = scans[0]
        half = generator.permutation(len(scan.points))
        cut = len(half) // 2
        first, second = scan.points[np.sort(half[:cut])], scan.points[np.sort(half[cut:])]
        yield _Fold([first], [(scan.card.name, second)])
        return
    number = min(len(scans), MOST_FOLDS)
    parts = np.array_split(generator.permutation(len(scans)), number)
    for part in parts:
        held = {int(index) for index in part}
        judged = sorted(held)[: max(1, _MOST_SCANS // number)]
        yield _Fold(
            [scan.points for index, scan in enumerate(scans) if index not in held],
            [(scans[index].card.name, scans[index].points) for index in judged],
        )


def _score(
    method: Method,
    plan: TrainingPlan,
    name: str,
    points: FloatArray,
    draws: int,
    collection: ScoreCollection,
    progress: Progress,
) -> None:
    wanted = [(variant, defect) for defect in (False, True) for variant in range(draws)]
    for variant, defect in wanted:
        cloud, mask = variant_of(points, name, variant, defect, plan)
        scores = method(cloud, plan.category)
        collection.add(
            path=name,
            category=plan.category,
            points=cloud,
            label=defect,
            score=float(np.float32(scores.pred_score)),
            anomaly_map=scores.anomaly_map,
            mask=mask,
        )
        progress.advance()


def labelled_scores(method: Method, clouds: CloudTable, progress: Progress) -> ScoreCollection:
    """Score clouds whose defects are known.

    Args:
        method: Fitted or trained.
        clouds: Each is read when its turn comes.
        progress: Is told after each.
    """
    progress.start("Finding thresholds", len(clouds))
    collection = ScoreCollection(None)
    for cloud in clouds:
        scores = method(cloud.points, cloud.category)
        collection.add(
            path=cloud.path,
            category=cloud.category,
            points=cloud.points,
            label=cloud.anomalous,
            score=float(np.float32(scores.pred_score)),
            anomaly_map=scores.anomaly_map,
            mask=cloud.mask,
        )
        progress.advance()
    return collection


def how_well(collection: ScoreCollection, threshold: float) -> str:
    """What a threshold says of the clouds it was found on, in words."""
    clouds = collection.clouds
    called = [cloud.score is not None and cloud.score >= threshold for cloud in clouds]
    defects = [said for said, cloud in zip(called, clouds, strict=True) if cloud.label]
    good = [said for said, cloud in zip(called, clouds, strict=True) if not cloud.label]
    return (
        f"With its threshold it finds {sum(defects)} of {len(defects)} synthetic defects in "
        f"held-out scans and calls {sum(good)} of {len(good)} good ones anomalous."
    )

"""Thresholds of a model that is fitted: what it says of scans that it has not seen.

Each good scan is held out in turn. The model is fitted on the others and scores the held-out scan
as it is, draws of its points, and as many draws with synthetic defects. Where the scans to be
judged show one side, or lie in any pose, so do these; holes are then no defects, since nobody can
tell them from what is hidden.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import PlaneAnomalibError
from plane_anomalib.core.progress import Progress
from plane_anomalib.data.clouds import CloudTable
from plane_anomalib.data.validation import draw_variant, variant_generator
from plane_anomalib.generation.defects.ano3d import validation_defects
from plane_anomalib.generation.scans import posed_anyhow, seen_from_one_side
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.inspection.scans import GoodScan
from plane_anomalib.inspection.training_plan import TrainingPlan
from plane_anomalib.metrics.collection import ScoreCollection
from plane_anomalib.metrics.thresholds import (
    POINT_QUANTILE,
    ScoreThreshold,
    object_threshold,
    point_threshold,
)
from plane_anomalib.models.components.method import Method

MOST_FOLDS = 5
_MOST_SCANS = 20
"""Scans that are scored; each takes seconds."""
_LEAST_PER_LABEL = 16
_NAMED = 3
MOST_FALSE_ALARMS = 0.3
"""Share of held-out good draws from which on a detector is of no use: of nine parts, scanned and
made, TemplateResidual calls none of 16 anomalous; where a table was learnt, 16 of 20."""

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


@dataclass(frozen=True)
class HowWell:
    """What a threshold says of the clouds it was found on.

    Attributes:
        found: How many clouds with synthetic defects are called anomalous.
        defects: Of how many.
        good: Of each good scan, by name, how many of its draws are called anomalous, and of how
            many.
    """

    found: int
    defects: int
    good: Mapping[str, tuple[int, int]]

    @property
    def good_called(self) -> int:
        """How many draws of good scans are called anomalous."""
        return sum(called for called, _ in self.good.values())

    @property
    def good_total(self) -> int:
        """How many draws of good scans there are."""
        return sum(total for _, total in self.good.values())

    @property
    def false_alarms(self) -> float:
        """Their share."""
        return self.good_called / max(1, self.good_total)

    @property
    def by_scan(self) -> str:
        """The good scans that are called anomalous most, in words."""
        worst = sorted(self.good.items(), key=lambda item: -item[1][0] / item[1][1])
        named = [
            f"{Path(name).name} in {called} of {total} draws" if total > 1 else Path(name).name
            for name, (called, total) in worst
            if called
        ]
        more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        return ", ".join(named[:_NAMED]) + more

    @property
    def in_words(self) -> str:
        """A sentence."""
        draws = "draws of " if self.good_total > len(self.good) else ""
        which = f": {self.by_scan}" if self.good_called else ""
        return (
            f"With its threshold it finds {self.found} of {self.defects} synthetic defects in "
            f"held-out scans and calls {self.good_called} of {self.good_total} {draws}good ones "
            f"anomalous{which}."
        )


def how_well(collection: ScoreCollection, threshold: float) -> HowWell:
    """What a threshold says of the clouds it was found on."""
    found = defects = 0
    good: dict[str, tuple[int, int]] = {}
    for cloud in collection.clouds:
        called = cloud.score is not None and cloud.score >= threshold
        if cloud.label:
            found, defects = found + called, defects + 1
        else:
            before = good.get(cloud.path, (0, 0))
            good[cloud.path] = (before[0] + called, before[1] + 1)
    return HowWell(found, defects, good)


def usual_point_score(collection: ScoreCollection) -> float | None:
    """What 99 of 100 points of good clouds stay below; `None` where there are none."""
    good = [cloud for cloud in collection.clouds if cloud.label is False and cloud.point_truth]
    scores = np.concatenate([np.empty(0, np.float32), *map(collection.normal, good)])
    return float(np.quantile(scores, POINT_QUANTILE)) if len(scores) else None


class PoorDetectorError(PlaneAnomalibError):
    """A detector calls so many good scans anomalous that it was not made.

    Args:
        well: What it says of scans that it has not seen.
        resumable: Whether a checkpoint is there to go on with.
    """

    def __init__(self, well: HowWell, *, resumable: bool) -> None:
        flag = "--resume --anyway" if resumable else "--anyway"
        super().__init__(
            f"No detector was made: its threshold would call {well.good_called} of "
            f"{well.good_total} good scans that it has not seen anomalous ({well.by_scan}). Are "
            "all of one part, of the same side, and without a table or other things around them "
            "(--remove-table yes)? Do they lie as was assumed (--common-pose no if not)? "
            f"{flag} makes it all the same."
        )


@dataclass(frozen=True, eq=False)
class LearntMethod:
    """A method that was fitted or trained, and its thresholds.

    Attributes:
        method: The method.
        threshold: Of objects; `None` where none was found.
        point_threshold: Of points, likewise.
        origin: In words, what the thresholds were found on.
        well: What the threshold says of what it was found on.
        usual: See `DetectorCard.usual_point_score`.
        notes: What else is worth saying, a sentence each.
    """

    method: Method
    threshold: ScoreThreshold | None
    point_threshold: ScoreThreshold | None
    origin: str
    well: HowWell | None = None
    usual: float | None = None
    notes: list[str] = field(default_factory=list)


def with_thresholds(
    method: Method, collection: ScoreCollection, origin: str, *, near_normal: bool = False
) -> LearntMethod:
    """A method with the thresholds that scores of clouds give, and what they say of these.

    Args:
        method: Fitted or trained.
        collection: Scores of clouds that it has not seen.
        origin: In words, what they are of.
        near_normal: See `metrics.thresholds.object_threshold`.
    """
    objects = object_threshold(collection, near_normal=near_normal)
    well = None
    if objects is not None and np.isfinite(objects.value):
        well = how_well(collection, float(np.float32(objects.value)))
    points = point_threshold(collection, near_normal=near_normal)
    return LearntMethod(method, objects, points, origin, well, usual_point_score(collection))


def check_good_enough(learnt: LearntMethod, *, anyway: bool, resumable: bool) -> None:
    """Say how well a detector does; refuse one that calls many good scans anomalous.

    Args:
        learnt: Gets a note, and one more where it is made all the same.
        anyway: Whether it is.
        resumable: Whether a checkpoint is there to go on with.

    Raises:
        PoorDetectorError: It is not.
    """
    well, notes = learnt.well, learnt.notes
    if well is None:
        return
    notes.append(well.in_words)
    if well.false_alarms <= MOST_FALSE_ALARMS:
        return
    if not anyway:
        raise PoorDetectorError(well, resumable=resumable)
    notes.append(
        "It was made all the same (--anyway): it calls more good scans anomalous than a detector "
        "should, so expect false alarms."
    )

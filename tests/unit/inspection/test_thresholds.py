"""Thresholds are found on scans that the model has not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plane_anomalib.core.progress import Progress
from plane_anomalib.geometry.sampling import typical_spacing
from plane_anomalib.inspection.card import ScanCard
from plane_anomalib.inspection.scans import GoodScan, is_one_sided, lie_alike
from plane_anomalib.inspection.thresholds import (
    held_out_scores,
    how_well,
    usual_point_score,
    variant_of,
)
from plane_anomalib.inspection.training_plan import TrainingPlan, TrainOptions, decide
from plane_anomalib.metrics.collection import ScoreCollection
from plane_anomalib.metrics.thresholds import object_threshold, point_threshold
from tests.unit.models.template_residual.shapes import lump


def scan(number: int, num: int = 1_200) -> GoodScan:
    points = 50 * lump(np.random.default_rng(number), num)
    card = ScanCard(
        str(number), f"part/{number}.ply", num, typical_spacing(points), 80.0, 30.0, 5.0
    )
    return GoodScan(card, points, f"{number:064}")


SCANS = [scan(number) for number in range(3)]
QUICK = TrainOptions(model="BTF", settings={"descriptor": "raw"}, anyway=True)


@pytest.fixture
def plan() -> TrainingPlan:
    return decide(SCANS, QUICK)


class Counter(Progress):
    def __init__(self) -> None:
        self.total, self.done = 0, 0

    def start(self, what: str, total: int, done: int = 0) -> None:
        self.total += total

    def advance(self, count: int = 1) -> None:
        self.done += count


def test_every_scan_is_scored_by_a_model_that_has_not_seen_it(
    plan: TrainingPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[list[np.ndarray]] = []

    def make(self: TrainingPlan) -> object:
        model = real(self)
        fit = model.fit
        model.fit = lambda clouds: (
            fitted.append([*(clouds := list(clouds))[0][1]]),
            fit(clouds),
        )
        return model

    real = TrainingPlan.make
    monkeypatch.setattr(TrainingPlan, "make", make)
    counter = Counter()
    collection, origin = held_out_scores(plan, SCANS, counter)
    assert counter.done == counter.total > 0
    assert origin == (
        "18 draws of 3 good scans and 18 synthetic defects, each scan held out in turn"
    )
    names = [cloud.path for cloud in collection.clouds]
    per_fold = len(names) // 3
    for fold, clouds in enumerate(fitted):
        judged = set(names[fold * per_fold : (fold + 1) * per_fold])
        assert len(judged) == 1
        (held,) = judged
        assert len(clouds) == 2
        assert not any(np.array_equal(c, SCANS[int(held)].points) for c in clouds)


def test_the_same_seed_gives_the_same_scores_and_another_other_ones(plan: TrainingPlan) -> None:
    def scores(given: TrainingPlan) -> list[float | None]:
        return [c.score for c in held_out_scores(given, SCANS, Progress())[0].clouds]

    first = scores(plan)
    assert scores(plan) == first
    assert scores(replace(plan, seed=1)) != first


def test_one_scan_is_halved(plan: TrainingPlan) -> None:
    collection, origin = held_out_scores(plan, SCANS[:1], Progress())
    assert "one half of the only scan held out" in origin
    as_it_is = collection.clouds[0]
    assert as_it_is.num_points == 600


def test_more_scans_than_folds_are_held_out_in_groups(plan: TrainingPlan) -> None:
    scans = [scan(number, 200) for number in range(7)]
    collection, origin = held_out_scores(plan, scans, Progress())
    assert "a fifth of the scans" in origin
    assert {cloud.path for cloud in collection.clouds} == {str(number) for number in range(7)}


def test_drawn_clouds_look_as_those_that_will_be_judged(plan: TrainingPlan) -> None:
    points = SCANS[0].points
    fixed = replace(plan, common_pose=True, one_sided=False)
    assert np.array_equal(variant_of(points, "0", 0, False, fixed)[0], points)
    whole, _ = variant_of(points, "0", 1, False, replace(fixed, common_pose=False))
    assert not is_one_sided(whole)
    assert not lie_alike([points, whole])
    for variant in range(4):
        side, mask = variant_of(points, "0", variant, True, replace(fixed, one_sided=True))
        assert is_one_sided(side)
        assert lie_alike([points, side])
        assert mask.any()
        assert len(mask) == len(side)


@pytest.mark.slow
def test_thresholds_tell_defects_from_scans_that_were_not_seen() -> None:
    plan = decide(SCANS, TrainOptions(settings={"registration": False, "scales": [6, 16]}))
    collection, _ = held_out_scores(replace(plan, seed=2), SCANS, Progress())
    found_at = object_threshold(collection, near_normal=True)
    assert found_at is not None
    threshold = found_at.value
    found = [c.score >= threshold for c in collection.clouds if c.label]
    false = [c.score >= threshold for c in collection.clouds if not c.label]
    assert np.mean(found) > 0.7
    assert np.mean(false) < 0.2


def scored(clouds: list[tuple[bool, list[float], list[bool]]]) -> ScoreCollection:
    """A collection of clouds: anomalous or not, scores of points, which are anomalous."""
    collection = ScoreCollection(None)
    for number, (label, scores, mask) in enumerate(clouds):
        collection.add(
            path=f"{number % 2}.ply", category="part",
            points=np.zeros((len(scores), 3), np.float32),
            label=label, score=max(scores), anomaly_map=np.asarray(scores, np.float32),
            mask=np.asarray(mask),
        )  # fmt: skip
    return collection


def test_points_of_weak_defects_are_above_a_threshold_near_the_good_scans() -> None:
    """Plain synthetic defects, with high scores beside them, drove the best F1 to 60."""
    none, some = [False] * 4, [False, False, True, True]
    collection = scored(
        [
            (False, [1.0, 2.0, 2.0, 3.0], none),
            (False, [1.0, 2.0, 3.0, 5.0], none),
            (False, [1.0, 2.0, 3.0, 4.0], none),
            (True, [1.0, 60.0, 70.0, 80.0], some),
            (True, [1.0, 60.0, 90.0, 99.0], some),
        ]
    )
    far, near = point_threshold(collection), point_threshold(collection, near_normal=True)
    assert far is not None
    assert near is not None
    assert far.value == pytest.approx(70.0)
    # The highest good point is at 5, and a good scan's highest is usually at 4.
    assert near.value == pytest.approx(6.0)
    assert usual_point_score(collection) == pytest.approx(4.89)


def test_how_well_counts_each_good_scan_for_itself() -> None:
    none, some = [False, False], [False, True]
    good = [(False, [0.0, score], none) for score in (1.0, 9.0, 1.0, 9.0, 1.0, 1.0)]
    well = how_well(scored([*good, (True, [0.0, 9.0], some), (True, [0.0, 2.0], some)]), 5.0)
    assert (well.found, well.defects, well.good) == (1, 2, {"0.ply": (0, 3), "1.ply": (2, 3)})
    assert well.false_alarms == pytest.approx(1 / 3)
    assert "calls 2 of 6 draws of good ones anomalous: 1.ply in 2 of 3 draws." in well.in_words

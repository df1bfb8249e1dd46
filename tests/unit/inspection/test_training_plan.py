"""Every choice is made for a reason that is said, and the user's word counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry.sampling import seen_from
from plane_anomalib.inspection.card import DetectorError
from plane_anomalib.inspection.scans import GoodScan
from plane_anomalib.inspection.training import LAST
from plane_anomalib.inspection.training_plan import TrainingPlan, TrainOptions, decide
from tests.unit.inspection.test_thresholds import SCANS


def changed(scan: GoodScan, points: np.ndarray) -> GoodScan:
    return GoodScan(scan.card, np.asarray(points, np.float32), scan.digest)


ONE_SIDE = [changed(s, s.points[seen_from(s.points, [0, 0, 1])]) for s in SCANS]


def test_the_defaults_fit_whole_scans_in_a_fixture() -> None:
    plan = decide(SCANS, TrainOptions())
    assert (plan.model, plan.category, plan.units) == ("TemplateResidual", "part", "")
    assert (plan.common_pose, plan.one_sided) == (True, False)
    assert len(plan.choices) == 5
    assert "nobody states it" in plan.choices[2]


def test_a_unit_is_said_only_if_somebody_stated_it() -> None:
    in_inches = [replace(scan, units="in") for scan in SCANS]
    declared = decide(in_inches, TrainOptions())
    stated = decide(in_inches, TrainOptions(units="Inches"))
    assert (declared.units, stated.units) == ("in", "in")
    assert "inches, as the files say" in declared.choices[2]
    assert "inches, as asked for" in stated.choices[2]


def test_scans_in_different_poses_are_recognised() -> None:
    turn = Rotation.random(random_state=1).as_matrix()
    plan = decide([SCANS[0], changed(SCANS[1], SCANS[1].points @ turn.T)], TrainOptions())
    assert not plan.common_pose


@pytest.mark.parametrize(
    ("good", "check", "one_sided", "said"),
    [
        (SCANS, ONE_SIDE, True, "the scans to check show one side"),
        (SCANS, SCANS, False, "the scans to check show it, too"),
        (ONE_SIDE, ONE_SIDE, False, "3 of 3 good scans show one side only"),
        (SCANS, [], False, "--one-sided yes if they show one side"),
    ],
)
def test_sides_of_the_scans_to_check_are_compared_with_the_good_ones(
    good: list[GoodScan], check: list[GoodScan], one_sided: bool, said: str
) -> None:
    plan = decide(good, TrainOptions(), [scan.points for scan in check])
    assert plan.one_sided is one_sided
    assert any(said in sentence for sentence in plan.choices)


def test_what_the_user_says_counts() -> None:
    options = TrainOptions(
        "btf", {"descriptor": "raw"}, " gear ", one_sided=True, common_pose=False
    )
    plan = decide(SCANS, options)
    assert (plan.model, plan.category) == ("BTF", "gear")
    assert (plan.common_pose, plan.one_sided) == (False, True)
    assert plan.arguments["descriptor"] == "raw"


def test_scans_to_check_that_lie_otherwise_are_recognised() -> None:
    turn = Rotation.from_rotvec([0.4, 0, 0]).as_matrix()
    check = [np.asarray(scan.points @ turn.T, np.float32) for scan in SCANS]
    assert not decide(SCANS, TrainOptions(), check).common_pose
    assert decide(SCANS, TrainOptions(), [scan.points for scan in ONE_SIDE]).common_pose
    assert not decide(SCANS, TrainOptions(one_sided=True)).common_pose
    assert decide(SCANS, TrainOptions(one_sided=True, common_pose=True)).common_pose


@pytest.mark.parametrize(
    ("make", "answer"),
    [
        (lambda: TrainOptions("TemplateResidua").component(), "did you mean TemplateResidual"),
        (lambda: TrainOptions(settings={"max_point": 1}).component(), "did you mean max_points"),
        (lambda: TrainOptions(settings={"evaluator": False}).component(), "cannot be set here"),
        (lambda: TrainOptions(name=" "), "--name is empty"),
        (lambda: TrainOptions(seed=-1), "0 or more"),
        (lambda: TrainOptions(units="milimetre"), "did you mean millimetre"),
        (
            lambda: decide(SCANS, TrainOptions(settings={"max_points": 0})).make(),
            "must be positive",
        ),
        (
            lambda: decide(SCANS, TrainOptions(settings={"max_points": "x"})).make(),
            "cannot be made",
        ),
    ],
)  # fmt: skip
def test_wishes_that_cannot_be_granted_get_one_sentence(make: object, answer: str) -> None:
    with pytest.raises(ConfigurationError, match=answer):
        make()  # type: ignore[operator]


def test_a_training_goes_on_only_as_it_began(tmp_path: Path) -> None:
    from plane_anomalib.inspection import training

    plan: TrainingPlan = decide(SCANS, TrainOptions("Plane"))
    with pytest.raises(DetectorError, match="leave out --resume"):
        training._check_resumable(plan, tmp_path)
    training._keep_plan(plan, tmp_path)
    (tmp_path / LAST).touch()
    training._check_resumable(replace(plan, choices=[]), tmp_path)
    for other, said in (
        (replace(plan, seed=1), "other seed"),
        (replace(plan, data_hash="0"), "other good scans"),
    ):
        with pytest.raises(DetectorError, match=said):
            training._check_resumable(other, tmp_path)

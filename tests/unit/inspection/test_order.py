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
from plane_anomalib.inspection.order import Order, decide
from plane_anomalib.inspection.scans import Scan
from plane_anomalib.inspection.stopping import LAST
from plane_anomalib.inspection.wishes import Wishes
from tests.unit.inspection.test_thresholds import SCANS


def changed(scan: Scan, points: np.ndarray) -> Scan:
    return Scan(scan.card, np.asarray(points, np.float32), scan.digest)


ONE_SIDE = [changed(s, s.points[seen_from(s.points, [0, 0, 1])]) for s in SCANS]


def test_the_defaults_fit_whole_scans_in_a_fixture() -> None:
    order = decide(SCANS, Wishes())
    assert (order.model, order.category, order.units) == ("TemplateResidual", "part", "millimetres")
    assert (order.common_pose, order.one_sided) == (True, False)
    assert len(order.choices) == 5
    assert "about 80 across, so probably millimetres" in order.choices[2]


def test_scans_in_different_poses_are_recognised() -> None:
    turn = Rotation.random(random_state=1).as_matrix()
    order = decide([SCANS[0], changed(SCANS[1], SCANS[1].points @ turn.T)], Wishes())
    assert not order.common_pose


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
    good: list[Scan], check: list[Scan], one_sided: bool, said: str
) -> None:
    order = decide(good, Wishes(), [scan.points for scan in check])
    assert order.one_sided is one_sided
    assert any(said in sentence for sentence in order.choices)


def test_what_the_user_says_counts() -> None:
    wishes = Wishes("btf", {"descriptor": "raw"}, " gear ", one_sided=True, common_pose=False)
    order = decide(SCANS, wishes)
    assert (order.model, order.category) == ("BTF", "gear")
    assert (order.common_pose, order.one_sided) == (False, True)
    assert order.arguments["descriptor"] == "raw"


def test_scans_to_check_that_lie_otherwise_are_recognised() -> None:
    turn = Rotation.from_rotvec([0.4, 0, 0]).as_matrix()
    check = [np.asarray(scan.points @ turn.T, np.float32) for scan in SCANS]
    assert not decide(SCANS, Wishes(), check).common_pose
    assert decide(SCANS, Wishes(), [scan.points for scan in ONE_SIDE]).common_pose
    assert not decide(SCANS, Wishes(one_sided=True)).common_pose
    assert decide(SCANS, Wishes(one_sided=True, common_pose=True)).common_pose


@pytest.mark.parametrize(
    ("make", "answer"),
    [
        (lambda: Wishes("TemplateResidua").component(), "did you mean TemplateResidual"),
        (lambda: Wishes(settings={"max_point": 1}).component(), "did you mean max_points"),
        (lambda: Wishes(settings={"evaluator": False}).component(), "cannot be set here"),
        (lambda: Wishes(name=" "), "--name is empty"),
        (lambda: Wishes(seed=-1), "0 or more"),
        (lambda: decide(SCANS, Wishes(settings={"max_points": 0})).make(), "must be positive"),
        (lambda: decide(SCANS, Wishes(settings={"max_points": "x"})).make(), "cannot be made"),
    ],
)  # fmt: skip
def test_wishes_that_cannot_be_granted_get_one_sentence(make: object, answer: str) -> None:
    with pytest.raises(ConfigurationError, match=answer):
        make()  # type: ignore[operator]


def test_a_training_goes_on_only_as_it_began(tmp_path: Path) -> None:
    from plane_anomalib.inspection import training

    order: Order = decide(SCANS, Wishes("Plane"))
    with pytest.raises(DetectorError, match="leave out --resume"):
        training._check_resumable(order, tmp_path)
    training._keep_order(order, tmp_path)
    (tmp_path / LAST).touch()
    training._check_resumable(replace(order, choices=[]), tmp_path)
    for other, said in (
        (replace(order, seed=1), "other seed"),
        (replace(order, data_hash="0"), "other good scans"),
    ):
        with pytest.raises(DetectorError, match=said):
            training._check_resumable(other, tmp_path)

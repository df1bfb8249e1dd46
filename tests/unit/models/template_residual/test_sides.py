"""What a scan shows of the part: missing material counts, and views are no broken parts."""

from __future__ import annotations

from typing import Literal

import numpy as np
import open3d
import pytest

from plane_anomalib.geometry.normals import point_normals
from plane_anomalib.models.template_residual import TemplateResidualConfig
from plane_anomalib.models.template_residual.torch_model import TemplateResidualDetector
from tests.unit.models.template_residual.shapes import lump

NUM = 3_000
DIRECTIONS = np.random.default_rng(0).normal(size=(3, 3))
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)


def made(sides: Literal["auto", "whole", "one"]) -> TemplateResidualDetector:
    detector = TemplateResidualDetector(TemplateResidualConfig(sides=sides))
    detector.fit([lump(np.random.default_rng(seed), NUM) for seed in range(3)])
    return detector


@pytest.fixture(scope="module")
def whole() -> TemplateResidualDetector:
    return made("whole")


@pytest.fixture(scope="module")
def one() -> TemplateResidualDetector:
    return made("one")


def broken(share: float, direction: np.ndarray, seed: int = 50) -> np.ndarray:
    scan = lump(np.random.default_rng(seed), NUM)
    along = scan @ direction
    return scan[along <= np.quantile(along, 1 - share)]


def view(direction: np.ndarray, seed: int = 60) -> np.ndarray:
    """What the pixels of a camera see: what is visible by Katz's operator, fewer points aslant."""
    generator = np.random.default_rng(seed)
    scan = lump(generator, 4 * NUM)
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(scan))
    seen = np.array(cloud.hidden_point_removal(20 * direction, 5_000.0)[1])
    facing = np.abs(point_normals(scan)[seen] @ direction)
    return scan[seen[generator.random(len(seen)) < facing]]


@pytest.mark.slow
@pytest.mark.parametrize("direction", DIRECTIONS, ids=["a", "b", "c"])
def test_the_more_is_missing_the_less_is_seen_and_none_of_it_is_normal(
    whole: TemplateResidualDetector, direction: np.ndarray
) -> None:
    good = [whole(lump(np.random.default_rng(90 + i), NUM)) for i in range(4)]
    highest = max(scores.pred_score for scores in good)
    assert min(scores.seen or 0 for scores in good) > 0.97
    seen = []
    for share in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.95):
        scores = whole(broken(share, direction))
        assert scores.pred_score > 1.3 * highest or scores.doubt, share
        assert scores.seen is not None
        assert scores.seen == pytest.approx(1 - share, abs=0.12)
        seen.append(scores.seen)
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("direction", DIRECTIONS, ids=["a", "b", "c"])
def test_a_view_is_not_judged_by_a_detector_of_whole_scans(
    whole: TemplateResidualDetector, direction: np.ndarray
) -> None:
    doubt = whole(view(direction)).doubt
    assert "as a scan from one side would" in doubt
    assert "--one-sided yes" in doubt


@pytest.mark.parametrize("direction", DIRECTIONS, ids=["a", "b", "c"])
def test_what_one_side_cannot_show_is_not_missing_where_one_side_is_scanned(
    one: TemplateResidualDetector, direction: np.ndarray
) -> None:
    usual = one(lump(np.random.default_rng(91), NUM)).pred_score
    seen = view(direction)
    for scan in (seen, seen[seen[:, 1] > np.median(seen[:, 1])]):
        scores = one(scan)
        assert scores.doubt == ""
        assert scores.pred_score < 1.3 * usual


def test_a_few_per_cent_of_a_view_are_not_judged(one: TemplateResidualDetector) -> None:
    seen = view(DIRECTIONS[0])
    middle = seen[np.argsort(np.linalg.norm(seen - seen[0], axis=1))[: len(seen) // 12]]
    assert "of what one side shows, where 20% are needed" in one(middle).doubt


def test_without_a_word_about_sides_a_view_is_a_view() -> None:
    detector = made("auto")
    usual = detector(lump(np.random.default_rng(91), NUM)).pred_score
    for direction in DIRECTIONS:
        scores = detector(view(direction))
        assert (scores.doubt, scores.pred_score < 1.3 * usual) == ("", True)
        assert scores.seen is not None
        assert 0.3 < scores.seen < 0.75

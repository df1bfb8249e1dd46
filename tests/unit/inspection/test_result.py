"""Connected anomalous parts: which there are, how large, and how far they stand out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from plane_anomalib.inspection.regions import LEAST_POINTS, Heights, anomalous_regions, with_heights

RNG = np.random.default_rng(5)


def beside(heights: np.ndarray, usual: float) -> Heights:
    """Heights of a cloud alone: the good scan has nothing that the cloud lacks."""
    nothing = np.full(1, np.nan, np.float32)
    return Heights(heights.astype(np.float32), usual, nothing, np.zeros(1, np.int64))


def plate(count: int = 4_000) -> np.ndarray:
    points = np.zeros((count, 3), np.float32)
    points[:, :2] = np.random.default_rng(0).uniform(0, 10, (count, 2))
    return points


def disc(points: np.ndarray, center: tuple[float, float], radius: float) -> np.ndarray:
    return np.linalg.norm(points[:, :2] - center, axis=1) < radius


def test_two_discs_are_two_regions_the_larger_first() -> None:
    points = plate()
    large, small = disc(points, (3, 3), 1.5), disc(points, (8, 8), 0.8)
    scores = np.where(large, 2.0, np.where(small, 3.0, 0.0)).astype(np.float32)
    regions, of_point = anomalous_regions(points, scores, 1.0)
    assert [r.num_points for r in regions] == [large.sum(), small.sum()]
    assert np.array_equal(of_point == 0, large)
    assert np.array_equal(of_point == 1, small)
    assert regions[0].center == pytest.approx((3, 3, 0), abs=0.15)
    assert regions[0].diameter == pytest.approx(3, abs=0.2)
    assert regions[0].size == pytest.approx((3, 3, 0), abs=0.25)
    assert (regions[0].peak, regions[1].mean) == (2.0, 3.0)
    assert regions[0].share == large.mean()


def test_stray_points_are_no_region_and_equal_to_the_threshold_is_above() -> None:
    points = plate()
    scores = np.zeros(len(points), np.float32)
    stray = RNG.choice(np.flatnonzero(~disc(points, (5, 5), 3)), LEAST_POINTS - 2, replace=False)
    scores[stray] = 9
    inside = disc(points, (5, 5), 1)
    scores[inside] = 1
    regions, of_point = anomalous_regions(points, scores, 1.0)
    assert [r.num_points for r in regions] == [inside.sum()]
    assert (of_point[stray] == -1).all()
    assert anomalous_regions(points, scores, 10.0)[0] == ()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_regions_are_disjoint_above_the_threshold_and_largest_first(seed: int) -> None:
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(int(generator.integers(1, 400)), 3)).astype(np.float32)
    scores = generator.random(len(points)).astype(np.float32)
    regions, of_point = anomalous_regions(points, scores, 0.6)
    sizes = [region.num_points for region in regions]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes == [int((of_point == number).sum()) for number in range(len(regions))]
    assert (scores[of_point >= 0] >= np.float32(0.6)).all()
    for number, region in enumerate(regions):
        exact = pdist(points[of_point == number].astype(np.float64)).max()
        assert 0.97 * exact <= region.diameter <= exact * (1 + 1e-9)


def test_heights_have_the_sign_of_the_material_and_none_within_the_noise() -> None:
    points = plate()
    up, down, flat = (disc(points, at, 1) for at in ((2, 2), (5, 5), (8, 8)))
    scores = (up | down | flat).astype(np.float32)
    regions, of_point = anomalous_regions(points, scores, 1.0)
    noise = np.random.default_rng(1).normal(0, 0.01, len(points)).astype(np.float32)
    heights = noise + np.where(up, 0.5, np.where(down, -0.3, 0)).astype(np.float32)
    told = with_heights(regions, of_point, beside(heights, float(np.median(np.abs(heights)))))
    by_place = {round(region.center[0]): region.height for region in told}
    assert by_place[2] == pytest.approx(0.5, abs=0.03)
    assert by_place[5] == pytest.approx(-0.3, abs=0.03)
    assert by_place[8] is None


def test_a_thin_wall_that_moved_as_a_whole_has_no_sign() -> None:
    points = plate()
    dent = disc(points, (5, 5), 1.5)
    regions, of_point = anomalous_regions(points, dent.astype(np.float32), 1.0)
    # Its one side sank, its other side stands out.
    heights = np.where(dent, np.where(np.arange(len(points)) % 2 == 0, -0.3, 0.2), 0)
    told = with_heights(regions, of_point, beside(heights, 0.01))
    assert [region.height for region in told] == [None]

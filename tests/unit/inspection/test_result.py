"""Connected anomalous parts: which there are, how large, and how far they stand out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from plane_anomalib.inspection.regions import (
    LEAST_POINTS,
    Heights,
    anomalous_regions,
    region_level,
    with_heights,
)

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


@pytest.mark.parametrize("depth", [0.3, 1.0, 3.0])
def test_the_size_of_a_region_does_not_depend_on_its_depth(depth: float) -> None:
    points = plate()
    away = np.linalg.norm(points[:, :2] - (5, 5), axis=1)
    noise = np.random.default_rng(2).uniform(0, 0.03, len(points))
    scores = np.where(away < 2, depth * np.cos(np.pi * np.minimum(away, 2) / 4), 0) + noise
    ((region,), _) = anomalous_regions(points, scores.astype(np.float32), 0.2, 0.03)
    # It ends at 0.15 of the peak, or at 1.3 of the usual scores: 3.5 to 4 across.
    assert 3.3 < region.diameter < 4.0


def test_a_weak_anomaly_has_a_region_at_a_lower_level_and_specks_have_none() -> None:
    points = plate()
    weak = disc(points, (5, 5), 1)
    scores = np.where(weak, 0.8, 0.1).astype(np.float32)
    level = region_level(points, scores, 1.0, 0.3)
    assert level is not None
    assert 0.3 <= level <= np.float32(0.8)
    ((region,), of_point) = anomalous_regions(points, scores, level, 0.3)
    assert region.num_points == weak.sum()
    assert np.array_equal(of_point == 0, weak)
    specks = np.full(len(points), 0.1, np.float32)
    for corner in ((1, 1), (1, 9), (9, 1), (9, 9), (5, 5), (1, 5)):
        specks[np.linalg.norm(points[:, :2] - corner, axis=1).argmin()] = 0.8
    assert region_level(points, specks, 1.0, 0.3) is None


def test_what_the_scan_lacks_is_as_high_as_the_good_scan_stands_out() -> None:
    points = plate()
    gone = disc(points, (5, 5), 1)
    regions, of_point = anomalous_regions(points, gone.astype(np.float32), 0.5)
    near = np.where(gone, -0.2, 0).astype(np.float32)
    top = np.flatnonzero(gone)
    stands = np.full(len(top), 2.0, np.float32)
    told = with_heights(regions, of_point, Heights(near, 0.01, stands, top))
    assert told[0].height == pytest.approx(-2.0)
    unsigned = with_heights(regions, of_point, Heights(near, 0.01, stands, top, signed=False))
    assert unsigned[0].height is None

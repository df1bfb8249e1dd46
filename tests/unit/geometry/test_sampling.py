"""Which points are chosen, and in which order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry.sampling import (
    farthest_point_sampling,
    most_seen,
    random_subsample,
    seen_from,
    shuffled_order,
    toward_viewer,
    typical_spacing,
    voxel_downsample,
)


def naive_farthest(points: np.ndarray, num: int, allowed: np.ndarray, start: int = 0) -> list[int]:
    picked = [start]
    while len(picked) < num:
        gaps = [
            min(float(np.sum((point - points[i]) ** 2)) for i in picked) if ok else -1.0
            for point, ok in zip(points, allowed, strict=True)
        ]
        picked.append(gaps.index(max(gaps)))
    return picked


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 12), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_farthest_points_equal_the_naive_loop(num: int, picks: int, batch: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    # Small integers: distances are exact, and ties and duplicates are frequent.
    points = generator.integers(-3, 4, (batch, num, 3)).astype(np.float32)
    found = farthest_point_sampling(torch.from_numpy(points), picks)
    for cloud, indices in zip(points, found.tolist(), strict=True):
        assert indices == naive_farthest(cloud, picks, np.ones(num, bool))


def test_masked_points_are_never_picked() -> None:
    generator = np.random.default_rng(3)
    points = generator.normal(size=(4, 50, 3)).astype(np.float32)
    valid = generator.random((4, 50)) < 0.5
    valid[:, 0] = [True, False, True, False]
    found = farthest_point_sampling(torch.from_numpy(points), 40, valid=torch.from_numpy(valid))
    for cloud, mask, indices in zip(points, valid, found.tolist(), strict=True):
        assert mask[indices].all()
        assert indices == naive_farthest(cloud, 40, mask, start=int(mask.argmax()))


def test_skip_origin_leaves_points_near_the_origin_alone() -> None:
    points = torch.tensor([[[0.0, 0, 0], [0.01, 0, 0], [1, 0, 0], [0, 0.03, 0], [0, 0.04, 0]]])
    assert farthest_point_sampling(points, 3, skip_origin=True).tolist() == [[0, 2, 4]]
    everything = farthest_point_sampling(points, 5, skip_origin=True)
    assert set(everything[0].tolist()) == {0, 2, 4}
    assert set(farthest_point_sampling(points, 5)[0].tolist()) == {0, 1, 2, 3, 4}


def test_a_batch_gives_what_its_clouds_give() -> None:
    points = torch.randn(3, 200, 3, generator=torch.Generator().manual_seed(1))
    whole = farthest_point_sampling(points, 40)
    single = [farthest_point_sampling(cloud[None], 40)[0] for cloud in points]
    assert torch.equal(whole, torch.stack(single))


def test_farthest_points_reject_what_is_no_batch_of_clouds() -> None:
    for points, num in (
        (torch.zeros(5, 3), 2),
        (torch.zeros(1, 0, 3), 2),
        (torch.zeros(1, 4, 3), 0),
    ):
        with pytest.raises(ConfigurationError, match="Farthest point sampling"):
            farthest_point_sampling(points, num)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(0, 90), st.integers(0, 2**32 - 1))
def test_random_subsample_repeats_only_when_it_must(size: int, num: int, seed: int) -> None:
    indices = random_subsample(size, num, np.random.default_rng(seed))
    assert indices.shape == (num,)
    assert len(np.unique(indices)) == min(size, num)
    assert ((indices >= 0) & (indices < size)).all()
    assert np.array_equal(indices, random_subsample(size, num, np.random.default_rng(seed)))


def test_random_subsample_of_nothing_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="empty cloud"):
        random_subsample(0, 3, np.random.default_rng(0))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.floats(0.05, 3.0), st.integers(0, 2**32 - 1))
def test_voxels_keep_the_first_point_of_each_cell(num: int, voxel: float, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(num, 3)).astype(np.float32)
    seen: dict[tuple[int, ...], int] = {}
    cells = np.floor((points - points.min(0)).astype(np.float64) / voxel).astype(int)
    for index, cell in enumerate(map(tuple, cells)):
        seen.setdefault(cell, index)
    assert voxel_downsample(points, voxel).tolist() == sorted(seen.values())


def test_tiny_voxels_in_a_huge_cloud_do_not_overflow() -> None:
    points = np.array([[0, 0, 0], [1e6, 1e6, 1e6], [0, 0, 0]], np.float32)
    assert voxel_downsample(points, 1e-6).tolist() == [0, 1]


def test_voxel_size_must_be_positive() -> None:
    with pytest.raises(ConfigurationError, match="voxel size"):
        voxel_downsample(np.zeros((2, 3)), 0.0)


def test_typical_spacing_of_a_grid_is_its_step() -> None:
    axis = np.arange(8) * 0.25
    grid = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, 3)
    assert typical_spacing(grid) == pytest.approx(0.25)
    assert typical_spacing(grid, np.random.default_rng(0), num=50) == pytest.approx(0.25)
    assert typical_spacing(np.ones((5, 3))) == 0.0
    assert typical_spacing(np.ones((1, 3))) == 0.0


def test_any_permutation_of_a_cloud_gives_the_same_sequence_of_points() -> None:
    generator = np.random.default_rng()
    points = generator.normal(size=(5_000, 3)).astype(np.float32)
    points[::7] = points[3]
    permuted = points[generator.permutation(len(points))]
    first, second = points[shuffled_order(points, 3)], permuted[shuffled_order(permuted, 3)]
    np.testing.assert_array_equal(first, second)


def test_the_order_is_a_permutation_without_trend_and_depends_on_the_seed() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(20)] * 3), -1).reshape(-1, 3).astype(np.float32)
    order = shuffled_order(grid, 0)
    assert sorted(order) == list(range(len(grid)))
    assert abs(np.corrcoef(order, np.arange(len(grid)))[0, 1]) < 0.05
    assert np.abs(grid[order[:2000]].mean(0) - 9.5).max() < 0.6
    assert (shuffled_order(grid, 1) != order).mean() > 0.9


@pytest.mark.parametrize("first", [0, 1, 7, 100, 499, 500, 9999])
def test_the_first_are_those_of_the_whole_order_even_among_equal_points(first: int) -> None:
    points = np.random.default_rng().integers(0, 4, (500, 3)).astype(np.float32)
    np.testing.assert_array_equal(
        shuffled_order(points, 2, first=first), shuffled_order(points, 2)[:first]
    )


def sphere(num: int = 4_000) -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(num, 3))
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), np.float32)


def test_the_near_half_of_a_sphere_is_seen_and_the_far_half_is_not() -> None:
    points = sphere()
    seen = seen_from(points, [0, 0, 1])
    assert seen[points[:, 2] > 0.3].all()
    assert seen[points[:, 2] < -0.5].mean() < 0.02  # a few through open cells at the rim


def test_points_in_one_place_are_all_seen() -> None:
    assert seen_from(np.ones((5, 3), np.float32), [1, 0, 0]).all()


@pytest.mark.parametrize("scale", [1e-3, 1e4])
def test_the_most_that_is_seen_depends_on_neither_size_nor_place_nor_pose(scale: float) -> None:
    points = sphere()
    turn = Rotation.random(random_state=3).as_matrix()
    moved = np.asarray((points @ turn.T + [3, 0, 0]) * scale, np.float32)
    assert most_seen(moved) == pytest.approx(most_seen(points), abs=0.02)
    assert most_seen(points) < 0.6
    assert most_seen(points[seen_from(points, [0, 1, 0])]) > 0.75


def sheet(count: int = 4_000) -> np.ndarray:
    """A dish, open towards larger z."""
    plane = np.random.default_rng(4).uniform(-30, 30, (count, 2))
    return np.column_stack([plane, np.square(plane).sum(1) / 125]).astype(np.float32)


def test_a_height_map_is_seen_from_above_and_a_sheet_that_stands_is_not_told() -> None:
    toward, assumed = toward_viewer(sheet())
    assert assumed
    assert toward is not None
    assert toward.shape == (4_000, 3)
    assert (toward[:, 2] > 0.8).all()
    flat = sheet() * np.float32([1, 1, 0])
    assert toward_viewer(flat[:, [2, 0, 1]]).toward is None


def test_a_scan_before_a_camera_at_the_origin_is_seen_from_there() -> None:
    before = sheet() * np.float32([1, -1, -1]) + np.float32([5, -3, 600])
    toward, assumed = toward_viewer(before)
    assert not assumed
    assert toward is not None
    exact = -before / np.linalg.norm(before, axis=1, keepdims=True)
    assert np.abs(toward - exact).max() < 1e-5


@pytest.mark.slow
def test_a_few_directions_that_agree_by_chance_do_not_turn_a_plate_over() -> None:
    x, y = np.meshgrid(np.arange(-50, 50, 0.7), np.arange(-30, 30, 0.7))
    generator = np.random.default_rng(3)
    z = 6 * (np.abs(y - 15) < 4) + generator.normal(0, 0.03, x.shape) + generator.normal(0, 0.03)
    points = np.stack([x, y, z], -1).reshape(-1, 3)
    kept = points[generator.random(len(points)) > 0.02].round(4)
    toward, assumed = toward_viewer(kept.astype(np.float32))
    assert assumed
    assert toward is not None
    assert toward[0] == pytest.approx([0, 0, 1])

"""Nearest neighbours, and values carried to them."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry import neighbours
from plane_anomalib.geometry.neighbours import interpolate_to_points, knn, knn_torch


def brute_force(reference: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    gaps = queries[:, None].astype(np.float64) - reference[None].astype(np.float64)
    return np.sort(np.sqrt((gaps**2).sum(-1)), axis=1)[:, :k]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 2**32 - 1), st.booleans())
def test_neighbours_are_the_nearest(num: int, queries: int, seed: int, repeat: bool) -> None:
    generator = np.random.default_rng(seed)
    reference = generator.normal(size=(num, 3)).astype(np.float32)
    if repeat:
        reference = np.repeat(reference[: max(1, num // 4)], 5, axis=0)
    k = int(generator.integers(1, len(reference) + 1))
    places = generator.normal(size=(queries, 3)).astype(np.float32)
    distances, indices = knn(reference, places, k)
    assert distances.dtype == np.float32
    assert indices.dtype == np.int64
    np.testing.assert_allclose(distances, brute_force(reference, places, k), rtol=1e-5, atol=1e-6)
    actual = np.linalg.norm(places[:, None] - reference[indices], axis=-1)
    np.testing.assert_allclose(actual, distances, rtol=1e-4, atol=1e-6)
    assert all(len(set(row)) == k for row in indices.tolist())


def test_batched_neighbours_agree_with_the_tree_cloud_by_cloud() -> None:
    points = torch.randn(3, 300, 3, generator=torch.Generator().manual_seed(5))
    found = knn_torch(points, points[:, :40], 7)
    assert found.shape == (3, 40, 7)
    for cloud, indices in zip(points.numpy(), found.numpy(), strict=True):
        np.testing.assert_array_equal(indices, knn(cloud, cloud[:40], 7)[1])


@pytest.mark.parametrize("k", [0, 4])
def test_an_impossible_number_of_neighbours_is_an_error(k: int) -> None:
    with pytest.raises(ConfigurationError, match="k must be between 1 and the 3"):
        knn(np.zeros((3, 3)), np.zeros((1, 3)), k)
    with pytest.raises(ConfigurationError, match="k must be between 1 and the 3"):
        knn_torch(torch.zeros(1, 3, 3), torch.zeros(1, 1, 3), k)


def test_no_queries_give_no_neighbours() -> None:
    distances, indices = knn(np.zeros((3, 3)), np.zeros((0, 3)), 2)
    assert distances.shape == indices.shape == (0, 2)


def test_what_is_no_cloud_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"reference must have the shape \(N, 3\)"):
        knn(np.zeros((3, 2)), np.zeros((1, 3)), 1)
    with pytest.raises(ConfigurationError, match="reference has 0 points"):
        knn(np.zeros((0, 3)), np.zeros((1, 3)), 1)


def _total(seed: int) -> float:
    points = np.random.default_rng(seed).normal(size=(20_000, 3)).astype(np.float32)
    return float(knn(points, points[:5000], 3, workers=2)[0].sum())


def test_a_forked_loader_worker_can_search_after_its_parent_did() -> None:
    expected = _total(0)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_total, (0,)).get(timeout=60) == expected


def interpolated(centers: np.ndarray, values: np.ndarray, points: np.ndarray, k: int) -> np.ndarray:
    result = []
    for point in points.astype(np.float64):
        squared = ((centers.astype(np.float64) - point) ** 2).sum(1)
        nearest = np.argsort(squared)[:k]
        weights = 1 / squared[nearest]
        result.append((weights[:, None] * values[nearest]).sum(0) / weights.sum())
    return np.array(result)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 4), st.floats(-3, 3), st.integers(0, 2**32 - 1))
def test_it_is_the_inverse_squared_distance_mean(
    num: int, k: int, magnitude: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    scale = 10.0**magnitude
    centers = (scale * generator.normal(size=(num, 3))).astype(np.float32)
    points = (scale * generator.normal(size=(20, 3))).astype(np.float32)
    values = generator.normal(size=(num, 2)).astype(np.float32)
    expected = interpolated(centers, values, points, k)
    found = interpolate_to_points(centers, values, points, k)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    single = interpolate_to_points(centers, values[:, 0], points, k)
    assert single.shape == (20,)
    np.testing.assert_allclose(single, expected[:, 0], atol=1e-4)


def test_it_is_exact_at_a_center_even_when_centers_coincide_nearby() -> None:
    centers = np.array([[0, 0, 0], [1e-3, 0, 0], [1, 0, 0], [1, 0, 0]], np.float32)
    values = np.array([0.25, -3.0, 7.0, 7.0], np.float32)
    np.testing.assert_array_equal(interpolate_to_points(centers, values, centers), values)


def test_one_or_identical_centers_do_not_divide_by_zero() -> None:
    points = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    assert interpolate_to_points(points[:1], [2.0], points).tolist() == [2.0] * 5
    same = interpolate_to_points(np.zeros((4, 3)), [1.0, 1, 1, 1], np.zeros((3, 3)))
    assert same.tolist() == [1.0] * 3


def test_chunks_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    centers, points = generator.normal(size=(20, 3)), generator.normal(size=(103, 3))
    values = generator.normal(size=20)
    whole = interpolate_to_points(centers, values, points)
    monkeypatch.setattr(neighbours, "_CHUNK", 10)
    np.testing.assert_array_equal(interpolate_to_points(centers, values, points), whole)


def test_points_far_outside_the_centers_and_flat_ones_are_served_too() -> None:
    generator = np.random.default_rng()
    centers = generator.normal(size=(9, 3)).astype(np.float32) * [1, 1, 0]
    points = (1e6 * generator.normal(size=(50, 3))).astype(np.float32)
    values = generator.normal(size=(9, 2)).astype(np.float32)
    found = interpolate_to_points(centers, values, points)
    np.testing.assert_allclose(found, interpolated(centers, values, points, 3), atol=1e-3)


def test_no_points_and_no_centers() -> None:
    assert interpolate_to_points(np.zeros((2, 3)), np.zeros((2, 4)), np.zeros((0, 3))).shape == (
        0,
        4,
    )
    with pytest.raises(ConfigurationError, match="centers has 0 points"):
        interpolate_to_points(np.zeros((0, 3)), [], np.zeros((1, 3)))

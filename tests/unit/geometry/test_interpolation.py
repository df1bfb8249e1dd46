import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry import interpolation
from plane_anomalib.geometry.interpolation import interpolate_to_points


def brute_force(centers: np.ndarray, values: np.ndarray, points: np.ndarray, k: int) -> np.ndarray:
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
    expected = brute_force(centers, values, points, k)
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
    monkeypatch.setattr(interpolation, "_CHUNK", 10)
    np.testing.assert_array_equal(interpolate_to_points(centers, values, points), whole)


def test_points_far_outside_the_centers_and_flat_ones_are_served_too() -> None:
    generator = np.random.default_rng()
    centers = generator.normal(size=(9, 3)).astype(np.float32) * [1, 1, 0]
    points = (1e6 * generator.normal(size=(50, 3))).astype(np.float32)
    values = generator.normal(size=(9, 2)).astype(np.float32)
    found = interpolate_to_points(centers, values, points)
    np.testing.assert_allclose(found, brute_force(centers, values, points, 3), atol=1e-3)


def test_no_points_and_no_centers() -> None:
    assert interpolate_to_points(np.zeros((2, 3)), np.zeros((2, 4)), np.zeros((0, 3))).shape == (
        0,
        4,
    )
    with pytest.raises(ConfigurationError, match="centers has 0 points"):
        interpolate_to_points(np.zeros((0, 3)), [], np.zeros((1, 3)))

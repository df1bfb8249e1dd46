"""Normals of surfaces, and the closed form that they come from."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from plane_anomalib.geometry.normals import least_variance, patch_normal, point_normals


def sphere(num: int, seed: int) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(num, 3))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def test_normals_of_a_sphere_point_outward_wherever_it_stands() -> None:
    points = sphere(4000, 0)
    for shift in (0.0, 100.0):
        normals = point_normals(points + np.float32(shift), 12)
        cosines = np.einsum("ij,ij->i", normals, points)
        assert cosines.min() > 0.97
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)


def test_normals_can_be_asked_for_at_other_places() -> None:
    places = sphere(50, 2)
    normals = point_normals(sphere(4000, 1), 12, places)
    assert normals.shape == (50, 3)
    assert np.einsum("ij,ij->i", normals, places).min() > 0.95


def test_the_normal_of_a_plane_is_exact() -> None:
    generator = np.random.default_rng(4)
    normal = generator.normal(size=3)
    normal /= np.linalg.norm(normal)
    points = generator.normal(size=(30, 3))
    points -= np.outer(points @ normal, normal)
    assert abs(patch_normal(points + 5) @ normal) == pytest.approx(1, abs=1e-5)
    assert np.abs(point_normals(points, 10) @ normal).min() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("num", [1, 2, 3])
def test_tiny_and_duplicate_clouds_still_have_unit_normals(num: int) -> None:
    for points in (np.eye(3)[:num], np.zeros((num, 3))):
        np.testing.assert_allclose(np.linalg.norm(point_normals(points), axis=1), 1, atol=1e-6)
        assert np.linalg.norm(patch_normal(points)) == pytest.approx(1, abs=1e-6)


def covariances(values: np.ndarray, seed: int) -> np.ndarray:
    turns = Rotation.random(len(values), random_state=seed).as_matrix()
    return np.einsum("mij,mj,mkj->mik", turns, values, turns)


def entries(matrices: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(matrices.reshape(-1, 9)[:, [0, 1, 2, 4, 5, 8]].T)


def test_the_direction_is_the_eigenvector_of_the_smallest_eigenvalue() -> None:
    generator = np.random.default_rng(0)
    values = np.sort(generator.uniform(0.1, 1, (2000, 3)), axis=1) * 10.0 ** generator.integers(
        -12, 12, (2000, 1)
    )
    values[:, 0] *= 0.5
    matrices = covariances(values, 1)
    found = least_variance(entries(matrices))
    expected = np.linalg.eigh(matrices)[1][:, :, 0]
    np.testing.assert_allclose(np.abs(np.einsum("mi,mi->m", found, expected)), 1, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-9)


def test_flat_line_like_and_equal_variances_give_unit_vectors_of_least_variance() -> None:
    shapes = np.array([[0, 1, 1], [0, 0, 1], [1, 1, 1], [1, 1, 2], [0, 1, 2], [0, 0, 0.0]])
    for seed in range(20):
        matrices = covariances(shapes, seed)
        found = least_variance(entries(matrices))
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
        variances = np.einsum("mi,mij,mj->m", found, matrices, found)
        np.testing.assert_allclose(variances, shapes[:, 0], atol=1e-6)


def test_diagonal_matrices_are_told_by_their_axes() -> None:
    matrices = np.stack([np.diag(v) for v in ([1.0, 2, 3], [2, 1, 3], [2, 3, 1], [1, 1, 2])])
    np.testing.assert_array_equal(least_variance(entries(matrices)), np.eye(3)[[0, 1, 2, 2]])

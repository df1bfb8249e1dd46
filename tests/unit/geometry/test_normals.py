import numpy as np
import pytest

from plane_anomalib.geometry.normals import patch_normal, point_normals


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

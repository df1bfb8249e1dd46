import numpy as np
import pytest

from plane_anomalib.generation.defects.patches import displace, grow_patch


def test_a_patch_is_a_disc_in_its_own_frame() -> None:
    generator = np.random.default_rng(0)
    points = generator.normal(size=(5000, 3))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    patch = grow_patch(points, 17, 0.3, generator)
    expected = np.flatnonzero(np.linalg.norm(points - points[17], axis=1) <= 0.3)
    assert len(set(expected) ^ set(patch.indices)) <= 2
    np.testing.assert_allclose(patch.frame @ patch.frame.T, np.eye(3), atol=1e-5)
    assert patch.frame[2] @ points[17] > 0.98
    rebuilt = points[17] + patch.local @ patch.frame
    np.testing.assert_allclose(rebuilt, points[patch.indices], atol=1e-5)
    # The cap of a sphere: height -r^2 / 2 over the tangent plane.
    flat = np.square(patch.local[:, :2]).sum(1)
    np.testing.assert_allclose(patch.local[:, 2], -flat / 2, atol=0.02)
    assert np.einsum("ij,ij->i", patch.normals(points), points[patch.indices]).min() > 0.9


def test_a_patch_does_not_jump_a_gap() -> None:
    generator = np.random.default_rng(1)
    first = np.column_stack([generator.uniform(-1, 1, (2000, 2)), np.zeros(2000)])
    points = np.concatenate([first, first + np.array([0, 0, 0.2])]).astype(np.float32)
    patch = grow_patch(points, 5, 0.5, generator)
    assert patch.indices.max() < 2000


def test_stretched_surface_gets_new_points_in_proportion() -> None:
    generator = np.random.default_rng(2)
    points = np.column_stack([generator.uniform(-1, 1, (6000, 2)), np.zeros(6000)]).astype(
        np.float32
    )
    patch = grow_patch(points, int(np.square(points).sum(1).argmin()), 0.5, generator)
    ramp = 1.5 * patch.local[:, 0]  # slope 1.5 everywhere: area grows by sqrt(1 + 1.5^2)
    up = patch.frame[2]
    moved = displace(points, patch, ramp, up, generator, label_threshold=0.0, resample=True)
    gained = (len(moved.points) - 6000) / len(patch.indices)
    assert gained == pytest.approx(np.sqrt(1 + 1.5**2) - 1, rel=0.15)
    still = displace(points, patch, ramp, up, generator, label_threshold=0.0, resample=False)
    assert len(still.points) == 6000

import numpy as np
import pytest

from plane_anomalib.generation.scans import (
    deform_specimen,
    jitter,
    resample,
    vary_density,
    view_from_one_side,
)


def sphere(num: int, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(num, 3))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def test_one_side_of_a_sphere_is_about_half_of_it() -> None:
    points = sphere(8000)
    for seed in range(5):
        seen = view_from_one_side(points, np.random.default_rng(seed))
        assert 0.4 < len(seen) / 8000 < 0.75
        towards = seen.mean(0) / np.linalg.norm(seen.mean(0))
        assert (seen @ towards < -0.5).mean() < 0.03
        # What faces the viewer is kept.
        facing = (points @ towards) > 0.6
        assert ((seen @ towards) > 0.6).sum() >= 0.995 * facing.sum()


def test_another_draw_has_other_points_of_the_same_surface() -> None:
    points = sphere(8000)
    for seed in range(3):
        drawn = resample(points, np.random.default_rng(seed))
        assert 0.7 * len(points) - 1 <= len(drawn) <= len(points)
        moved = {tuple(p) for p in drawn.tolist()} - {tuple(p) for p in points.tolist()}
        assert len(moved) > 0.7 * len(drawn)
        # Chords of neighbours 0.05 apart lie within 0.001 of the unit sphere.
        assert np.abs(np.linalg.norm(drawn, axis=1) - 1).max() < 2e-3


def test_density_varies_but_enough_is_left_and_nothing_moves() -> None:
    points = sphere(3000)
    for seed in range(5):
        thinned = vary_density(points, np.random.default_rng(seed))
        assert 600 <= len(thinned) < 3000
        assert {tuple(p) for p in thinned.tolist()} <= {tuple(p) for p in points.tolist()}


def test_deformation_is_smooth_and_small() -> None:
    points = sphere(2000)
    for seed in range(5):
        steps = deform_specimen(points, np.random.default_rng(seed)) - points
        assert 1e-4 < np.linalg.norm(steps, axis=1).max() < 0.036
        near = np.linalg.norm(points[:, None] - points[None, :50], axis=2) < 0.1
        rows, columns = np.nonzero(near)
        assert np.linalg.norm(steps[rows] - steps[columns], axis=1).max() < 0.02


def test_noise_has_no_direction() -> None:
    steps = jitter(sphere(5000), np.random.default_rng(3)) - sphere(5000)
    assert 0 < steps.std() < 0.005
    assert np.abs(steps.mean(0)).max() < 0.1 * steps.std()


@pytest.mark.parametrize("num", [1, 2, 5])
def test_tiny_clouds_survive(num: int) -> None:
    for points in (sphere(num), np.ones((num, 3), np.float32)):
        for change in (resample, deform_specimen, vary_density, view_from_one_side, jitter):
            changed = change(points, np.random.default_rng(0))
            assert changed.dtype == np.float32
            assert len(changed) >= 1

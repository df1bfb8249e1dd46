"""What one direction shows of a cloud."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from plane_anomalib.geometry.visibility import most_seen, seen_from


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

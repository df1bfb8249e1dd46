"""One-sided scans: what faces the scanner with nothing between, and most of the defect."""

import numpy as np
import pytest
import trimesh

from plane_anomalib.generation.closed_mesh import MeshSurface
from plane_anomalib.generation.defects.field_defects import plan_defect
from plane_anomalib.generation.scans import random_pose, seen, view_of
from tests.support.meshes import ball, closed


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng()


@pytest.fixture(scope="module")
def a_ball() -> MeshSurface:
    return MeshSurface(closed(ball()), 96, np.random.default_rng())


@pytest.mark.slow
def test_of_a_ball_the_scanner_sees_the_half_that_faces_it(
    a_ball: MeshSurface, generator: np.random.Generator
) -> None:
    points, _ = a_ball.sample(3000, generator)
    toward = np.array([0.0, 0.6, 0.8])

    visible = seen(a_ball, None, points, toward)

    cosine = points @ toward / 0.5
    assert visible[cosine > 0.23].all()
    assert not visible[cosine < 0.17].any()


def test_what_stands_in_front_hides_what_is_behind(generator: np.random.Generator) -> None:
    lower = trimesh.creation.box(extents=[1.0, 0.6, 0.2])
    upper = trimesh.creation.box(extents=[0.4, 0.4, 0.2])
    upper.apply_translation([-0.3, 0, 0.4])
    both = trimesh.util.concatenate([lower, upper])
    both.apply_translation(-both.bounds.mean(axis=0))
    surface = MeshSurface(closed(both), 96, generator)
    points, _ = surface.sample(4000, generator)

    visible = seen(surface, None, points, np.array([0.0, 0.0, 1.0]))

    top_of_lower = np.isclose(points[:, 2], -0.1)
    covered = np.abs(points[:, :2] - [-0.3, 0.0]).max(axis=1) < 0.19
    free = np.abs(points[:, :2] - [-0.3, 0.0]).max(axis=1) > 0.21
    assert not visible[top_of_lower & covered].any()
    assert visible[top_of_lower & free].mean() > 0.99
    assert visible[np.isclose(points[:, 2], 0.3)].all()
    assert not visible[points[:, 2] < -0.29].any()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bulge", "concavity"])
def test_most_of_a_defect_is_in_view(
    kind: str, a_ball: MeshSurface, generator: np.random.Generator
) -> None:
    patch = plan_defect(kind, a_ball, generator)
    toward = view_of(a_ball, patch, generator)
    points, labels = a_ball.sample(10_000, generator, patch)

    assert np.linalg.norm(toward) == pytest.approx(1.0)
    assert seen(a_ball, patch, points, toward)[labels].mean() > 0.6


def test_a_pose_is_a_rotation_and_a_shift(generator: np.random.Generator) -> None:
    pose = random_pose(30.0, generator)

    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)
    assert pose[3].tolist() == [0, 0, 0, 1]
    assert 0 < np.linalg.norm(pose[:3, 3]) < 150

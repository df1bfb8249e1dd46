from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry.points import even_directions, even_rotations
from plane_anomalib.geometry.registration import RegistrationTarget, RigidTransform, register


def lump(generator: np.random.Generator, num: int) -> np.ndarray:
    """A star-shaped body without any symmetry, longest side about 2."""
    directions = generator.normal(size=(num, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    x, y, z = directions.T
    radius = 0.6 + 0.25 * x + 0.15 * y * z + 0.2 * x * y + 0.12 * z**3 + 0.1 * np.sin(4 * y + x)
    return directions * radius[:, None]


def tube(generator: np.random.Generator, num: int) -> np.ndarray:
    """A capped cone: any turn about z leaves it as it is."""
    height, angle = generator.uniform(0, 2, num), generator.uniform(0, 2 * np.pi, num)
    radius = 0.5 - 0.1 * height
    inside = generator.random(num) < 0.2
    radius[inside] = 0.5 * np.sqrt(generator.random(inside.sum()))
    height[inside] = 0.0
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)


def random_pose(generator: np.random.Generator) -> RigidTransform:
    turn = Rotation.random(random_state=int(generator.integers(2**31))).as_matrix()
    return RigidTransform(turn, generator.normal(size=3) * 3)


def one_side(points: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """What a far camera sees of a cloud (Katz et al. 2007), independent of our own view test."""
    offsets = points - 10.0 * direction
    distances = np.linalg.norm(offsets, axis=1, keepdims=True)
    flipped = offsets + 2 * (1000.0 - distances) * offsets / distances
    corners = ConvexHull(np.vstack([flipped, np.zeros(3)])).vertices
    return points[corners[corners < len(points)]]


@pytest.fixture(scope="module")
def target() -> RegistrationTarget:
    return RegistrationTarget(lump(np.random.default_rng(0), 6000))


class TestRigidTransform:
    def test_compose_and_inverse_do_what_applying_in_turn_does(self) -> None:
        generator = np.random.default_rng(1)
        first, second = random_pose(generator), random_pose(generator)
        points = generator.normal(size=(50, 3)).astype(np.float32)
        in_turn = second.apply(first.apply(points))
        np.testing.assert_allclose(second.compose(first).apply(points), in_turn, atol=1e-5)
        np.testing.assert_allclose(first.inverse().apply(first.apply(points)), points, atol=1e-5)

    def test_apply_agrees_with_scipy(self) -> None:
        generator = np.random.default_rng(2)
        pose = random_pose(generator)
        points = generator.normal(size=(20, 3))
        expected = Rotation.from_matrix(pose.rotation).apply(points) + pose.translation
        np.testing.assert_allclose(pose.apply(points), expected, atol=1e-5)

    def test_wrong_shapes_are_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="rotation"):
            RigidTransform(np.eye(4), np.zeros(3))


def test_even_rotations_leave_no_orientation_far_away() -> None:
    rotations = even_rotations(500)
    np.testing.assert_allclose(
        rotations @ rotations.transpose(0, 2, 1), np.tile(np.eye(3), (500, 1, 1)), atol=1e-12
    )
    probes = Rotation.random(200, random_state=3).as_matrix()
    traces = np.einsum("aij,bij->ab", probes, rotations)
    nearest = np.degrees(np.arccos(np.clip((traces.max(1) - 1) / 2, -1, 1)))
    assert nearest.max() < 40


def test_even_directions_are_unit_and_balanced() -> None:
    directions = even_directions(128)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    assert np.linalg.norm(directions.mean(0)) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("case", range(3))
def test_a_complete_scan_in_any_pose_is_found(target: RegistrationTarget, case: int) -> None:
    generator = np.random.default_rng(10 + case)
    pose = random_pose(generator)
    result = target.register(pose.apply(lump(generator, 4000)))
    error = result.transform.compose(pose)
    assert error.angle < 1.0
    assert np.linalg.norm(error.translation) < 0.01
    assert result.complete
    assert result.cost < 0.005


@pytest.mark.slow
@pytest.mark.parametrize("case", range(3))
def test_a_one_sided_scan_in_any_pose_is_found(target: RegistrationTarget, case: int) -> None:
    generator = np.random.default_rng(20 + case)
    direction = generator.normal(size=3)
    side = one_side(lump(generator, 6000), direction / np.linalg.norm(direction))
    pose = random_pose(generator)
    result = target.register(pose.apply(side))
    error = result.transform.compose(pose)
    assert error.angle < 2.0
    assert np.linalg.norm(error.translation) < 0.02
    assert not result.complete


@pytest.mark.slow
def test_units_do_not_matter() -> None:
    generator = np.random.default_rng(30)
    template, scan = lump(generator, 3000), lump(generator, 3000)
    pose = random_pose(generator)
    plain = register(pose.apply(scan), template)
    scaled = register(
        np.float32(1024) * pose.apply(scan), np.float32(1024) * template.astype(np.float32)
    )
    np.testing.assert_allclose(scaled.transform.rotation, plain.transform.rotation, atol=1e-3)
    np.testing.assert_allclose(
        scaled.transform.translation / 1024, plain.transform.translation, atol=5e-3
    )


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits() -> None:
    generator = np.random.default_rng(31)
    template, scan = lump(generator, 2000), random_pose(generator).apply(lump(generator, 1500))
    first, second = register(scan, template, seed=4), register(scan, template, seed=4)
    assert np.array_equal(first.transform.rotation, second.transform.rotation)
    assert np.array_equal(first.transform.translation, second.transform.translation)
    assert first.cost == second.cost


@pytest.mark.slow
def test_the_number_of_threads_changes_no_bit(target: RegistrationTarget) -> None:
    scan = Rotation.random(random_state=5).apply(target.surface.fine[::2]) + 3.0
    threads = torch.get_num_threads()
    found = []
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            found.append(target.register(scan).transform)
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        np.testing.assert_array_equal(other.rotation, found[0].rotation)
        np.testing.assert_array_equal(other.translation, found[0].translation)


@pytest.mark.slow
def test_an_object_of_revolution_lands_on_itself() -> None:
    generator = np.random.default_rng(32)
    pose = random_pose(generator)
    target = RegistrationTarget(tube(generator, 6000))
    assert len(target.symmetries) > 60
    error = target.register(pose.apply(tube(generator, 4000))).transform.compose(pose)
    moved_axis = error.apply(np.array([[0, 0, 0], [0, 0, 2]]))
    np.testing.assert_allclose(moved_axis, [[0, 0, 0], [0, 0, 2]], atol=0.03)


def test_a_body_without_symmetry_has_none_but_itself(target: RegistrationTarget) -> None:
    assert len(target.symmetries) == 1


def test_refine_settles_a_small_error(target: RegistrationTarget) -> None:
    generator = np.random.default_rng(33)
    turn = Rotation.from_rotvec(np.radians([1.0, -1.0, 1.0])).as_matrix()
    pose = RigidTransform(turn, np.array([0.02, -0.01, 0.01]))
    result = target.refine(pose.apply(lump(generator, 3000)), RigidTransform.identity())
    error = result.transform.compose(pose)
    assert error.angle < 0.3
    assert np.linalg.norm(error.translation) < 0.005


@pytest.mark.parametrize("num", [1, 3, 50])
def test_tiny_and_repeated_clouds_give_a_finite_pose(target: RegistrationTarget, num: int) -> None:
    scan = np.repeat(lump(np.random.default_rng(num), num), 3, axis=0)
    for result in (target.register(scan), register(lump(np.random.default_rng(0), 300), scan)):
        assert np.isfinite(result.transform.translation).all()
        assert np.linalg.det(result.transform.rotation) == pytest.approx(1.0, abs=1e-6)


def test_points_that_all_coincide_give_a_finite_pose(target: RegistrationTarget) -> None:
    result = target.register(np.full((40, 3), 7.0))
    assert np.isfinite(result.transform.translation).all()
    assert np.linalg.det(result.transform.rotation) == pytest.approx(1.0, abs=1e-6)


def test_an_empty_cloud_is_refused(target: RegistrationTarget) -> None:
    with pytest.raises(ConfigurationError, match="at least 1"):
        target.register(np.zeros((0, 3), np.float32))

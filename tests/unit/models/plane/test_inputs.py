from __future__ import annotations

import numpy as np
import pytest

from plane_anomalib.geometry.local_shape import local_shape_features
from plane_anomalib.geometry.points import principal_frame
from plane_anomalib.models.plane.inputs import Frame, View
from tests.support.small_plane import small_inputs
from tests.support.trees import surface


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng()


def rows(points: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in np.ascontiguousarray(points)]


def seen(views: list[View]) -> list[bytes]:
    return rows(np.concatenate([view.points for view in views]))


@pytest.mark.parametrize("size", [129, 200, 1000])
def test_no_point_is_seen_twice_before_all_are_seen(
    size: int, generator: np.random.Generator
) -> None:
    unit, views = small_inputs(num_views=4).views(surface(generator, size), 0)
    first_round = seen(views)[: min(size, 64 * len(views))]
    assert len(set(first_round)) == len(first_round)
    assert set(first_round) <= set(rows(unit))
    assert seen(views)[size:] == seen(views)[: max(0, 64 * len(views) - size)]


@pytest.mark.parametrize(
    ("size", "count"), [(1, 1), (63, 1), (64, 1), (65, 2), (128, 2), (129, 3), (257, 4), (9999, 4)]
)
def test_there_are_never_more_views_than_needed(
    size: int, count: int, generator: np.random.Generator
) -> None:
    views = small_inputs(num_views=4).views(surface(generator, size), 0)[1]
    assert len(views) == count
    assert all(view.points.shape == (64, 3) for view in views)
    if size <= 64 * 4:
        assert len(set(seen(views))) == size


def test_a_small_cloud_repeats_its_points_evenly(generator: np.random.Generator) -> None:
    (view,) = small_inputs().views(surface(generator, 10), 0)[1]
    _, counts = np.unique(view.points, axis=0, return_counts=True)
    assert sorted(counts) == [6] * 6 + [7] * 4


def test_normalised_cloud_is_in_input_order(generator: np.random.Generator) -> None:
    cloud = 40 * surface(generator, 300) + [5, 6, 7]
    unit, _ = small_inputs().views(cloud.astype(np.float32), 0)
    centered = cloud - cloud.mean(0)
    expected = centered / np.linalg.norm(centered, axis=1).max()
    np.testing.assert_allclose(unit, expected, atol=1e-5)


@pytest.mark.parametrize("size", [300, 5000])
def test_any_order_of_the_points_gives_the_same_views(
    size: int, generator: np.random.Generator
) -> None:
    """Also of features, whose coarse scales thin a large cloud."""
    inputs = small_inputs(local_geometry=True, pose="principal")
    cloud, order = surface(generator, size), generator.permutation(size)
    unit, views = inputs.views(cloud, 3)
    shuffled, others = inputs.views(cloud[order], 3)
    np.testing.assert_allclose(shuffled, unit[order], atol=1e-6)
    for a, b in zip(views, others, strict=True):
        np.testing.assert_allclose(a.points, b.points, atol=1e-6)
        np.testing.assert_allclose(a.features, b.features, atol=1e-4)


@pytest.mark.parametrize("pose", ["none", "common"])
def test_plain_views_show_the_points_that_full_ones_show(
    pose: str, generator: np.random.Generator
) -> None:
    """Without features of the surface, the cloud is not shuffled as a whole."""
    cloud = surface(generator, 3000)
    _, plain = small_inputs(pose=pose).views(cloud, 5)
    _, full = small_inputs(pose=pose, local_geometry=True).views(cloud, 5)
    for a, b in zip(plain, full, strict=True):
        np.testing.assert_allclose(a.points, b.points, atol=1e-6)
        np.testing.assert_allclose(
            a.features, b.features[:, -a.features.shape[1] or 99 :], atol=1e-6
        )


def test_another_seed_sees_other_points(generator: np.random.Generator) -> None:
    cloud, inputs = surface(generator, 5000), small_inputs()
    assert set(seen(inputs.views(cloud, 0)[1])) != set(seen(inputs.views(cloud, 1)[1]))


def test_chosen_points_are_spread_over_the_cloud_whatever_its_order(
    generator: np.random.Generator,
) -> None:
    cloud = surface(generator, 4000)
    cloud = cloud[np.argsort(cloud[:, 0])]
    view = small_inputs(num_points=500, num_views=1).views(cloud, 0)[1][0]
    assert abs(np.mean(view.points[:, 0] > 0) - 0.5) < 0.12


def test_features_are_the_shape_of_the_full_cloud_and_then_the_place(
    generator: np.random.Generator,
) -> None:
    cloud = 30 * surface(generator, 3000) + np.float32(9)
    unit = small_inputs().views(cloud, 0)[0]
    chosen = generator.choice(3000, 64, replace=False)
    inputs = small_inputs(
        num_points=64, local_geometry=True, local_scales=(16, 48), pose="principal"
    )
    view = inputs.view(cloud, chosen)
    local = local_shape_features(unit, unit[chosen], (16, 48))
    place = unit[chosen] @ principal_frame(unit)
    np.testing.assert_allclose(view.points, unit[chosen], atol=1e-6)
    np.testing.assert_allclose(view.features, np.concatenate([local, place], 1), atol=1e-4)


def test_places_in_a_common_pose_are_in_the_frame_of_the_category(
    generator: np.random.Generator,
) -> None:
    cloud = 30 * surface(generator, 300) + np.float32(9)
    inputs, chosen = small_inputs(pose="common"), np.arange(64)
    frame = Frame(np.float32([1, 2, 3]), 20.0)
    expected = (cloud[:64] - [1, 2, 3]) / 20
    np.testing.assert_allclose(inputs.view(cloud, chosen, frame).features, expected, atol=1e-5)
    alone = inputs.view(cloud, chosen)
    np.testing.assert_allclose(alone.features, alone.points, atol=1e-5)


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("pose", ["none", "principal", "common"])
def test_channels_say_how_many_features_there_are(
    local: bool, pose: str, generator: np.random.Generator
) -> None:
    inputs = small_inputs(local_geometry=local, pose=pose)
    for view in inputs.views(surface(generator, 100), 0)[1]:
        assert view.features.shape == (64, inputs.channels + 3 * (pose != "none"))
        assert view.features.dtype == np.float32
        assert np.isfinite(view.features).all()
    assert (inputs.channels > 0) == local


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_features_of_next_to_nothing_are_finite(size: int, generator: np.random.Generator) -> None:
    inputs = small_inputs(local_geometry=True, pose="principal")
    for cloud in (surface(generator, size), np.ones((size, 3), np.float32)):
        for view in inputs.views(cloud, 0)[1]:
            assert np.isfinite(view.features).all()
            assert np.isfinite(view.points).all()

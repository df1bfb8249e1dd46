import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry.local_shape import (
    local_shape_channels,
    local_shape_features,
    thin,
    uniform_cells,
)


def sphere(num: int, seed: int) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(num, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def blob(num: int, seed: int) -> np.ndarray:
    points = sphere(num, seed)
    waves = 0.25 * np.sin(3 * points[:, :1]) * np.cos(2 * points[:, 1:2] + 1)
    return points * (1 + waves) * np.array([1.0, 0.7, 1.3])


def column(features: np.ndarray, name: str) -> np.ndarray:
    return features[:, local_shape_channels().index(name)]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.permutations([0, 1, 2]), st.integers(-8, 8))
def test_quarter_turns_and_scale_change_nothing(seed: int, axes: list[int], power: int) -> None:
    # float32 holds these turns, mirrorings and scales exactly: nothing is lost on the way.
    for num in (1500, 13_000):
        points = blob(num, seed).astype(np.float32)
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], 3)
        moved = 2.0**power * signs * points[:, axes]
        before = local_shape_features(points, points[:200])
        after = local_shape_features(moved, moved[:200])
        np.testing.assert_allclose(before, after, atol=1e-6)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-2, 3), st.integers(0, 1))
def test_pose_and_scale_do_not_matter(seed: int, magnitude: float, large: int) -> None:
    points = blob((1500, 13_000)[large], seed)
    rotation = Rotation.random(random_state=seed % 2**31)
    moved = 10.0**magnitude * (rotation.apply(points) + np.array([0.3, -0.5, 0.2]))
    before = local_shape_features(points, points[:200])
    after = local_shape_features(moved, moved[:200])
    # Rounding to float32 decides which of two equally near neighbours belongs to a patch and where
    # a round patch's normal points: few places may differ.
    difference = np.abs(before - after).max(axis=1)
    assert np.median(difference) < 1e-5
    assert np.quantile(difference, 0.9) < 1e-4


def test_a_sphere_is_convex_smooth_and_centered() -> None:
    points = sphere(6000, 0)
    features = local_shape_features(points, points[:300])
    assert features.shape == (300, len(local_shape_channels()))
    assert features.dtype == np.float32
    for scale in range(3):
        assert (column(features, f"mean_curvature_{scale}") > 0).all()
        assert np.median(column(features, f"plane_offset_{scale}")) > 0
        assert column(features, f"roughness_{scale}").max() < 0.02
        # On a sphere both principal curvatures agree: |H| = 2 d and curvedness = sqrt(2) d.
        ratio = np.median(
            column(features, f"mean_curvature_{scale}") / column(features, f"curvedness_{scale}")
        )
        assert ratio == pytest.approx(np.sqrt(2), abs=0.08)
    assert np.median(column(features, "mean_offset_1_2")) > 0
    np.testing.assert_allclose(column(features, "centroid_distance"), 1, atol=0.05)
    assert column(features, "radial_cosine").min() > 0.97


def test_a_cylinder_bends_in_one_direction_only() -> None:
    generator = np.random.default_rng(3)
    angle, height = generator.uniform(0, 2 * np.pi, 8000), generator.uniform(-2, 2, 8000)
    points = np.stack([np.cos(angle), np.sin(angle), height], 1)
    features = local_shape_features(points, points[np.abs(height) < 1][:300])
    curvature, curvedness = column(features, "mean_curvature_2"), column(features, "curvedness_2")
    assert np.median(curvature / curvedness) == pytest.approx(1, abs=0.08)


def test_a_plane_is_flat_and_what_stands_out_of_it_shows() -> None:
    generator = np.random.default_rng(5)
    flat = np.concatenate([generator.uniform(-1, 1, (6000, 2)), np.ones((6000, 1))], 1)
    ceiling = flat * [1, 1, -3]  # puts the centroid below, so that "outward" is up
    points = np.concatenate([flat, ceiling])
    place = np.array([[0.1, 0.2, 1.0], [0.1, 0.2, 1.05], [0.1, 0.2, 0.95]])
    features = local_shape_features(points, place)
    for scale in range(3):
        assert abs(column(features, f"mean_curvature_{scale}")[0]) < 1e-3
        assert column(features, f"roughness_{scale}")[0] < 1e-4
        for name in (f"plane_offset_{scale}", f"quadric_offset_{scale}"):
            level, above, below = column(features, name)
            assert abs(level) < 1e-3
            assert above > 0.1
            assert below == pytest.approx(-above, rel=0.05)


def test_roughness_grows_with_noise() -> None:
    generator = np.random.default_rng(6)
    points = sphere(5000, 6)
    noisy = points * (1 + 0.01 * generator.normal(size=(5000, 1)))
    for scale in range(3):
        smooth = column(local_shape_features(points, points[:200]), f"roughness_{scale}")
        rough = column(local_shape_features(noisy, noisy[:200]), f"roughness_{scale}")
        assert np.median(rough) > 3 * np.median(smooth)


def test_ten_times_the_points_describe_the_same_surface() -> None:
    places = blob(200, 9)
    sparse = local_shape_features(blob(12_000, 7), places)
    dense = local_shape_features(blob(120_000, 8), places)
    for name in ("mean_curvature_0", "mean_curvature_2", "curvedness_2", "plane_offset_2"):
        assert np.corrcoef(column(sparse, name), column(dense, name))[0, 1] > 0.9


def test_the_same_cloud_always_has_the_same_features() -> None:
    points = blob(3000, 10)
    first = local_shape_features(points, points[:50])
    assert np.array_equal(first, local_shape_features(points, points[:50]))
    other = local_shape_features(points, points[:50], generator=np.random.default_rng(1))
    assert not np.array_equal(first, other)
    np.testing.assert_allclose(first[:, -2:], other[:, -2:], atol=0.05)


@pytest.mark.parametrize("num", [1, 2, 3, 5, 12])
def test_tiny_flat_and_duplicate_clouds_stay_finite(num: int) -> None:
    generator = np.random.default_rng(num)
    line = np.outer(np.arange(num), [1.0, 2, 3])
    for points in (generator.normal(size=(num, 3)), np.zeros((num, 3)), line):
        features = local_shape_features(points, points)
        assert features.shape == (num, len(local_shape_channels()))
        assert np.isfinite(features).all()


def test_scales_are_free_and_checked() -> None:
    points = blob(500, 11)
    features = local_shape_features(points, points[:7], ks=(20,))
    assert features.shape == (7, len(local_shape_channels(1)))
    assert local_shape_features(points, np.zeros((0, 3))).shape == (0, len(local_shape_channels()))
    assert len(set(local_shape_channels(4))) == len(local_shape_channels(4))
    with pytest.raises(ConfigurationError, match="ascending"):
        local_shape_features(points, points, ks=(48, 16))


def test_thinning_keeps_the_moments_of_all_points() -> None:
    generator = np.random.default_rng(12)
    points = generator.normal(size=(400, 3)).astype(np.float32)
    cells = thin(thin(uniform_cells(points), 90, generator), 11, generator)
    share = cells.counts / cells.counts.sum()
    assert cells.counts.sum() == 400
    mean = share @ cells.means
    np.testing.assert_allclose(mean, points.mean(0), atol=1e-6)
    offsets = cells.means - mean
    total = np.einsum("c,cij->ij", share, cells.covariances) + (share * offsets.T) @ offsets
    np.testing.assert_allclose(total, np.cov(points.T, bias=True), atol=1e-6)

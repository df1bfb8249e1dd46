import numpy as np
from scipy.spatial import cKDTree

from plane_anomalib.web.shown_cloud import ShownCloud, even_subset
from tests.support.shown import scored_sphere


def test_a_subset_stays_within_the_budget_and_is_not_wasteful() -> None:
    generator = np.random.default_rng()
    for num in (100, 1000, 5000):
        points = generator.uniform(size=(20_000, 3)).astype(np.float32)
        points[:, 2] = np.sin(points[:, 0] * 6)
        chosen = even_subset(points, num)
        assert 0.7 * num <= len(chosen) <= num
        assert (np.diff(chosen) > 0).all()


def test_a_subset_covers_sparse_regions_beside_dense_ones() -> None:
    generator = np.random.default_rng()
    points = generator.uniform(size=(20_000, 3)).astype(np.float32)
    points[19_000:, 0] += 2
    points[:, 2] = 0
    chosen = even_subset(points, 1000)
    # A random subset would keep about 50 of the sparse ones.
    assert (chosen >= 19_000).sum() > 200
    assert cKDTree(points[chosen]).query(points)[0].max() < 0.25


def test_coinciding_points_and_tiny_clouds_are_thinned_too() -> None:
    assert len(even_subset(np.zeros((500, 3), np.float32), 100)) <= 100
    assert even_subset(np.zeros((3, 3), np.float32), 100).tolist() == [0, 1, 2]


def test_the_same_file_is_always_thinned_to_the_same_points() -> None:
    cloud = scored_sphere(np.random.default_rng(), 3000)
    first, second = cloud.thinned(400), cloud.thinned(400)
    assert np.array_equal(first.points, second.points)
    assert first.num_points == 3000
    assert len(first.points) == len(first.scores) == len(first.truth) <= 400


def test_thinned_values_still_belong_to_their_points() -> None:
    cloud = scored_sphere(np.random.default_rng(), 3000)
    thin = cloud.thinned(400)
    original = cKDTree(cloud.points).query(thin.points)[1]
    assert np.array_equal(thin.scores, cloud.scores[original])
    assert np.array_equal(thin.truth, cloud.truth[original])


def test_normals_of_a_sphere_point_along_its_radii() -> None:
    cloud = scored_sphere(np.random.default_rng(), 3000)
    radial = (cloud.points - 5) / 3
    assert np.abs(np.sum(cloud.normals * radial, axis=1)).mean() > 0.99


def test_a_cloud_of_one_point_has_a_normal_and_a_spacing() -> None:
    cloud = ShownCloud(name="dot", points=np.zeros((1, 3), np.float32))
    assert cloud.normals.shape == (1, 3)
    assert cloud.spacing == 0.0

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plane_anomalib.core.cores import in_chunks
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry.neighbour_sets import OrderedCloud


def brute_force(cloud: OrderedCloud, row: int, k: int, radius: float) -> np.ndarray:
    """Nearest by float32 distance, then by position, cut at the radius; ascending positions."""
    gaps = cloud.points - cloud.points[row]
    squared = gaps[:, 0] ** 2 + gaps[:, 1] ** 2 + gaps[:, 2] ** 2
    nearest = np.lexsort((np.arange(len(squared)), squared))[:k]
    return np.sort(nearest[squared[nearest] < np.float32(radius) ** 2])


def check(points: np.ndarray, rows: np.ndarray, searches: list[tuple[int, float]]) -> None:
    cloud = OrderedCloud(points)
    np.testing.assert_array_equal(cloud.points, points[cloud.order])
    np.testing.assert_array_equal(cloud.order[cloud.rank], np.arange(len(points)))
    for (k, radius), found in zip(searches, cloud.nearest_sets(rows, *searches), strict=True):
        for row, members, size in zip(rows, found.members, found.sizes, strict=True):
            expected = brute_force(cloud, row, k, radius)
            assert size == len(expected)
            if (cloud.points[expected] == cloud.points[row]).all() and size == len(members):
                assert len(set(members.tolist())) == len(members)
                assert (cloud.points[members] == cloud.points[row]).all()
                continue
            np.testing.assert_array_equal(members[:size], expected)
            assert (members[size:] == row).all()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 400),
    st.integers(1, 60),
    st.sampled_from(["noise", "copies", "lattice", "line", "clusters"]),
    st.sampled_from([1, 2, 7, 50]),
    st.integers(0, 2**32 - 1),
)
def test_sets_are_the_nearest_points(num: int, k: int, kind: str, step: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(num, 3)).astype(np.float32)
    if kind == "copies":
        points = points[generator.integers(0, max(1, num // 5), num)]
    elif kind == "lattice":
        points = np.round(2 * points)
    elif kind == "line":
        points[:, 1:] = 0
    elif kind == "clusters":
        points = points * np.float32(1e-3) + generator.integers(0, 3, (num, 1)).astype(np.float32)
    check(points, np.arange(0, num, step), [(k, 1.0), (k, 0.3), (max(1, k // 3), 0.7)])


def test_a_large_cloud_has_the_same_sets_whoever_asks() -> None:
    generator = np.random.default_rng(0)
    points = generator.normal(size=(20_000, 3)).astype(np.float32)
    points[:, 2] *= 0.01
    cloud = OrderedCloud(points)
    everything = cloud.nearest_sets(np.arange(20_000), (100, 1.0))[0].members
    for rows in (np.arange(0, 20_000, 100), np.arange(5_000, 6_000)):
        found = cloud.nearest_sets(rows, (100, 1.0))[0]
        np.testing.assert_array_equal(found.members, everything[rows])
    check(points[:3000], np.arange(0, 3000, 41), [(100, 0.5), (100, 1.0), (30, 0.2)])


def test_equal_points_beyond_all_candidates_end() -> None:
    cloud = OrderedCloud(np.ones((30_000, 3)))
    found = cloud.nearest_sets(np.arange(30_000), (30, 1.0))[0]
    assert (found.sizes == 30).all()
    assert all(len(set(members)) == 30 for members in found.members[::900].tolist())


def test_chunks_cover_everything_once_and_pass_errors_on() -> None:
    seen = np.zeros(103, int)

    def count(part: slice) -> None:
        seen[part] += 1

    in_chunks(count, 103, 10)
    assert (seen == 1).all()

    def fail(part: slice) -> None:
        raise ValueError(part)

    with pytest.raises(ValueError, match="slice"):
        in_chunks(fail, 5, 2)


def test_impossible_searches_are_named() -> None:
    cloud = OrderedCloud(np.eye(3))
    with pytest.raises(ConfigurationError, match="must be positive"):
        cloud.nearest_sets(np.arange(3), (0, 1.0))
    with pytest.raises(ConfigurationError, match="must be positive"):
        cloud.nearest_sets(np.arange(3), (1, 1.0), (1, 0.0))

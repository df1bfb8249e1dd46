"""A shuffle that any listing of the same points agrees on."""

import numpy as np
import pytest

from plane_anomalib.geometry.canonical import shuffled_order


def test_any_permutation_of_a_cloud_gives_the_same_sequence_of_points() -> None:
    generator = np.random.default_rng()
    points = generator.normal(size=(5_000, 3)).astype(np.float32)
    points[::7] = points[3]
    permuted = points[generator.permutation(len(points))]
    first, second = points[shuffled_order(points, 3)], permuted[shuffled_order(permuted, 3)]
    np.testing.assert_array_equal(first, second)


def test_the_order_is_a_permutation_without_trend_and_depends_on_the_seed() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(20)] * 3), -1).reshape(-1, 3).astype(np.float32)
    order = shuffled_order(grid, 0)
    assert sorted(order) == list(range(len(grid)))
    assert abs(np.corrcoef(order, np.arange(len(grid)))[0, 1]) < 0.05
    assert np.abs(grid[order[:2000]].mean(0) - 9.5).max() < 0.6
    assert (shuffled_order(grid, 1) != order).mean() > 0.9


@pytest.mark.parametrize("first", [0, 1, 7, 100, 499, 500, 9999])
def test_the_first_are_those_of_the_whole_order_even_among_equal_points(first: int) -> None:
    points = np.random.default_rng().integers(0, 4, (500, 3)).astype(np.float32)
    np.testing.assert_array_equal(
        shuffled_order(points, 2, first=first), shuffled_order(points, 2)[:first]
    )

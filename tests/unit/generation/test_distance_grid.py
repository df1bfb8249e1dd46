"""The signed distance to a mesh: exact on faces, right about inside, honest about bad meshes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import trimesh

from plane_anomalib.core.errors import DatasetError
from plane_anomalib.generation.distance_grid import DistanceGrid, distance_grid
from tests.support.meshes import Array, ball, block, off_ball, off_block, off_ring, ring

RESOLUTION = 96
STEP = 1 / RESOLUTION


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng()


def grid_of(mesh: Any, generator: np.random.Generator) -> DistanceGrid:
    return distance_grid(mesh, RESOLUTION, generator)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "off", "facets"),
    [(ball, off_ball, 2e-4), (ring, off_ring, 3e-4)],
)
def test_curved_surfaces_are_right_to_a_few_ten_thousandths(
    make: Callable[[], Any],
    off: Callable[[Array], Array],
    facets: float,
    generator: np.random.Generator,
) -> None:
    grid = grid_of(make(), generator)
    points = generator.uniform(-0.58, 0.58, (200_000, 3))
    points = points[np.abs(points[:, 2]) < (0.2 if make is ring else 0.58)]
    truth, found = off(points), grid(points)

    near = np.abs(truth) < STEP
    assert np.abs(found - truth)[near].max() < facets + 2 * STEP**2
    # Deep inside, where the nearest face changes, the wider grid cuts the ridge off.
    assert np.abs(found - truth).max() < 4 * STEP
    assert np.array_equal(found[~near] < 0, truth[~near] < 0)


def test_flat_faces_are_exact_and_edges_are_rounded_by_less_than_half_a_step(
    generator: np.random.Generator,
) -> None:
    grid = grid_of(block(), generator)
    points = np.asarray(trimesh.sample.sample_surface(block(), 20_000, seed=1)[0])
    to_edge = np.sort(np.abs(np.array([1.0, 0.7, 0.5]) / 2 - np.abs(points)), axis=1)[:, 1]
    off = np.abs(grid(points))

    assert off[to_edge > 2 * STEP].max() < 1e-5
    assert off.max() < STEP / 2
    inward = np.abs(off_block(points * 0.9) - grid(points * 0.9))
    assert inward.max() < 2 * STEP


def test_it_never_changes_faster_than_the_distance_it_bounds(
    generator: np.random.Generator,
) -> None:
    grid = grid_of(block(), generator)
    first = generator.uniform(-0.9, 0.9, (100_000, 3))
    second = first + generator.normal(0, 0.003, first.shape)
    # Outside the grid it may fall back to a bound, which is lower.
    inside = (np.abs(np.stack([first, second])) < np.array([0.59, 0.44, 0.34])).all(axis=(0, 2))

    change = np.abs(grid(second) - grid(first))[inside]
    rate = change / np.linalg.norm(second - first, axis=1)[inside]
    assert np.quantile(rate, 0.99) < 1.1
    # At worst each axis changes by as much as the distance may.
    assert rate.max() < 2.0
    assert (grid(first) <= off_block(first) + 4 * STEP).all()


def test_a_cavity_is_outside(generator: np.random.Generator) -> None:
    hollow = trimesh.creation.icosphere(subdivisions=3, radius=0.15)
    hollow.invert()
    grid = grid_of(trimesh.util.concatenate([block(), hollow]), generator)

    values = grid(np.array([[0.1, 0, 0], [0.0, 0, 0.2], [0.4, 0, 0], [0.55, 0, 0]]))

    assert (np.sign(values) == [1, -1, -1, 1]).all()
    assert values[0] == pytest.approx(0.05, abs=0.005)


def test_parts_that_overlap_are_refused_with_what_to_do(generator: np.random.Generator) -> None:
    aside = block()
    aside.apply_translation([0.3, 0.2, 0.1])

    with pytest.raises(DatasetError, match="unite them into one solid"):
        grid_of(trimesh.util.concatenate([block(), aside]), generator)

"""Nominal objects: complete, of unit extent, and sampled uniformly by area."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.stats import chisquare, kstest

from plane_anomalib.generation.shapes.fields import ball, box, cut, moved, polygon, turned
from plane_anomalib.generation.shapes.nominal_objects import NOMINAL_OBJECTS, REACH
from plane_anomalib.generation.surfaces import Surface


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng()


@pytest.mark.slow
@pytest.mark.parametrize("name", NOMINAL_OBJECTS)
def test_every_family_is_finite_centered_and_one_wide(
    name: str, generator: np.random.Generator
) -> None:
    points, labels = (surface := Surface(NOMINAL_OBJECTS[name](), REACH, generator)).sample(
        3000, generator
    )

    assert np.isfinite(points).all()
    assert not labels.any()
    low, high = points.min(axis=0), points.max(axis=0)
    assert (high - low).max() == pytest.approx(1.0, abs=0.02)
    assert np.abs(low + high).max() < 0.03
    assert len(points) == pytest.approx(3000 * surface.area, rel=0.15)
    # Closed: no lone points, and a step outward leaves the material everywhere.
    assert cKDTree(points).query(points, k=2)[0][:, 1].max() < 0.15
    assert np.abs(surface.field(points)).max() < 1e-3
    outward = surface.samples.points + 0.004 * surface.samples.normals
    assert np.mean(surface.field(outward) > 0) > 0.97


def test_at_least_twelve_families_with_official_looking_names() -> None:
    assert len(NOMINAL_OBJECTS) >= 12
    assert all(name[-1].isdigit() and name[:-1].isalpha() for name in NOMINAL_OBJECTS)


def test_points_on_a_ball_are_uniform_by_area(generator: np.random.Generator) -> None:
    surface = Surface(ball(0.8), 1.0, generator)

    points, _ = surface.sample(6000, generator)

    assert surface.area == pytest.approx(np.pi, rel=0.04)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 0.5, atol=2e-3)
    # Archimedes: on a sphere every coordinate is uniform.
    for axis in range(3):
        assert kstest(points[:, axis], "uniform", args=(-0.5, 1.0)).pvalue > 1e-6


def test_faces_of_a_box_get_points_by_their_area(generator: np.random.Generator) -> None:
    half = np.array([0.9, 0.5, 0.3])
    surface = Surface(box(half), 1.0, generator)

    points, _ = surface.sample(5000, generator)

    face = np.argmin(np.abs(np.abs(points) - half / 1.8), axis=1)
    areas = half.prod() / half
    counts = np.bincount(face, minlength=3)
    assert chisquare(counts, counts.sum() * areas / areas.sum()).pvalue > 1e-6


def test_points_come_in_random_order(generator: np.random.Generator) -> None:
    points, _ = Surface(ball(0.8), 1.0, generator).sample(4000, generator)

    step = np.linalg.norm(np.diff(points, axis=0), axis=1).mean()

    # The mean distance of two random points of a sphere is 4/3 of its radius.
    assert step == pytest.approx(2 / 3, rel=0.05)


def test_polygon_distance_agrees_with_a_dense_outline(generator: np.random.Generator) -> None:
    corners = np.array([(0.0, 0.0), (1.0, 0.1), (0.6, 0.5), (0.9, 1.0), (0.1, 0.8)])
    after = np.roll(corners, -1, axis=0)
    t = np.linspace(0, 1, 4000)[:, None, None]
    outline = (corners + t * (after - corners)).reshape(-1, 2)
    points = generator.uniform(-0.5, 1.5, (500, 2))

    signed = polygon(corners)(points)

    np.testing.assert_allclose(np.abs(signed), cKDTree(outline).query(points)[0], atol=1e-3)
    assert (
        polygon(corners)(np.array([[0.4, 0.4]]))[0] < 0 < polygon(corners)(np.array([[2.0, 2]]))[0]
    )


def test_cutting_turning_and_moving_do_what_they_say() -> None:
    plate = cut(box([1.0, 0.5, 0.1]), moved(ball(0.3), [0.5, 0, 0]))
    upright = turned(plate, axis=1, degrees=-90.0)

    assert plate(np.array([[0.5, 0.0, 0.0]]))[0] == pytest.approx(0.3)
    assert plate(np.array([[-0.5, 0.0, 0.0]]))[0] < 0
    # Turning about y by -90 degrees carries x to z.
    assert upright(np.array([[0.0, 0.0, 0.5]]))[0] == pytest.approx(0.3)
    assert upright(np.array([[0.0, 0.0, -0.5]]))[0] < 0

"""Each solid against an oracle: areas by formula, hidden surface by brute force."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.generation.shapes.combinations import Difference, Placed, Repeat, Union
from plane_anomalib.generation.shapes.construction import (
    ball,
    box,
    cylinder,
    lathe,
    lifted,
    pipe,
    rod,
    stretched,
    torus,
    twisted,
    vessel,
)
from plane_anomalib.generation.shapes.outlines import circle, gear, rectangle, star
from plane_anomalib.generation.shapes.solids import Box, Convex, Ellipsoid, Solid, superquadric
from plane_anomalib.generation.shapes.sweeps import Extrusion, Tube

CUBE = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
RNG = np.random.default_rng
LINE = np.stack([0 * np.arange(30.0), 0 * np.arange(30.0), np.linspace(0, 2, 30)], axis=1)
FLAT_RING = np.column_stack([circle(1.0, count=120), np.zeros(120)])

EXACT: dict[str, tuple[Callable[[], Solid], float]] = {
    "box": (lambda: Box((1, 2, 3)), 22.0),
    "ball": (lambda: Ellipsoid((2, 2, 2)), 16 * np.pi),
    "rounded box that is a ball": (lambda: Box((2, 2, 2), 1.0), 4 * np.pi),
    "cylinder": (lambda: cylinder(1, 3), 8 * np.pi),
    "cone": (lambda: lathe([(1.0, 0.0), (0.0, 1.0)]), np.pi * (1 + 2**0.5)),
    "pipe": (lambda: pipe(2, 1, 0, 1), 2 * np.pi * 3 + 2 * np.pi * 3),
    "plate with a hole": (
        lambda: Extrusion(rectangle(4, 2), 1, [rectangle(1, 1)]),
        2 * 7 + 12 + 4,
    ),
    "cube as hull": (lambda: Convex(CUBE), 24.0),
    "straight tube": (lambda: Tube(LINE, 0.5), 2 * np.pi * 0.5 * 2 + 2 * np.pi * 0.25),
    "torus as tube": (lambda: Tube(FLAT_RING, 0.25, closed=True), np.pi**2),
    "scaled box": (lambda: Placed(Box((1, 1, 1)), scale=3.0), 54.0),
    "three boxes": (lambda: Repeat(Box((1, 1, 1)), [(0, 0, 0), (2, 0, 0), (4, 0, 0)]), 18.0),
}


@pytest.mark.parametrize("name", EXACT)
def test_areas_are_those_of_the_formulas(name: str) -> None:
    make, area = EXACT[name]
    assert make().area == pytest.approx(area, rel=5e-3)


@pytest.mark.parametrize("name", EXACT)
def test_a_density_gives_that_many_points_per_area(name: str) -> None:
    make, area = EXACT[name]
    found = len(make().scatter(RNG(0), 4000 / area)[0])
    assert found == pytest.approx(4000, rel=0.04)


def test_each_face_of_a_box_gets_its_share() -> None:
    _, normals = Box((1, 2, 3)).sample(RNG(0), 22_000)
    shares = [(np.abs(normals[:, axis]) == 1).mean() for axis in range(3)]
    assert np.allclose(shares, [12 / 22, 6 / 22, 4 / 22], atol=0.015)


@pytest.mark.parametrize(
    "solid",
    [
        Ellipsoid((1.0, 1.0, 1.0)),
        superquadric((1.0, 1.0, 1.0)),
        stretched(Ellipsoid((2.0, 0.5, 1.0)), (0.5, 2.0, 1.0), RNG(0)),
    ],
    ids=["rejection", "grid", "warped"],
)
def test_every_way_to_a_sphere_is_uniform(solid: Solid) -> None:
    points, normals = solid.sample(RNG(1), 20_000)
    assert np.allclose(np.linalg.norm(points, axis=1), 1, atol=1e-6)
    assert np.allclose(normals, points, atol=2e-4)
    # Archimedes: slabs of equal height hold equal area, whatever their direction.
    for direction in (*np.eye(3), np.ones(3) / 3**0.5):
        counts = np.histogram(points @ direction, bins=8, range=(-1, 1))[0]
        assert np.allclose(counts / 2500, 1, atol=0.09)


def test_a_disc_is_as_dense_in_the_middle_as_at_its_edge() -> None:
    for solid in (cylinder(1, 0.01), Tube(LINE / 200, 1.0), Extrusion(circle(1.0), 0.01)):
        points = solid.sample(RNG(0), 20_000)[0]
        radius = np.hypot(points[:, 0], points[:, 1])
        assert (radius < 0.5).mean() == pytest.approx(0.25 / 1.01, abs=0.015)


SMOOTH: dict[str, Callable[[], Solid]] = {
    "torus": lambda: torus(1.0, 0.3),
    "rounded box": lambda: Box((1, 0.6, 0.4), 0.1),
    "ellipsoid": lambda: Ellipsoid((1.0, 0.2, 0.5)),
    "superquadric": lambda: superquadric((1.0, 0.4, 0.7), 5.0, 1.3),
    "gear": lambda: Extrusion(gear(17, 1.0, 0.8), 0.3, [circle(0.2)]),
    "star": lambda: Extrusion(star(5, 1.0, 0.4), 0.3),
    "vessel": lambda: vessel([0, 0.1, 0.6, 1], [0.3, 0.4, 0.5, 0.2], 0.04),
    "straight tapered tube": lambda: Tube(LINE, np.linspace(0.5, 0.1, 30), rounded=True),
    "boxy tube": lambda: Tube(LINE, 0.5, 0.2, power=8.0, up=(1, 0, 0)),
    "tapered rod": lambda: rod((0, 0, 0), (1, 2, 3), 0.4, 0.1),
    "twisted bar": lambda: twisted(Extrusion(star(4, 1.0, 0.7), 2.0), 1.0, RNG(0)),
    "lifted plate": lambda: lifted(
        Extrusion(rectangle(2, 2), 0.2), lambda x, y: 0.3 * x * y, RNG(0)
    ),
    "turned box": lambda: Placed(Box((1, 2, 3)), Rotation.from_rotvec((1, 2, 3)).as_matrix()),
    "union": lambda: Union([ball(1.0), box((3, 0.5, 0.5))]),
    "difference": lambda: Difference(Box((2, 2, 2)), [ball(1.2)]),
    "union of differences": lambda: Union(
        [Difference(Box((2, 2, 2)), [cylinder(0.5, 3)]), box((0.4, 5, 0.4))]
    ),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_points_are_on_the_surface_and_normals_lead_out(name: str) -> None:
    solid = SMOOTH[name]()
    points, normals = solid.sample(RNG(0), 3000)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1)
    step = 1e-4
    # Sharp edges within a step of a point may tell otherwise.
    assert solid.inside(points - step * normals).mean() > 0.998
    assert (~solid.inside(points + step * normals)).mean() > 0.998
    assert (points >= solid.low - 1e-9).all()
    assert (points <= solid.high + 1e-9).all()


def test_inside_of_a_bent_tube_is_the_distance_to_its_middle() -> None:
    solid = Tube(FLAT_RING, 0.25, closed=True)
    points = RNG(0).uniform(-1.5, 1.5, (4000, 3))
    distance = np.hypot(np.hypot(points[:, 0], points[:, 1]) - 1, points[:, 2])
    clear = np.abs(distance - 0.25) > 2e-3
    assert np.array_equal(solid.inside(points)[clear], distance[clear] < 0.25)


def test_inside_of_a_polygon_with_a_hole_is_the_winding_rule() -> None:
    outline, hole = star(7, 1.0, 0.5, 0.1), rectangle(0.3, 0.4, (0.05, 0.0))
    solid = Extrusion(outline, 2.0, [hole])
    points = RNG(0).uniform(-1, 1, (3000, 3))

    def winds(loop: np.ndarray) -> np.ndarray:
        arms = loop[None] - points[:, None, :2]
        angle = np.arctan2(arms[..., 1], arms[..., 0])
        step = np.diff(np.concatenate([angle, angle[:, :1]], axis=1), axis=1)
        return np.abs(((step + np.pi) % (2 * np.pi) - np.pi).sum(axis=1)) > 1

    assert np.array_equal(solid.inside(points), winds(outline) & ~winds(hole))


def test_a_union_keeps_exactly_the_surface_outside_the_other_part() -> None:
    solid = Union([ball(1.0), ball(1.0, (1.0, 0, 0))])
    points, _ = solid.scatter(RNG(0), 1000.0)
    to_first = np.linalg.norm(points, axis=1)
    to_second = np.linalg.norm(points - (1, 0, 0), axis=1)
    assert (np.minimum(to_first, to_second) > 1 - 1e-9).all()
    # Each ball loses the cap beyond the middle plane: height 1/2, a quarter of its area.
    assert len(points) == pytest.approx(1000 * 2 * 4 * np.pi * 0.75, rel=0.02)


def test_a_difference_has_the_wall_of_its_tool_turned_inwards() -> None:
    solid = Difference(Box((2, 2, 2)), [cylinder(0.5, 4)])
    points, normals = solid.scatter(RNG(0), 1000.0)
    radius = np.hypot(points[:, 0], points[:, 1])
    bore = np.abs(radius - 0.5) < 1e-6
    assert bore.sum() == pytest.approx(1000 * 2 * np.pi * 0.5 * 2, rel=0.03)
    inward = np.einsum("ni,ni->n", normals[bore, :2], points[bore, :2])
    assert np.allclose(inward, -0.5, atol=1e-6)
    assert (radius > 0.5 - 1e-6).all()
    assert len(points) - bore.sum() == pytest.approx(1000 * (24 - 2 * np.pi * 0.25), rel=0.02)


def test_two_tools_that_meet_hide_each_other() -> None:
    body = Box((4, 4, 4))
    solid = Difference(body, [ball(1.0), ball(1.0, (1.0, 0, 0))])
    points, _ = solid.scatter(RNG(0), 300.0)
    hollow = points[np.abs(points).max(axis=1) < 1.999]
    assert len(hollow) == pytest.approx(300 * 2 * 4 * np.pi * 0.75, rel=0.03)


def test_a_combination_is_as_dense_on_all_its_parts() -> None:
    solid = Union([Difference(Box((2, 2, 2)), [cylinder(0.5, 4)]), box((1, 1, 1), (5, 0, 0))])
    points, _ = solid.sample(RNG(0), 20_000)
    area = 24 - 2 * np.pi * 0.25 + 2 * np.pi * 0.5 * 2
    assert (points[:, 0] > 3).mean() == pytest.approx(6 / (area + 6), abs=0.01)


def test_turned_copies_lie_where_their_matrices_put_them() -> None:
    turns = Rotation.from_euler("z", [[0], [120], [240]], degrees=True).as_matrix()
    bar = box((1.0, 0.1, 0.1), (1.0, 0, 0))
    copies = Repeat(bar, np.zeros((3, 3)), turns)
    placed = [Placed(bar, turn) for turn in turns]
    probes = RNG(0).uniform(-1.6, 1.6, (4000, 3)) * (1, 1, 0.05)
    assert np.array_equal(copies.inside(probes), np.any([p.inside(probes) for p in placed], axis=0))
    points, _ = copies.sample(RNG(1), 900)
    sector = np.round(np.degrees(np.arctan2(points[:, 1], points[:, 0])) / 120) % 3
    assert np.allclose(np.bincount(sector.astype(int)), 300, atol=70)


def test_a_solid_whose_surface_is_hidden_is_refused_at_once() -> None:
    hidden = Difference(Box((1, 1, 1)), [Box((2, 2, 2))])
    with pytest.raises(ConfigurationError, match="nearly all hidden"):
        hidden.sample(RNG(0), 100)

"""Defects: labels tell the truth about the nominal surface, and density gives nothing away."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from plane_anomalib.generation.defects.field_defects import FIELD_DEFECTS, plan_defect
from plane_anomalib.generation.defects.field_placement import MOVED
from plane_anomalib.generation.shapes.fields import ball, tube_along
from plane_anomalib.generation.shapes.nominal_objects import NOMINAL_OBJECTS, REACH
from plane_anomalib.generation.surfaces import Surface

CUTS = {"hole", "broken"}


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng()


@pytest.fixture(scope="module")
def sphere() -> Surface:
    """A ball of radius one half, for which distances to the nominal surface are plain."""
    return Surface(ball(0.7), 1.0, np.random.default_rng())


@pytest.mark.parametrize("kind", FIELD_DEFECTS)
def test_on_a_ball_exactly_the_labelled_points_moved_or_border_a_gap(
    kind: str, sphere: Surface, generator: np.random.Generator
) -> None:
    points, labels = sphere.sample(10_000, generator, plan_defect(kind, sphere, generator))
    off = np.abs(np.linalg.norm(points, axis=1) - 0.5)

    assert labels.any()
    assert off[~labels].max() < MOVED + 2e-3
    moved = off > MOVED - 2e-3
    if kind in CUTS:
        # A rim point lies next to a face that only missing material can have laid open.
        face = cKDTree(points[off > MOVED])
        assert np.quantile(face.query(points[labels])[0], 0.99) < 0.05
        assert np.mean(moved[labels]) > 0.2
    elif kind == "bend":
        assert np.mean(moved[labels]) > 0.4
    else:
        assert moved[labels].all()


@pytest.mark.parametrize("kind", ["bulge", "concavity", "scratch", "crack"])
def test_displacements_go_the_way_the_name_says_and_can_be_seen(
    kind: str, sphere: Surface, generator: np.random.Generator
) -> None:
    points, labels = sphere.sample(20_000, generator, plan_defect(kind, sphere, generator))
    height = np.linalg.norm(points[labels], axis=1) - 0.5

    assert (height > 0).all() if kind == "bulge" else (height < 0).all()
    least, most = {"scratch": (0.004, 0.03), "crack": (0.008, 0.05)}.get(kind, (0.015, 0.07))
    assert least < np.abs(height).max() < most


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bulge", "concavity", "bend"])
def test_defects_are_as_dense_as_the_rest(
    kind: str, sphere: Surface, generator: np.random.Generator
) -> None:
    # Edges would change the spacing too; a rounded bar has an end to bend and none of them.
    bar = Surface(tube_along(np.linspace([-1.0, 0, 0], [1.0, 0, 0], 2000), 0.25), 1.3, generator)
    surface = bar if kind == "bend" else sphere
    spacing: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(5):
        points, labels = surface.sample(8_000, generator, plan_defect(kind, surface, generator))
        sixth = cKDTree(points).query(points, k=7)[0][:, 6]
        for state in (True, False):
            spacing[state].extend(sixth[labels == state])

    # Spacing goes with the square root of density: 6 % here are 12 % of density.
    assert np.median(spacing[True]) == pytest.approx(np.median(spacing[False]), rel=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cup0", "gear0", "wrench0"])
def test_on_real_shapes_unlabelled_points_stay_on_the_nominal_surface(
    name: str, generator: np.random.Generator
) -> None:
    surface = Surface(NOMINAL_OBJECTS[name](), REACH, generator)
    nominal = cKDTree(surface.sample(250_000 / surface.area, generator)[0])
    # Spacing of the reference: an intact point may be that far from its nearest neighbour.
    reach = 4.0 * np.sqrt(surface.area / 250_000)

    for kind in FIELD_DEFECTS:
        # One crack in some hundred hardly cuts the surface; whoever makes data draws again, too.
        for _ in range(3):
            defect = plan_defect(kind, surface, generator)
            # A cut labels some thousandth of the points: fewer than these tell no share.
            points, labels = surface.sample(20_000 / surface.area, generator, defect)
            if labels.any():
                break
        off = nominal.query(points)[0]
        assert off[~labels].max() < MOVED + reach, kind
        # A dented wall's far side may land where the near side was, a rim stays where it is.
        assert labels.any(), kind
        assert np.mean(off[labels] > MOVED - 5e-4) > (0.1 if kind in CUTS else 0.5), kind


def test_a_hole_leaves_nominal_places_without_points(
    sphere: Surface, generator: np.random.Generator
) -> None:
    points, labels = sphere.sample(30_000, generator, plan_defect("hole", sphere, generator))
    full, _ = sphere.sample(30_000, generator)

    lonely = full[cKDTree(points).query(full)[0] > 0.02]

    assert len(lonely) > 10
    assert cKDTree(points[labels]).query(lonely)[0].max() < 0.2


def test_bending_moves_one_piece_and_keeps_the_amount_of_surface(
    generator: np.random.Generator,
) -> None:
    surface = Surface(NOMINAL_OBJECTS["stool0"](), REACH, generator)

    points, labels = surface.sample(20_000, generator, plan_defect("bend", surface, generator))

    assert 0.005 < labels.mean() < 0.25  # of 80 objects 0.02 to 0.04, one 0.09
    assert len(points) == pytest.approx(20_000 * surface.area, rel=0.08)
    piece = points[labels]
    to_next = cKDTree(piece).query(piece, k=2)[0][:, 1]
    assert np.quantile(to_next, 0.99) < 0.03

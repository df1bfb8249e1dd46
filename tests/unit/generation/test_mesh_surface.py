"""Clouds of a mesh: on it where intact, labelled where a defect moved or bared the surface."""

from collections.abc import Callable

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from plane_anomalib.core.errors import DatasetError
from plane_anomalib.generation.closed_mesh import MeshSurface
from plane_anomalib.generation.defects.field_defects import FIELD_DEFECTS, plan_defect
from plane_anomalib.generation.defects.field_placement import MOVED
from tests.support.meshes import Array, ball, block, closed, off_ball, off_block

CUTS = {"hole", "broken"}
RESOLUTION = 128


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng()


@pytest.fixture(scope="module")
def a_block() -> MeshSurface:
    return MeshSurface(closed(block()), RESOLUTION, np.random.default_rng())


@pytest.fixture(scope="module")
def a_ball() -> MeshSurface:
    return MeshSurface(closed(ball()), RESOLUTION, np.random.default_rng())


@pytest.mark.slow
def test_a_good_cloud_lies_on_the_triangles_and_is_uniform_by_area(
    a_block: MeshSurface, generator: np.random.Generator
) -> None:
    points, labels = a_block.sample(4000, generator)

    assert not labels.any()
    assert np.abs(off_block(points)).max() < 1e-9
    assert len(points) == pytest.approx(4000 * 2 * (0.7 + 0.5 + 0.35), rel=0.05)
    top = np.mean(points[:, 2] > 0.25 - 1e-9)
    assert top == pytest.approx(0.7 / 3.1, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FIELD_DEFECTS)
@pytest.mark.parametrize(
    ("name", "off", "rounding"),
    # The grid rounds the block's edges by up to half a step; the ball has facets of 0.0002.
    [("a_block", off_block, 0.5 / RESOLUTION), ("a_ball", off_ball, 5e-4)],
)
def test_only_labelled_points_differ_from_a_good_cloud(
    kind: str,
    name: str,
    off: Callable[[Array], Array],
    rounding: float,
    generator: np.random.Generator,
    request: pytest.FixtureRequest,
) -> None:
    surface: MeshSurface = request.getfixturevalue(name)
    patch = plan_defect(kind, surface, generator)
    points, labels = surface.sample(6000, generator, patch)
    away = np.abs(off(points))

    assert labels.any()
    assert labels.mean() < 0.2
    assert away[~labels].max() < MOVED + rounding
    # What is missing of the good surface, a labelled point is near: a rim, or the moved piece.
    good = surface.sample(6000, generator)[0]
    lonely = good[cKDTree(points).query(good)[0] > 0.06]
    if len(lonely):
        assert cKDTree(points[labels]).query(lonely)[0].max() < 0.3
    if kind not in CUTS and kind != "bend":
        assert away[labels].min() > MOVED - rounding


def test_away_from_the_defect_points_stay_on_the_triangles_right_up_to_sharp_edges(
    a_block: MeshSurface, generator: np.random.Generator
) -> None:
    corner = np.array([0.5, 0.35, 0.25])
    patch = plan_defect("broken", a_block, generator)
    points, labels = a_block.sample(20_000, generator, patch)

    # The box of the patch holds edges that are intact; the grid alone would round them.
    exact = np.abs(off_block(points[~labels])) < 1e-9
    assert exact.mean() > 0.999
    inside = ((points > patch.low) & (points < patch.high)).all(axis=1)
    assert inside.any()
    assert np.abs(points).max(axis=0) == pytest.approx(corner, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bulge", "concavity"])
def test_the_border_of_a_defect_is_as_dense_as_the_rest(
    kind: str, a_ball: MeshSurface, generator: np.random.Generator
) -> None:
    spacing: dict[str, list[float]] = {"on": [], "beside": [], "far": []}
    for _ in range(5):
        points, labels = a_ball.sample(8000, generator, plan_defect(kind, a_ball, generator))
        sixth = cKDTree(points).query(points, k=7)[0][:, 6]
        to_defect = cKDTree(points[labels]).query(points)[0]
        spacing["on"].extend(sixth[labels])
        spacing["beside"].extend(sixth[~labels & (to_defect < 0.04)])
        spacing["far"].extend(sixth[to_defect > 0.1])

    usual = np.median(spacing["far"])
    assert np.median(spacing["on"]) == pytest.approx(usual, rel=0.06)
    assert np.median(spacing["beside"]) == pytest.approx(usual, rel=0.08)


def test_a_sheet_thinner_than_the_grid_can_tell_is_refused_by_name(
    generator: np.random.Generator,
) -> None:
    sheet = trimesh.creation.box(extents=[1.0, 0.8, 0.004])

    with pytest.raises(DatasetError, match=r"made\.stl has walls or ridges thinner"):
        MeshSurface(closed(sheet), 64, generator)

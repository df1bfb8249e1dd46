"""Which good scan a cloud is nearest to, in any pose, and on which side of its surface it lies."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from plane_anomalib.geometry.normals import surface_side_normals
from plane_anomalib.inspection.comparison import GoodScans

Cloud = NDArray[np.float32]


def tray(width: float = 2.0) -> trimesh.Trimesh:
    """A tray with a thick bottom, no side like another."""
    solid = trimesh.creation.box((width, 1.2, 0.5))
    hole = trimesh.creation.box((width - 0.5, 0.7, 0.5))
    hole.apply_translation((0.05, 0.1, 0.25))
    grid = [*solid.split(), *hole.split()]
    hole.invert()
    return trimesh.util.concatenate(grid)


def scan(mesh: trimesh.Trimesh, seed: int, count: int = 6_000) -> Cloud:
    return np.asarray(trimesh.sample.sample_surface(mesh, count, seed=seed)[0], np.float32)


@pytest.mark.slow
def test_the_nearest_of_several_specimens_is_found_in_any_pose() -> None:
    widths = {"narrow": 1.9, "middle": 2.0, "wide": 2.1}
    good = GoodScans({name: scan(tray(width), 1) for name, width in widths.items()})
    turn = Rotation.random(random_state=np.random.RandomState(3)).as_matrix()
    for seed, (name, width) in enumerate(widths.items()):
        cloud = (scan(tray(width), 10 + seed) @ turn.T + [4, -1, 2]).astype(np.float32)
        nearest = good.nearest(cloud)
        assert nearest is not None
        assert nearest.name == name
        assert nearest.against.usual < 0.01
        # The good scan was laid onto the cloud, not the other way round.
        assert nearest.points.mean(0) == pytest.approx(cloud.mean(0), abs=0.03)


def test_heights_are_signed_distances_on_the_side_of_the_material() -> None:
    ball = trimesh.creation.icosphere(4, radius=1.0)
    cloud = scan(ball, 2)
    bump, dent = cloud[:, 2] > 0.95, cloud[:, 2] < -0.95
    moved = cloud * np.where(bump, 1.05, np.where(dent, 0.96, 1.0)).astype(np.float32)[:, None]
    nearest = GoodScans({"ball": scan(ball, 1)}, common_pose=True).nearest(moved)
    assert nearest is not None
    assert np.median(nearest.against.heights[bump]) == pytest.approx(0.05, abs=0.01)
    assert np.median(nearest.against.heights[dent]) == pytest.approx(-0.04, abs=0.01)
    assert nearest.against.usual < 0.01


@pytest.mark.slow
def test_a_cloud_of_another_part_has_no_nearest_scan() -> None:
    good = GoodScans({"ball": scan(trimesh.creation.icosphere(3), 1, 2_000)})
    rod = scan(trimesh.creation.box((4, 0.2, 0.2)), 1, 2_000)
    assert good.nearest(rod) is None
    assert GoodScans({}).nearest(rod) is None


@pytest.mark.parametrize("count", [12_000, 20_000])
def test_normals_look_out_of_the_material_inside_a_cup_too(count: int) -> None:
    profile = np.array([[0, 0], [1, 0], [1, 2], [0.85, 2], [0.85, 0.15], [0, 0.15]])
    cup = trimesh.creation.revolve(profile, sections=96)
    points, faces = trimesh.sample.sample_surface(cup, count, seed=4)
    normals = surface_side_normals(points.astype(np.float32))
    right = np.einsum("ni,ni->n", normals, cup.face_normals[faces]) > 0
    assert right.mean() > 0.99

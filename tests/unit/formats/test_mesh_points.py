"""What a mesh is taken for: a scan's vertices, or a model's surface without what lies inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from plane_anomalib.formats.io import read_points
from plane_anomalib.formats.writer import write_points


def range_image(jump: float = 20.0) -> trimesh.Trimesh:
    """A grid with a tall box on it: over its edges faces join what lies far apart."""
    x, y = np.meshgrid(np.arange(-30, 30, 0.8), np.arange(-20, 20, 0.8))
    z = 0.05 * np.random.default_rng(0).normal(size=x.shape)
    z += jump * ((np.abs(x) < 8) & (np.abs(y) < 6))
    rows, columns = x.shape
    corner = np.arange(rows * columns).reshape(rows, columns)
    square = np.stack([corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]], -1)
    square = square.reshape(-1, 4)
    faces = np.concatenate([square[:, [0, 1, 2]], square[:, [0, 2, 3]]])
    points = np.stack([x, y, z], -1).reshape(-1, 3).astype(np.float32)
    return trimesh.Trimesh(points, faces, process=False)


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".off", ".stl"])
def test_a_scan_saved_as_a_mesh_is_its_points(suffix: str, tmp_path: Path) -> None:
    mesh = range_image()
    mesh.export(tmp_path / f"mesh{suffix}")
    write_points(tmp_path / "points.xyz", np.asarray(mesh.vertices, np.float32))
    read = read_points(tmp_path / f"mesh{suffix}")
    points = read_points(tmp_path / "points.xyz").points
    order, expected = np.lexsort(read.points.T), np.lexsort(points.T)
    np.testing.assert_allclose(read.points[order], points[expected], atol=1e-4)
    assert not read.sampled
    assert f"its {len(points):,} vertices were taken" in read.notes[0]


@pytest.mark.parametrize(
    "mesh",
    [
        trimesh.creation.icosphere(4, 30),
        trimesh.creation.torus(30, 10, 80, 40),
        trimesh.creation.box((40, 30, 20)).subdivide().subdivide().subdivide().subdivide(),
    ],
    ids=["ball", "ring", "box"],
)
def test_even_meshes_of_many_corners_are_taken_for_scans(
    mesh: trimesh.Trimesh, tmp_path: Path
) -> None:
    mesh.export(tmp_path / "a.ply")
    assert len(read_points(tmp_path / "a.ply").points) == len(mesh.vertices)


@pytest.mark.parametrize(
    "mesh",
    [
        trimesh.creation.box((100, 60, 8)),
        trimesh.creation.cylinder(9, 40, sections=600),
        trimesh.creation.annulus(8, 20, 10, sections=400),
        trimesh.creation.capsule(60, 3, count=[64, 64]),
    ],
    ids=["box", "cylinder", "ring", "pin"],
)
def test_a_modellers_mesh_is_sampled_over_all_of_its_surface(
    mesh: trimesh.Trimesh, tmp_path: Path
) -> None:
    mesh.export(tmp_path / "a.ply")
    read = read_points(tmp_path / "a.ply", num_samples=4_000)
    assert (read.sampled, len(read.points)) == (True, 4_000)
    assert read.notes == ("4,000 points were drawn from the surface of a mesh.",)


@pytest.mark.parametrize("suffix", [".ply", ".stl"])
def test_faces_inside_of_other_bodies_are_left_out(suffix: str, tmp_path: Path) -> None:
    plate = trimesh.creation.box((100, 60, 8))
    boss = trimesh.creation.cylinder(12, 30).apply_translation((10, 5, 8))
    trimesh.util.concatenate([plate, boss]).export(tmp_path / f"a{suffix}")
    read = read_points(tmp_path / f"a{suffix}", num_samples=6_000)
    x, y, z = (read.points - np.array([10, 5, 0])).T
    beyond = 1e-3
    in_boss = (np.hypot(x, y) < 12 * np.cos(np.pi / 32) - beyond) & (z > -7) & (z < 23 - beyond)
    on_plate = np.abs(np.abs(z) - 4) < beyond
    in_plate = np.abs(z) < 4 - beyond
    assert not (in_boss & on_plate).any()
    assert not (in_plate & (np.hypot(x, y) < 12 + beyond)).any()
    assert len(read.points) == 6_000
    assert "lie inside of its other bodies and were left out" in read.notes[0]


def test_bodies_apart_and_walls_of_one_body_keep_all_of_their_surface(tmp_path: Path) -> None:
    tube = trimesh.creation.annulus(8, 10, 60)
    box = trimesh.creation.box((10, 10, 10)).apply_translation((40, 0, 0))
    trimesh.util.concatenate([tube, box]).export(tmp_path / "a.ply")
    read = read_points(tmp_path / "a.ply", num_samples=4_000)
    inner = np.hypot(*read.points[:, :2].T) < 8.5
    share = 2 * np.pi * 8 * 60 / (tube.area + box.area)
    assert inner.mean() == pytest.approx(share, abs=0.03)
    assert "inside" not in read.notes[0]


@pytest.mark.parametrize("fill", [(0.0, 0.0, 0.0), (-1.0, -1.0, -1.0), (0.0, 0.0, -9999.0)])
@pytest.mark.parametrize("suffix", [".ply", ".pcd", ".xyz", ".npy"])
def test_what_a_camera_writes_for_missing_pixels_is_no_point(
    fill: tuple[float, float, float], suffix: str, tmp_path: Path
) -> None:
    generator = np.random.default_rng(1)
    points = generator.uniform(5, 50, (3_000, 3)).astype(np.float32)
    cloud = points.copy()
    cloud[::7] = fill
    write_points(tmp_path / f"a{suffix}", cloud)
    read = read_points(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read.points, np.delete(points, np.s_[::7], 0))
    assert read.dropped == 429
    assert "429 points in one place" in read.notes[-1]


def test_a_point_at_the_origin_and_points_given_twice_stay(tmp_path: Path) -> None:
    points = np.random.default_rng(2).uniform(-5, 5, (500, 3)).astype(np.float32)
    points[7] = 0
    twice = np.concatenate([points, points])
    write_points(tmp_path / "a.ply", twice)
    read = read_points(tmp_path / "a.ply")
    assert (len(read.points), read.dropped, read.notes) == (1_000, 0, ())

"""Meshes are read into one frame, lightly repaired, and refused by name when they stay open."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from plane_anomalib.core.errors import PointCloudFileError
from plane_anomalib.generation.closed_mesh import read_closed_mesh
from tests.support.meshes import angle_bracket, ball, block, save


@pytest.mark.parametrize("suffix", [".stl", ".obj", ".off", ".ply"])
def test_every_format_gives_the_same_solid_centered_and_one_long(
    suffix: str, tmp_path: Path
) -> None:
    mesh = angle_bracket()
    mesh.apply_scale(40.0)
    mesh.apply_translation([5.0, -80.0, 3.0])

    found = read_closed_mesh(save(mesh, tmp_path / f"bracket{suffix}"))

    assert found.file == f"bracket{suffix}"
    assert found.extent == pytest.approx(40.0, rel=1e-5)
    np.testing.assert_allclose(found.mesh.bounds.sum(axis=0), 0.0, atol=1e-6)
    assert np.ptp(found.mesh.bounds, axis=0).max() == pytest.approx(1.0)
    assert found.mesh.volume == pytest.approx((1.0 * 0.2 + 0.2 * 0.6) * 0.5, rel=1e-5)


def test_a_missing_triangle_and_faces_that_point_inward_are_repaired(tmp_path: Path) -> None:
    mesh = ball()
    mesh.invert()
    mesh.update_faces(np.arange(len(mesh.faces)) != 17)

    found = read_closed_mesh(save(mesh, tmp_path / "ball.ply"))

    assert found.mesh.is_watertight
    assert found.mesh.volume == pytest.approx(np.pi / 6, rel=0.01)


def test_a_large_hole_is_refused_with_the_file_and_the_number_of_edges(tmp_path: Path) -> None:
    mesh = ball()
    mesh.update_faces(mesh.triangles_center[:, 2] < 0.4)
    rim = len(trimesh.grouping.group_rows(mesh.edges_sorted, require_count=1))

    with pytest.raises(PointCloudFileError, match=rf"open\.stl: is not a closed mesh: {rim} of"):
        read_closed_mesh(save(mesh, tmp_path / "open.stl"))


def test_corners_that_differ_in_the_last_digits_are_welded(tmp_path: Path) -> None:
    mesh = block()
    loose = trimesh.Trimesh(
        mesh.triangles.reshape(-1, 3) + np.random.default_rng().uniform(-1e-8, 1e-8, (36, 3)),
        np.arange(36).reshape(12, 3),
        process=False,
    )

    assert read_closed_mesh(save(loose, tmp_path / "loose.ply")).mesh.is_watertight

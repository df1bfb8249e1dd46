"""Meshes become clouds: uniform on the area, seeded, and nothing else is opened."""

from __future__ import annotations

import builtins
import io
import re
from pathlib import Path

import numpy as np
import pytest
import trimesh

from plane_anomalib.core.errors import ConfigurationError, PointCloudFileError
from plane_anomalib.formats.io import MESH_SUFFIXES, read_labelled_points, read_points
from plane_anomalib.formats.writer import write_points


def box(tmp_path: Path, suffix: str) -> Path:
    path = tmp_path / f"box{suffix}"
    trimesh.creation.box(extents=(1.0, 2.0, 4.0)).export(path)
    return path


@pytest.mark.parametrize("suffix", sorted(MESH_SUFFIXES))
def test_samples_lie_on_the_surface_in_proportion_to_its_area(suffix, tmp_path):
    points = read_points(box(tmp_path, suffix), num_samples=40_000, seed=3).points
    assert points.shape == (40_000, 3)
    half = np.array([0.5, 1.0, 2.0])
    gap = np.abs(np.abs(points) - half)
    np.testing.assert_allclose(gap.min(axis=1), 0.0, atol=1e-6)
    assert (np.abs(points) <= half + 1e-6).all()
    shares = np.bincount(gap.argmin(axis=1), minlength=3) / len(points)
    np.testing.assert_allclose(shares, np.array([16, 8, 4]) / 28, atol=0.015)


def test_the_seed_fixes_the_samples(tmp_path):
    path = box(tmp_path, ".stl")
    first = read_points(path, num_samples=100, seed=1).points
    np.testing.assert_array_equal(read_points(path, num_samples=100, seed=1).points, first)
    assert not np.array_equal(read_points(path, num_samples=100, seed=2).points, first)


def test_a_ply_is_a_mesh_when_it_has_faces_unless_points_are_asked_for(tmp_path):
    path = box(tmp_path, ".ply")
    vertices = read_points(path, kind="points").points
    assert sorted(map(tuple, np.abs(vertices).tolist())) == [(0.5, 1.0, 2.0)] * len(vertices)
    assert len(read_points(path, num_samples=77).points) == 77
    write_points(tmp_path / "cloud.ply", vertices)
    np.testing.assert_array_equal(read_points(tmp_path / "cloud.ply").points, vertices)
    with pytest.raises(PointCloudFileError, match="mesh without faces"):
        read_points(tmp_path / "cloud.ply", kind="mesh")


@pytest.mark.parametrize("suffix", sorted(MESH_SUFFIXES))
def test_vertices_are_taken_once_each(suffix, tmp_path):
    vertices = read_points(box(tmp_path, suffix), kind="vertices").points
    assert len(vertices) == len(set(map(tuple, vertices.tolist()))) == 8
    assert set(map(tuple, np.abs(vertices).tolist())) == {(0.5, 1.0, 2.0)}


def test_vertices_need_a_mesh(tmp_path):
    write_points(tmp_path / "cloud.xyz", np.zeros((3, 3), np.float32))
    with pytest.raises(PointCloudFileError, match=r"suffix '\.xyz', which is not supported here"):
        read_points(tmp_path / "cloud.xyz", kind="vertices")


def test_polygons_groups_and_negative_indices_of_obj(tmp_path):
    (tmp_path / "a.obj").write_text(
        "o one\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\ng top\nusemtl a\nf 1 2 3 4\n"
        "o two\nv 5 0 0\nv 6 0 0\nv 6 1 0\nusemtl b\nf -3 -2 -1\n"
    )
    points = read_points(tmp_path / "a.obj", num_samples=6000).points
    assert np.isclose((points[:, 0] < 2).mean(), 2 / 3, atol=0.03)
    np.testing.assert_array_equal(points[:, 2], 0)


def test_materials_and_textures_named_in_a_mesh_are_never_opened(tmp_path, monkeypatch):
    obj = box(tmp_path, ".obj")
    secret = tmp_path / "secret.mtl"
    secret.write_text("newmtl a\nmap_Kd secret.png\n")
    obj.write_text(f"mtllib {secret}\nmtllib secret.mtl\nusemtl a\n" + obj.read_text())
    ply = box(tmp_path, ".ply")
    content = ply.read_bytes().replace(
        b"element vertex", b"comment TextureFile a.png\nelement vertex"
    )
    ply.write_bytes(content)
    read_points(obj, num_samples=5)  # everything that is imported late is imported now
    opened: list[str] = []
    real = io.open

    def spy(file, *args, **kwargs):
        opened.append(str(file))
        return real(file, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", spy)
    monkeypatch.setattr(io, "open", spy)
    read_points(obj, num_samples=5)
    read_points(ply, num_samples=5)
    assert set(opened) == {str(obj), str(ply)}


SQUARE = "OFF\n4 2 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n3 0 1 2\n3 0 2 3\n"
FACES = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\n" \
        "property float z\nelement face {}\nproperty list uchar int vertex_indices\n" \
        "end_header\n0 0 0\n1 0 0\n0 1 0\n3 0 1 {}\n"  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\n", "mesh without faces"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "no readable|missing vertices"),
        ("a.obj", "hello", "mesh without faces"),
        ("a.stl", "solid a\nendsolid a\n", "no readable .stl mesh|without faces"),
        ("a.stl", "solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\n", "no endsolid line"),
        ("a.stl", "noise", "is damaged"),
        ("a.off", SQUARE[:-8], "promises 2 faces, but 1 follow"),
        ("a.off", SQUARE.replace("3 0 2 3", "3 0 2 7"), "no readable|missing vertices"),
        ("a.off", "4 2 0\n", "does not begin with OFF"),
        ("a.off", SQUARE.replace("4 2 0", "900000000000 2 0"), "no readable .off mesh"),
        ("a.off", SQUARE.replace("1", "0"), "no area"),
        ("a.ply", FACES.format(1, 8), "no readable|missing vertices"),
        ("a.ply", FACES.format(10**12, 2), "bytes follow"),
    ],
)
def test_broken_meshes_are_one_sentence(name, content, message, tmp_path):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(PointCloudFileError) as caught:
        read_points(path, num_samples=10)
    assert re.search(message, caught.value.reason)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".stl", ".ply"])
def test_a_truncated_binary_mesh_is_refused(suffix, tmp_path):
    path = box(tmp_path, suffix)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(PointCloudFileError):
        read_points(path, num_samples=10)


def test_faces_with_nan_corners_are_left_out(tmp_path):
    path = tmp_path / "a.off"
    path.write_text(SQUARE.replace("0 1 0\n3", "nan 1 0\n3"))
    points = read_points(path, num_samples=500).points
    assert (points[:, 0] >= points[:, 1]).all()


def test_the_number_of_samples_must_be_positive(tmp_path):
    with pytest.raises(ConfigurationError, match="num_samples is 0"):
        read_points(box(tmp_path, ".stl"), num_samples=0)


def test_a_mesh_has_no_labels(tmp_path):
    with pytest.raises(PointCloudFileError, match=r"'\.stl', which is not supported"):
        read_labelled_points(box(tmp_path, ".stl"))


@pytest.mark.parametrize(
    ("cut", "message"), [(300, "is damaged"), (50, "is damaged"), (84, "is damaged")]
)
def test_a_damaged_stl_is_not_called_one_without_faces(cut, message, tmp_path):
    path = tmp_path / "a.stl"
    path.write_bytes(trimesh.creation.box().export(file_type="stl")[:cut])
    with pytest.raises(PointCloudFileError, match=message):
        read_points(path)


def test_an_stl_without_triangles_is_empty(tmp_path):
    path = tmp_path / "a.stl"
    path.write_bytes(bytes(84))
    with pytest.raises(PointCloudFileError, match="empty mesh"):
        read_points(path)

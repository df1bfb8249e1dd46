"""Other people's files and readers: pypcd4 and plyfile as independent witnesses."""

from __future__ import annotations

import struct

import lzf
import numpy as np
import pytest
from plyfile import PlyData, PlyElement
from pypcd4 import Encoding, PointCloud

from plane_anomalib.formats.io import read_labelled_points, read_points
from plane_anomalib.formats.writer import write_points


def cloud(count: int = 300, dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng().normal(size=(count, 3)).astype(dtype)


@pytest.mark.parametrize("encoding", ["ascii", "binary", "binary_compressed"])
def test_pypcd4_reads_our_pcd(encoding, tmp_path):
    points, score = cloud(), np.random.default_rng().random(300)
    write_points(tmp_path / "a.pcd", points, fields={"score": score}, encoding=encoding)
    other = PointCloud.from_path(tmp_path / "a.pcd")
    assert other.fields == ("x", "y", "z", "score")
    np.testing.assert_array_equal(other.numpy(("x", "y", "z")), points)
    np.testing.assert_array_equal(other.pc_data["score"], score)


@pytest.mark.parametrize("encoding", list(Encoding)[:3])
@pytest.mark.parametrize("width", [np.float32, np.float64])
def test_we_read_pcd_by_pypcd4_with_extra_fields(encoding, width, tmp_path):
    points = cloud(dtype=width)
    generator = np.random.default_rng()
    columns = [
        generator.random(300, np.float32), points[:, 2], generator.integers(0, 255, 300, np.uint8),
        points[:, 0], generator.random(300), points[:, 1], generator.integers(0, 2, 300, np.int16),
    ]  # fmt: skip
    names = ("intensity", "z", "ring", "x", "stamp", "y", "label")
    other = PointCloud.from_points(columns, names, [column.dtype for column in columns])
    other.save(tmp_path / "a.pcd", encoding=encoding)
    read = read_labelled_points(tmp_path / "a.pcd")
    # pypcd4 writes ten decimals as text; its binary files are exact.
    tolerance = 1e-9 if encoding == Encoding.ASCII else 0.0
    expected = points.astype(np.float32)
    np.testing.assert_allclose(read.points, expected, rtol=tolerance and 1e-6, atol=tolerance)
    np.testing.assert_array_equal(read.labels, columns[-1] == 1)


def organised_header(kind: str, points: int) -> bytes:
    """An old header: version .7, no COUNT of 1 alone, comments, CRLF, padding fields."""
    return (
        "# comment\r\nVERSION .7\r\nFIELDS normal _ x y z rgb\r\nSIZE 4 1 8 8 8 4\r\n"
        "TYPE F U F F F U\r\nCOUNT 3 2 1 1 1 1\r\n"
        f"WIDTH {points // 4}\r\nHEIGHT 4\r\nVIEWPOINT 0 0 0 1 0 0 0\r\nPOINTS {points}\r\n"
        f"DATA {kind}\r\n"
    ).encode()


def organised_fields(points: np.ndarray) -> list[np.ndarray]:
    generator = np.random.default_rng()
    normals = generator.normal(size=(len(points), 3)).astype("<f4")
    padding = generator.integers(0, 255, (len(points), 2)).astype("u1")
    return [normals, padding, *(points[:, [axis]] for axis in range(3)),
            generator.integers(0, 2**32, (len(points), 1)).astype("<u4")]  # fmt: skip


def test_organised_pcd_with_counts_and_padding_in_all_three_encodings(tmp_path):
    points = cloud(40, np.float64)
    fields = organised_fields(points)
    rows = b"".join(b"".join(f[i].tobytes() for f in fields) for i in range(40))
    blocks = b"".join(f.tobytes() for f in fields)
    packed = lzf.compress(blocks, 2 * len(blocks))
    text = "\n".join(" ".join(repr(v) for f in fields for v in f[i].tolist()) for i in range(40))
    bodies = {
        "binary": rows,
        "binary_compressed": struct.pack("<II", len(packed), len(blocks)) + packed,
        "ascii": text.encode(),
    }
    for kind, body in bodies.items():
        path = tmp_path / f"{kind}.pcd"
        path.write_bytes(organised_header(kind, 40) + body)
        np.testing.assert_array_equal(read_points(path).points, points.astype(np.float32), kind)


def test_pcd_without_count_width_and_version_and_with_bytes_behind_the_data(tmp_path):
    points = cloud(7)
    header = b"FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 7\nDATA binary\n"
    (tmp_path / "a.pcd").write_bytes(header + points.tobytes() + b"padding")
    np.testing.assert_array_equal(read_points(tmp_path / "a.pcd").points, points)


def test_integer_coordinates_are_read(tmp_path):
    points = np.random.default_rng().integers(-3000, 3000, (50, 3)).astype("<i2")
    header = b"FIELDS x y z\nSIZE 2 2 2\nTYPE I I I\nPOINTS 50\nDATA binary\n"
    (tmp_path / "a.pcd").write_bytes(header + points.tobytes())
    np.save(tmp_path / "a.npy", points)
    np.savetxt(tmp_path / "a.txt", points, fmt="%d")
    for name in ("a.pcd", "a.npy", "a.txt"):
        np.testing.assert_array_equal(read_points(tmp_path / name).points, points)


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_plyfile_reads_our_ply(encoding, tmp_path):
    points, score = cloud(), np.random.default_rng().random(300).astype(np.float32)
    colors = np.random.default_rng().integers(0, 256, (300, 3)).astype(np.uint8)
    labels = score > 0.7
    write_points(
        tmp_path / "a.ply",
        points,
        labels=labels,
        fields={"score": score},
        colors=colors,
        encoding=encoding,
    )
    vertex = PlyData.read(tmp_path / "a.ply")["vertex"]
    assert vertex["score"].dtype.itemsize == 4
    np.testing.assert_array_equal(np.stack([vertex[axis] for axis in "xyz"], 1), points)
    np.testing.assert_array_equal(vertex["score"], score)
    np.testing.assert_array_equal(vertex["label"], labels)
    found = np.stack([vertex[name] for name in ("red", "green", "blue")], axis=1)
    np.testing.assert_array_equal(found, colors)


@pytest.mark.parametrize(("text", "order"), [(True, "="), (False, "<"), (False, ">")])
@pytest.mark.parametrize("width", ["f4", "f8"])
def test_we_read_ply_by_plyfile_with_other_elements_around(text, order, width, tmp_path):
    points = cloud(60, np.dtype(width).type)
    dtype = [("nx", "f4"), ("z", width), ("tag", "u1"), ("y", width), ("x", width), ("gt", "i4")]
    table = np.zeros(60, dtype)
    for axis, name in enumerate("xyz"):
        table[name] = points[:, axis]
    table["gt"] = np.arange(60) % 3 == 0
    sensor = np.ones(2, [("gain", "f4"), ("id", "u1")])
    edges = np.zeros(5, [("a", "i4"), ("b", "i4")])
    elements = [
        PlyElement.describe(sensor, "sensor"),
        PlyElement.describe(table, "vertex"),
        PlyElement.describe(edges, "edge"),
    ]
    ply = PlyData(elements, text=text, byte_order=order, comments=["TextureFile nowhere.png"])
    ply.write(tmp_path / "a.ply")
    read = read_labelled_points(tmp_path / "a.ply")
    np.testing.assert_allclose(read.points, points.astype(np.float32), rtol=1e-6)
    np.testing.assert_array_equal(read.labels, table["gt"] == 1)


@pytest.mark.parametrize("key", ["points", "xyz", "data", "anything"])
def test_npz_finds_the_points_and_the_labels(key, tmp_path):
    points, labels = cloud(30), np.arange(30) % 2
    np.savez_compressed(tmp_path / "a.npz", **{key: points, "extra": np.ones(4), "mask": labels})
    read = read_labelled_points(tmp_path / "a.npz")
    np.testing.assert_array_equal(read.points, points)
    np.testing.assert_array_equal(read.labels, labels == 1)


def test_npy_in_fortran_order_and_big_endian(tmp_path):
    points = cloud(30)
    np.save(tmp_path / "a.npy", np.asfortranarray(points.astype(">f8")))
    np.testing.assert_array_equal(read_points(tmp_path / "a.npy").points, points)

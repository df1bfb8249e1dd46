"""A file with too many points, or that unpacks to far more than it is, is refused unread."""

from __future__ import annotations

import io
import struct
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lzf
import numpy as np
import pytest
import trimesh

from plane_anomalib.core.errors import PointCloudFileError, PointCloudTooLargeError
from plane_anomalib.formats.io import read_points
from plane_anomalib.formats.writer import WRITTEN_SUFFIXES, write_points

HUGE = 10**12


@contextmanager
def little_memory(most: int = 30_000_000) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most, f"{peak:,} bytes were taken"


FORMS = [(suffix, "binary") for suffix in sorted(WRITTEN_SUFFIXES)]
FORMS += [(".pcd", "ascii"), (".pcd", "binary_compressed"), (".ply", "ascii")]


@pytest.mark.parametrize(("suffix", "encoding"), FORMS)
def test_the_most_points_are_taken_and_one_more_is_not(
    tmp_path: Path, suffix: str, encoding: str
) -> None:
    file = tmp_path / f"cloud{suffix}"
    write_points(file, np.random.default_rng(0).random((100, 3)), encoding=encoding)  # type: ignore[arg-type]
    assert len(read_points(file, max_points=100).points) == 100
    with pytest.raises(PointCloudTooLargeError, match="where at most 99 are taken"):
        read_points(file, max_points=99)


def npz_bomb(path: Path) -> None:
    """An honest archive of zeros: 0.1 MB that unpack to 120 MB."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10_000_000, 3)}
    )
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("points.npy", "w", force_zip64=True) as member,
    ):
        member.write(header.getvalue())
        for _ in range(10):
            member.write(bytes(12_000_000))


def npz_wide(path: Path) -> None:
    """Few points, and a thousand times more columns than anyone has."""
    np.savez_compressed(path, points=np.zeros((100, 100_000), np.float32))


def npz_lie(path: Path) -> None:
    """The directory claims as many bytes as the header of the array wants: 3.6 GB."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (300_000_000, 3)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("points.npy", header.getvalue())
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 20 : entry + 28] = struct.pack("<II", 0xFFFFFFFE, 0xFFFFFFFE)
    path.write_bytes(content)


def npy_lie(path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (HUGE, 3)}
    )
    path.write_bytes(header.getvalue())


def pcd(path: Path, points: int, data: str, body: bytes = b"", count: int = 1) -> None:
    head = (
        f"FIELDS x y z extra\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 {count}\n"
        f"POINTS {points}\nDATA {data}\n"
    )
    path.write_bytes(head.encode() + body)


def pcd_lie(path: Path) -> None:
    pcd(path, HUGE, "binary")


def pcd_compressed_lie(path: Path) -> None:
    pcd(path, HUGE, "binary_compressed", struct.pack("<II", 100, 0xFFFFFFFF) + bytes(100))


def pcd_bomb(path: Path) -> None:
    """Few points of very wide fields, packed to a ninetieth."""
    plain = bytes(100 * (12 + 4 * 200_000))
    packed = lzf.compress(plain, len(plain))
    body = struct.pack("<II", len(packed), len(plain)) + packed
    pcd(path, 100, "binary_compressed", body, count=200_000)


def pcd_wide(path: Path) -> None:
    """A row of two million values, each of which would be a column of its own."""
    pcd(path, 3, "ascii", b"1 " * 2_000_000 + b"1\n")


def ply(path: Path, elements: str, body: bytes = b"1 2 3\n", form: str = "ascii") -> None:
    path.write_bytes(f"ply\nformat {form} 1.0\n{elements}end_header\n".encode() + body)


_XYZ = "property float x\nproperty float y\nproperty float z\n"


def ply_lie(path: Path) -> None:
    ply(path, f"element vertex {HUGE}\n{_XYZ}", form="binary_little_endian")


def ply_without_properties(path: Path) -> None:
    ply(path, f"element nothing {HUGE}\nelement vertex 1\n{_XYZ}")


def ply_of_properties(path: Path) -> None:
    ply(path, f"element vertex 1\n{_XYZ}" + "property int a\n" * 60_000)


def ply_faces_lie(path: Path) -> None:
    faces = f"element vertex 1\n{_XYZ}element face {HUGE}\nproperty list uchar int vertex_indices\n"
    ply(path, faces)


def off_lie(path: Path) -> None:
    path.write_text(f"OFF\n{HUGE} {HUGE} 0\n0 0 0\n")


def off_digits(path: Path) -> None:
    path.write_text(f"OFF\n{'9' * 5000} 1 0\n0 0 0\n")


def stl_lie(path: Path) -> None:
    path.write_bytes(bytes(80) + struct.pack("<I", 0xFFFFFFFF) + bytes(50))


def large_mesh(path: Path) -> None:
    path.write_text("v 0 0 0\n" * 1_000_000)


def text_of_one_line(path: Path) -> None:
    path.write_bytes(b"1 2 3\n" + b"1 " * 5_000_000)


def text_of_digits(path: Path) -> None:
    """A number of which a careless pattern tries every way to cut it in two."""
    path.write_bytes(b"1 2 3\n" + b"1" * 60_000 + b"x 2 3\n")


HOSTILE: list[tuple[str, Callable[[Path], None]]] = [
    (".npz", npz_bomb),
    (".npz", npz_wide),
    (".npz", npz_lie),
    (".npy", npy_lie),
    (".pcd", pcd_lie),
    (".pcd", pcd_compressed_lie),
    (".pcd", pcd_bomb),
    (".pcd", pcd_wide),
    (".ply", ply_lie),
    (".ply", ply_without_properties),
    (".ply", ply_of_properties),
    (".ply", ply_faces_lie),
    (".off", off_lie),
    (".off", off_digits),
    (".stl", stl_lie),
    (".obj", large_mesh),
    (".xyz", text_of_one_line),
    (".xyz", text_of_digits),
]


@pytest.mark.parametrize(("suffix", "make"), HOSTILE, ids=[make.__name__ for _, make in HOSTILE])
def test_a_hostile_file_is_refused_soon_and_without_much_memory(
    tmp_path: Path, suffix: str, make: Callable[[Path], None]
) -> None:
    file = tmp_path / f"cloud{suffix}"
    make(file)
    start = time.process_time()
    with little_memory(), pytest.raises(PointCloudFileError):
        read_points(file, max_points=100_000, num_samples=100)
    assert time.process_time() - start < 5


def test_a_mesh_opens_no_file_but_its_own(tmp_path: Path) -> None:
    """Materials and textures that a mesh names are left alone, wherever they lie."""
    secret = tmp_path / "secret.mtl"
    secret.write_text("newmtl a\nmap_Kd secret.png\n")
    opened: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open":
            opened.append(str(arguments[0]))

    box = trimesh.creation.box()
    obj = box.export(file_type="obj")
    (tmp_path / "part.obj").write_text(f"mtllib secret.mtl\nmtllib {secret}\nusemtl a\n{obj}")
    ply_text = box.export(file_type="ply", encoding="ascii").decode("ascii")
    (tmp_path / "part.ply").write_text(
        ply_text.replace("format ascii 1.0\n", "format ascii 1.0\ncomment TextureFile secret.mtl\n")
    )
    sys.addaudithook(watch)  # stays for good, hence the switch
    try:
        for name in ("part.obj", "part.ply"):
            assert len(read_points(tmp_path / name, num_samples=10).points) == 10
    finally:
        watching = False
    assert any("part.obj" in name for name in opened)
    assert not any("secret" in name for name in opened)

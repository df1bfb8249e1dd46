"""Broken files: one sentence with the file, the reason and what to do; never a big allocation."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tracemalloc
import zipfile

import lzf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plane_anomalib.core.errors import PointCloudFileError
from plane_anomalib.formats.io import read_labelled_points, read_points
from plane_anomalib.formats.writer import write_points

XYZ = "VERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\n"
ZEROS = bytes(36)


def pcd(points: object = 3, kind: str = "binary", head: str = XYZ, body: bytes = ZEROS) -> bytes:
    size = f"WIDTH {points}\nHEIGHT 1\nPOINTS {points}\n"
    return f"{head}{size}DATA {kind}\n".encode() + body


def compressed(packed: int, unpacked: int, body: bytes) -> bytes:
    return pcd(kind="binary_compressed", body=struct.pack("<II", packed, unpacked) + body)


def ply(
    body: bytes, kind: str = "binary_little_endian", count: object = 3, names: str = "xyz"
) -> bytes:
    properties = "".join(f"property float {name}\n" for name in names)
    head = f"ply\nformat {kind} 1.0\nelement vertex {count}\n{properties}end_header\n"
    return head.encode() + body


def npy(array: np.ndarray, **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def absurd_npy() -> bytes:
    return npy(np.zeros((3, 3))).replace(b"(3, 3), }" + b" " * 11, b"(300000000000, 3), }", 1)


def absurd_npz() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("points.npy", absurd_npy())
    return buffer.getvalue()


def nan_cloud() -> bytes:
    return pcd(body=np.full(9, np.nan, "<f4").tobytes())


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
HTML = b"\n<!DOCTYPE html><html><body>Not found</body></html>"
REPEATED = lzf.compress(bytes(36 * 100), 4000)

BROKEN = {
    "empty": ("a.pcd", b"", "is empty"),
    "lfs": ("a.pcd", LFS, "Git LFS pointer"),
    "lfs text": ("a.txt", LFS, "git lfs pull"),
    "html": ("a.pcd", HTML, "web page"),
    "html ply": ("a.ply", HTML, "web page"),
    "suffix": ("a.pdc", b"x", "'.pdc', which is not.*did you mean .pcd.*supported: .*\\.xyz"),
    "no suffix": ("cloud", b"x", "has no suffix.*supported"),
    "image": ("a.png", b"x", "supported: .*\\.ply"),
    "pcd is text": ("a.pcd", b"1 2 3\n4 5 6\n", "no DATA line"),
    "pcd is noise": ("a.pcd", bytes(range(256)) * 1000, "no DATA line"),
    "no points": ("a.pcd", XYZ.encode() + b"DATA ascii\n1 2 3\n", "no POINTS line"),
    "no fields": ("a.pcd", pcd(head="SIZE 4\nTYPE F\n"), "no FIELDS line"),
    "no size": ("a.pcd", pcd(head="FIELDS x y z\nTYPE F F F\n"), "no SIZE line"),
    "no type": ("a.pcd", pcd(head="FIELDS x y z\nSIZE 4 4 4\n"), "no TYPE line"),
    "no data": ("a.pcd", pcd().split(b"DATA")[0], "no DATA line"),
    "no xyz": ("a.pcd", pcd(head=XYZ.replace("x y z", "u v z")), "no FIELDS x, y; it has u, v, z"),
    "unfit": ("a.pcd", pcd(head=XYZ.replace("4 4 4", "4 4")), "do not fit each other"),
    "zero size": ("a.pcd", pcd(head=XYZ.replace("4 4 4", "4 4 0")), "do not fit"),
    "size word": ("a.pcd", pcd(head=XYZ.replace("4 4 4", "4 4 four")), "SIZE has '4 4 four'"),
    "half float": ("a.pcd", pcd(head=XYZ.replace("4 4 4", "2 4 4")), "'x' has the unknown type F2"),
    "negative": ("a.pcd", pcd(points=-3), "POINTS has '-3'"),
    "kind": ("a.pcd", pcd(kind="zipped"), "DATA kind 'zipped' is unknown"),
    "shape": ("a.pcd", pcd().replace(b"HEIGHT 1", b"HEIGHT 2"), "WIDTH x HEIGHT is 6"),
    "zero points": ("a.pcd", pcd(points=0, body=b""), "zero points"),
    "all nan": ("a.pcd", nan_cloud(), "all 3 are NaN"),
    "short binary": ("a.pcd", pcd(body=ZEROS[:-1]), "promises 3 points.*truncated"),
    "short ascii": ("a.pcd", pcd(kind="ascii", body=b"1.0 2.0 3.0\n4.0 5.0 6.0"), "2 rows follow"),
    "cut ascii": ("a.pcd", pcd(kind="ascii", body=b"1 2 3\n4 5 6\n7.25 8"), "line 12 has 2 value"),
    "long ascii": ("a.pcd", pcd(kind="ascii", body=b"1 2 3\n" * 4), "promises 3 points, but 4"),
    "word ascii": ("a.pcd", pcd(kind="ascii", body=b"1 2 3\n4 5 a\n7 8 9"), "line 11 has 'a'"),
    "wide ascii": ("a.pcd", pcd(kind="ascii", body=b"1 2 3 4\n" * 3), "4 value"),
    "absurd binary": ("a.pcd", pcd(points=10**15), "only 36 bytes follow"),
    "absurd ascii": ("a.pcd", pcd(points=10**15, kind="ascii"), "only 36 bytes follow"),
    "lzf head": ("a.pcd", pcd(kind="binary_compressed", body=b"1234"), "ends before"),
    "lzf short": ("a.pcd", compressed(100, 36, b"abc"), "100 compressed bytes"),
    "lzf sizes": ("a.pcd", compressed(9, 40, b"123456789"), "cannot unpack to 40"),
    "lzf noise": ("a.pcd", compressed(9, 36, b"\xff" * 9), "compressed data is corrupt"),
    "lzf less": ("a.pcd", compressed(9, 36, b"\x07ABCDEFGH"), "compressed data is corrupt"),
    "absurd lzf": (
        "a.pcd",
        pcd(10**9, "binary_compressed", XYZ.replace("4 4 4", "1 1 1").replace("F F F", "U U U"),
            struct.pack("<II", len(REPEATED), 3 * 10**9) + REPEATED),
        "cannot unpack to 3000000000",
    ),
    "ply is text": ("a.ply", b"1 2 3\n", "does not begin with 'ply'"),
    "ply head": ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 3\n", "has no end"),
    "ply format": ("a.ply", ply(ZEROS, kind="zipped"), "'format zipped 1.0' is wrong"),
    "ply no format": ("a.ply", b"ply\nend_header\n", "no format line"),
    "ply count": ("a.ply", ply(ZEROS, count="many"), "'element vertex many' is wrong"),
    "ply type": ("a.ply", ply(ZEROS).replace(b"float", b"half", 1), "'property half x' is wrong"),
    "ply no vertex": ("a.ply", ply(ZEROS).replace(b"vertex", b"corner"), "no vertex element"),
    "ply no xyz": ("a.ply", ply(ZEROS, names="xyw"), "no vertex property z; it has x, y, w"),
    "ply zero": ("a.ply", ply(b"", count=0), "zero points"),
    "ply short": ("a.ply", ply(ZEROS[:-1]), "promises 3 x vertex"),
    "ply absurd": ("a.ply", ply(ZEROS, count=10**15), "only 36 bytes follow"),
    "ply ascii": ("a.ply", ply(b"1.5 2 3\n4.25 5 6.125\n", "ascii"), "2 rows follow"),
    "ply absurd ascii": ("a.ply", ply(b"1 2 3\n", "ascii", 10**15), "only 6 bytes follow"),
    "ply word": ("a.ply", ply(b"1 2 3\n4 x 6\n7 8 9\n", "ascii"), "line 9 has 'x'"),
    "ply list": (
        "a.ply",
        b"ply\nformat ascii 1.0\nelement vertex 1\nproperty list uchar int n\nend_header\n1 1\n",
        "list properties",
    ),
    "npy text": ("a.npy", b"1 2 3", "no readable NumPy array"),
    "npy pickled": ("a.npy", npy(np.array([{}]), allow_pickle=True), "pickled objects"),
    "npy raw pickle": ("a.npy", pickle.dumps([1, 2, 3]), "no readable NumPy array"),
    "npy short": ("a.npy", npy(np.zeros((9, 3)))[:-1], "promises"),
    "npy absurd": ("a.npy", absurd_npy(), "promises"),
    "npy shape": ("a.npy", npy(np.zeros(9)), r"shape \(9,\); \(N, 3\) is needed"),
    "npy words": ("a.npy", npy(np.array([["a", "b", "c"]])), "not numbers"),
    "npy complex": ("a.npy", npy(np.ones((3, 3), complex)), "not numbers"),
    "npz is no zip": ("a.npz", b"PK\x03\x04" + bytes(50), "no readable .npz"),
    "npz no array": ("a.npz", npz(a=np.zeros(3)), r"it holds a \(3,\)"),
    "npz empty": ("a.npz", npz(), "it holds none"),
    "npz two": ("a.npz", npz(a=np.ones((3, 3)), b=np.ones((3, 3))), "2 arrays of shape"),
    "npz labels": ("a.npz", npz(points=np.ones((3, 3)), label=np.ones(4)), "4 values in 'label'"),
    "npz pickled": ("a.npz", npz(points=np.array([{}])), "pickled objects"),
    "npz absurd": ("a.npz", absurd_npz(), "promises"),
    "npz short": ("a.npz", npz(points=np.ones((30, 3)))[:-40], "no readable .npz"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_a_broken_file_is_one_sentence_and_no_big_allocation(case, tmp_path):
    name, content, message = BROKEN[case]
    path = tmp_path / name
    path.write_bytes(content)
    reader = read_labelled_points if "labels" in case else read_points
    tracemalloc.start()
    try:
        with pytest.raises(PointCloudFileError, match=message) as caught:
            reader(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert peak < 64e6


def test_a_missing_file_and_a_directory_say_so(tmp_path):
    with pytest.raises(PointCloudFileError, match="does not exist"):
        read_points(tmp_path / "nowhere.pcd")
    (tmp_path / "folder.pcd").mkdir()
    for folder in (tmp_path, tmp_path / "folder.pcd"):
        with pytest.raises(PointCloudFileError, match="is a directory"):
            read_points(folder)


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.pcd")
    with pytest.raises(PointCloudFileError, match="not a regular file"):
        read_points(tmp_path / "pipe.pcd")


def test_points_without_labels_are_no_ground_truth(tmp_path):
    for suffix in (".pcd", ".ply", ".npy", ".npz", ".txt"):
        path = tmp_path / f"a{suffix}"
        write_points(path, np.ones((3, 3), np.float32))
        with pytest.raises(PointCloudFileError, match="no label column"):
            read_labelled_points(path)


FORMATS = ["a.pcd", "b.pcd", "c.pcd", "a.ply", "b.ply", "a.txt", "a.csv", "a.npy", "a.npz"]


@given(data=st.data(), name=st.sampled_from(FORMATS))
@settings(max_examples=150, deadline=None)
def test_random_damage_gives_points_or_our_error_and_nothing_else(data, name, tmp_path_factory):
    path = tmp_path_factory.mktemp("damage") / name
    encoding = {"b": "ascii", "c": "binary_compressed"}.get(name[0], "binary")
    points = np.arange(36, dtype=np.float32).reshape(12, 3)
    write_points(path, points, labels=np.arange(12) % 2, encoding=encoding)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        stop = data.draw(st.integers(start, min(len(content), start + 12)))
        content[start:stop] = data.draw(st.binary(max_size=6))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    for reader in (read_points, read_labelled_points):
        try:
            cloud = reader(path)
        except PointCloudFileError:
            continue
        assert cloud.points.ndim == 2
        assert np.isfinite(cloud.points).all()
        assert cloud.labels is None or len(cloud.labels) == len(cloud.points)

"""What is written comes back: same float32 values, same order, same labels, in every format."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from plane_anomalib.core.errors import ConfigurationError, PointCloudFileError
from plane_anomalib.formats.io import read_labelled_points, read_points
from plane_anomalib.formats.writer import WRITTEN_SUFFIXES, write_points

FORMATS = [
    (".pcd", {"encoding": "binary"}),
    (".pcd", {"encoding": "ascii"}),
    (".pcd", {"encoding": "binary_compressed"}),
    (".ply", {"encoding": "binary"}),
    (".ply", {"encoding": "ascii"}),
    (".xyz", {}),
    (".xyz", {"delimiter": "\t"}),
    (".txt", {}),
    (".txt", {"delimiter": " "}),
    (".csv", {}),
    (".csv", {"delimiter": ";"}),
    (".npy", {}),
    (".npz", {}),
]
IDS = [suffix + "-".join(["", *map(repr, kw.values())]) for suffix, kw in FORMATS]

CLOUDS = npst.arrays(
    np.float32,
    st.tuples(st.integers(1, 30), st.just(3)),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@pytest.mark.parametrize(("suffix", "options"), FORMATS, ids=IDS)
@given(points=CLOUDS, data=st.data())
@settings(max_examples=15, deadline=None)
def test_float32_values_and_labels_come_back_bit_for_bit(suffix, options, points, data):
    labels = data.draw(npst.arrays(np.bool_, len(points)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"cloud{suffix}"
        write_points(path, points, labels=labels, **options)
        plain, labelled = read_points(path), read_labelled_points(path)
    assert plain.points.dtype == np.float32
    assert plain.points.flags.c_contiguous
    assert plain.labels is None
    np.testing.assert_array_equal(plain.points, points)
    np.testing.assert_array_equal(labelled.points, points)
    assert labelled.labels is not None
    assert labelled.labels.dtype == np.bool_
    np.testing.assert_array_equal(labelled.labels, labels)


@pytest.mark.parametrize(("suffix", "options"), FORMATS, ids=IDS)
def test_non_finite_rows_are_dropped_counted_and_keep_labels_aligned(suffix, options, tmp_path):
    generator = np.random.default_rng()
    points = generator.normal(size=(200, 3)).astype(np.float32)
    labels = generator.random(200) < 0.4
    bad = generator.choice(200, 30, replace=False)
    points[bad, generator.integers(0, 3, 30)] = generator.choice([np.nan, np.inf, -np.inf], 30)
    path = tmp_path / f"cloud{suffix}"
    write_points(path, points, labels=labels, **options)
    cloud = read_labelled_points(path)
    keep = np.setdiff1d(np.arange(200), bad)
    assert cloud.dropped == 30
    np.testing.assert_array_equal(cloud.points, points[keep])
    np.testing.assert_array_equal(cloud.labels, labels[keep])


@pytest.mark.parametrize("suffix", sorted(WRITTEN_SUFFIXES - {".npy"}))
def test_fields_are_written_beside_the_points_and_do_not_disturb_them(suffix, tmp_path):
    generator = np.random.default_rng()
    points = generator.normal(size=(50, 3)).astype(np.float32)
    labels = generator.random(50) < 0.5
    fields = {
        "score": generator.random(50),
        "count": np.arange(50),
        "file": generator.random(50) > 0.5,
    }
    path = tmp_path / f"cloud{suffix}"
    write_points(path, points, labels=labels, fields=fields)
    cloud = read_labelled_points(path)
    np.testing.assert_array_equal(cloud.points, points)
    np.testing.assert_array_equal(cloud.labels, labels)


def test_upper_case_suffixes_and_missing_folders_work(tmp_path):
    points = np.random.default_rng().normal(size=(5, 3)).astype(np.float32)
    path = tmp_path / "new" / "folder" / "CLOUD.PCD"
    write_points(path, points)
    np.testing.assert_array_equal(read_points(path).points, points)


def test_float64_is_kept_in_the_file(tmp_path):
    points = np.random.default_rng().normal(size=(20, 3))
    for name in ("a.txt", "a.ply", "a.pcd"):
        write_points(tmp_path / name, points)
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "a.txt", delimiter=","), points)
    for name in ("a.txt", "a.ply", "a.pcd"):
        np.testing.assert_array_equal(
            read_points(tmp_path / name).points, points.astype(np.float32)
        )


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "cloud.pcd"
    points = np.ones((3, 3), np.float32)
    write_points(path, points)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_points(path, 2 * points)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("a.obj", {}, "cannot be written as '.obj'"),
        ("a.pcd", {"points": np.ones((3, 2))}, r"shape \(3, 2\)"),
        ("a.pcd", {"points": np.ones((0, 3))}, r"shape \(0, 3\)"),
        ("a.pcd", {"points": np.array([["a", "b", "c"]])}, "numbers of shape"),
        ("a.pcd", {"labels": np.ones(4)}, "labels is float64 of shape"),
        ("a.pcd", {"labels": np.array([0, 1, 2])}, "other than 0 and 1"),
        ("a.pcd", {"encoding": "zip"}, "encoding 'zip'"),
        ("a.ply", {"encoding": "binary_compressed"}, "unknown for .ply"),
        ("a.pcd", {"colors": np.zeros((3, 3), np.uint8)}, "ply only"),
        ("a.ply", {"colors": np.zeros((3, 3))}, "uint8"),
        ("a.ply", {"fields": {"x": np.ones(3)}}, "'x' cannot be"),
        ("a.ply", {"fields": {"two words": np.ones(3)}}, "cannot be the name"),
        ("a.ply", {"fields": {"score": np.ones((3, 1))}}, "score is float64"),
        ("a.npy", {"fields": {"score": np.ones(3)}}, "write .npz"),
        ("a.txt", {"delimiter": "|"}, "delimiter '|'"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_file_is_touched(
    name, change, message, tmp_path
):
    arguments = {"points": np.ones((3, 3), np.float32), **change}
    with pytest.raises(ConfigurationError, match=message):
        write_points(tmp_path / name, **arguments)
    assert not list(tmp_path.iterdir())


def test_coordinates_far_from_the_origin_are_refused_only_when_detail_is_lost(tmp_path):
    shape = np.random.default_rng().random((100, 3))
    path = tmp_path / "survey.txt"
    write_points(path, shape + np.array([512_345.0, 5_400_123.0, 100.0]))
    with pytest.raises(PointCloudFileError, match="subtract one common offset"):
        read_points(path)
    write_points(path, shape + 50.0)
    assert np.abs(read_points(path).points - (shape + 50.0)).max() < 1e-5
    representable = (shape + 5_400_123.0).astype(np.float32)
    write_points(path, representable)
    np.testing.assert_array_equal(read_points(path).points, representable)


def test_coordinates_beyond_float32_are_refused(tmp_path):
    write_points(tmp_path / "a.npy", np.array([[1e300, 0.0, 0.0], [0.0, 1.0, 2.0]]))
    with pytest.raises(PointCloudFileError, match="too large for float32"):
        read_points(tmp_path / "a.npy")

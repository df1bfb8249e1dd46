"""Which columns are x, y and z: as asked, as the header says, as it looks, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plane_anomalib.core.errors import ConfigurationError, PointCloudFileError
from plane_anomalib.formats.columns import named_columns
from plane_anomalib.formats.io import PointCloudData, read_points
from plane_anomalib.formats.raw_cloud import ReadOptions

COUNT = 40
CLOUD = np.round(np.random.default_rng(5).normal(0, 30, (COUNT, 3)), 4)
NORMALS = CLOUD / np.linalg.norm(CLOUD, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("names", "xyz"),
    [
        ("x y z", (0, 1, 2)),
        ("nx ny nz X Y Z", (3, 4, 5)),
        ("Normals:0 Normals:1 Normals:2 Points:0 Points:1 Points:2", (3, 4, 5)),
        ("Points_2 Points_0 Points_1 Points_Magnitude", (1, 2, 0)),
        ("id northing easting elevation", (2, 1, 3)),
        ("time x_coord y_coord z_coord", (1, 2, 3)),
        ("CoordX CoordY CoordZ", (0, 1, 2)),
        ("pos_z pos_y pos_x", (2, 1, 0)),
        ("Z[mm] Y[mm] X[mm]", (2, 1, 0)),
        ("x y height", (0, 1, 2)),
        ("x y z nx ny nz label", (0, 1, 2)),
    ],
)
def test_names_that_programs_write_are_known(names: str, xyz: tuple[int, int, int]) -> None:
    found = named_columns(names.split())
    assert found is not None
    assert found.xyz == xyz


@pytest.mark.parametrize(
    "names",
    [
        "nx ny nz",
        "u v w",
        "x y",
        "x y z x y z",
        "nominal_x nominal_y nominal_z measured_x measured_y measured_z",
        "Normals:0 Normals:1 Normals:2",
        "red green blue",
    ],
)
def test_names_that_do_not_say_are_not_guessed(names: str) -> None:
    assert named_columns(names.split()) is None


def _write(path: Path, columns: list[np.ndarray], head: str = "", delimiter: str = " ") -> Path:
    rows = zip(*(column.tolist() for column in columns), strict=True)
    lines = [delimiter.join(f"{value:.9g}" for value in row) for row in rows]
    path.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return path


INDEX, XYZ = np.arange(1, COUNT + 1.0), list(CLOUD.T)
UNCLEAR = {
    "index": [INDEX, *XYZ],
    "time stamps": [1.7e9 + np.cumsum(np.random.default_rng(1).uniform(0, 1, COUNT)), *XYZ],
    "rows and columns": [INDEX // 9, INDEX % 9, *XYZ, INDEX * 0 + 77],
    "label first": [(INDEX > 20) * 1.0, *XYZ],
    "normals first": [*NORMALS.T, *XYZ],
    "colours first": [*np.random.default_rng(2).integers(0, 256, (3, COUNT)).astype(float), *XYZ],
    "halves of numbers": [*np.random.default_rng(3).integers(0, 999, (6, COUNT)).astype(float)],
    "a matrix of eight": [*np.random.default_rng(4).normal(600, 1, (8, COUNT))],
}


@pytest.mark.parametrize("case", UNCLEAR)
@pytest.mark.parametrize("suffix", [".csv", ".npy"])
def test_columns_that_do_not_look_like_points_are_refused_and_listed(
    case: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, np.column_stack(UNCLEAR[case]))
    else:
        _write(path, UNCLEAR[case], delimiter=",")
    with pytest.raises(PointCloudFileError, match=r"columns begin with 1: .*--columns"):
        read_points(path)


@pytest.mark.parametrize("case", ["index", "rows and columns", "normals first", "colours first"])
def test_columns_that_are_asked_for_are_taken(case: str, tmp_path: Path) -> None:
    first = len(UNCLEAR[case]) - (4 if case == "rows and columns" else 3)
    options = ReadOptions(columns=tuple(str(first + axis) for axis in (1, 2, 3)))
    read = read_points(_write(tmp_path / "a.txt", UNCLEAR[case]), options=options)
    np.testing.assert_array_equal(read.points, CLOUD.astype(np.float32))


def test_names_that_are_asked_for_are_taken_and_wrong_ones_refused(tmp_path: Path) -> None:
    columns = [*NORMALS.T, *XYZ]
    path = _write(tmp_path / "a.csv", columns, "x,y,z,Real X,Real Y,Real Z\n", ",")
    read = read_points(path, options=ReadOptions(columns=("Real X", "real y", "6")))
    np.testing.assert_array_equal(read.points, CLOUD.astype(np.float32))
    with pytest.raises(PointCloudFileError, match=r"no column 'Reel X'.*did you mean Real X"):
        read_points(path, options=ReadOptions(columns=("Reel X", "Real Y", "Real Z")))
    with pytest.raises(PointCloudFileError, match="has no column 7, only 6"):
        read_points(path, options=ReadOptions(columns=("5", "6", "7")))
    with pytest.raises(ConfigurationError, match="three different columns"):
        ReadOptions(columns=("1", "1", "2"))


@pytest.mark.parametrize("spelling", ["X [mm]", "X(mm)", "x_mm", "X (millimetres)", "X/mm"])
def test_the_header_says_the_unit(spelling: str, tmp_path: Path) -> None:
    names = [spelling.replace("X", axis.upper()).replace("x_", f"{axis}_") for axis in "xyz"]
    read = read_points(_write(tmp_path / "a.csv", XYZ, ",".join(names) + "\n", ","))
    assert read.units == "mm"
    np.testing.assert_array_equal(read.points, CLOUD.astype(np.float32))


def test_axes_in_different_units_are_brought_to_one(tmp_path: Path) -> None:
    head = "x [mm];y [mm];z [\xb5m]\n"
    for encoding in ("utf-8", "latin-1"):
        path = _write(tmp_path / "a.csv", [XYZ[0], XYZ[1], XYZ[2] * 1000], "", ";")
        path.write_bytes(head.encode(encoding) + path.read_bytes())
        read = read_points(path)
        np.testing.assert_allclose(read.points, CLOUD, rtol=1e-5, atol=1e-4)
        assert read.units == "mm"
        assert "converted from um to mm" in " ".join(read.notes)


def test_columns_of_pixels_are_no_lengths(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", XYZ, "x [px],y [px],z [mm]\n", ",")
    with pytest.raises(PointCloudFileError, match=r"'x \[px\]' is no length"):
        read_points(path)


HEADERS = st.sampled_from(["none", "names", "comment", "quoted", "title and names", "units"])
NAN = st.sampled_from(
    ["nan", "NaN", "-1.#IND", "1.#QNAN", "-nan(ind)", "n/a", "NA", "inf", "-Infinity", "null", "-"]
)


@given(
    header=HEADERS,
    delimiter=st.sampled_from([",", ";", "\t", " ", ", "]),
    comma=st.booleans(),
    missing=NAN,
    before=st.lists(st.sampled_from(["id", "nx,ny,nz", "time", "r,g,b"]), max_size=2, unique=True),
    after=st.lists(st.sampled_from(["intensity", "nx,ny,nz", "red,green,blue", "label"]),
                   max_size=2, unique=True),
    trailing=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)  # fmt: skip
@settings(max_examples=250, deadline=None)
def test_any_export_gives_the_same_cloud_or_says_how_to_name_the_columns(
    header: str, delimiter: str, comma: bool, missing: str, before: list[str], after: list[str],
    trailing: bool, end: str, tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    comma = comma and "," not in delimiter
    generator = np.random.default_rng(len(before) * 7 + len(after))
    names = [*",".join(before).split(","), "x", "y", "z", *",".join(after).split(",")]
    names = [name for name in names if name]
    if len(set(names)) < len(names):
        return
    columns = [_column(name, generator) for name in names]
    at = names.index("z")
    columns[at][3] = missing
    lines = [delimiter.join(row) for row in zip(*columns, strict=True)]
    if comma:
        lines = [line if i == 3 else line.replace(".", ",") for i, line in enumerate(lines)]
        lines[3] = lines[3].replace(missing, "\0").replace(".", ",").replace("\0", missing)
    tail = delimiter.strip() if trailing and delimiter.strip() else ""
    body = end.join(line + tail for line in lines) + end
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_bytes((_head(header, names, delimiter, tail, end) + body).encode())
    read, refusal = _read(path)
    if read is None:
        assert "--columns" in refusal
        assert header == "none", refusal
        return
    np.testing.assert_array_equal(read.points, np.delete(CLOUD, 3, 0).astype(np.float32))
    assert read.dropped == 1
    assert read.units == ("mm" if header == "units" else "")


def _read(path: Path) -> tuple[PointCloudData | None, str]:
    try:
        return read_points(path), ""
    except PointCloudFileError as error:
        return None, str(error)


def _column(name: str, generator: np.random.Generator) -> list[str]:
    if name in "xyz":
        return [f"{value:.4f}" for value in CLOUD[:, "xyz".index(name)]]
    if name in ("nx", "ny", "nz"):
        return [f"{value:.5f}" for value in NORMALS[:, ("nx", "ny", "nz").index(name)]]
    if name == "id":
        return [str(i) for i in range(COUNT)]
    if name == "time":
        return [f"{1_000 + i * 0.125:.3f}" for i in range(COUNT)]
    if name == "label":
        return [str(value) for value in generator.integers(0, 2, COUNT)]
    if name == "intensity":
        return [f"{value:.3f}" for value in generator.random(COUNT)]
    return [str(value) for value in generator.integers(0, 256, COUNT)]


def _head(header: str, names: list[str], delimiter: str, tail: str, end: str) -> str:
    if header == "none":
        return ""
    if header == "quoted":
        names = [f'"{name}"' for name in names]
    if header == "units":
        names = [f"{name} [mm]" if name in "xyz" else name for name in names]
    line = delimiter.join(names) + tail + end
    return {"comment": "//", "title and names": f"Part of a day{end}"}.get(header, "") + line

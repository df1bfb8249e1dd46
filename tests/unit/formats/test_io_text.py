"""Text clouds and ground truth: delimiters, headers, comments, labels."""

from __future__ import annotations

import sys

import numpy as np
import pandas
import pytest

from plane_anomalib.core.errors import PointCloudFileError
from plane_anomalib.formats.io import read_labelled_points, read_points
from plane_anomalib.formats.raw_cloud import ReadOptions


def rows(count: int = 50) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng()
    points = generator.normal(size=(count, 3)).astype(np.float32)
    labels = generator.random(count) < 0.3
    labels[0] = True
    return points, labels


@pytest.mark.parametrize("delimiter", [",", ", ", ";", "\t", " ", "   ", " \t"])
@pytest.mark.parametrize("label", ["{:d}", "{:.1f}", "{:.18e}"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_delimiter_gives_the_labels_and_never_all_zeros(delimiter, label, end, tmp_path):
    points, labels = rows()
    form = label.format
    lines = [
        delimiter.join([*(f"{v:.9g}" for v in point), form(int(flag) if "d" in label else flag)])
        for point, flag in zip(points, labels, strict=True)
    ]
    path = tmp_path / "gt.txt"
    path.write_bytes(end.join(lines).encode())
    cloud = read_labelled_points(path)
    np.testing.assert_array_equal(cloud.points, points)
    np.testing.assert_array_equal(cloud.labels, labels)


@pytest.mark.parametrize(
    "head",
    [
        "x,y,z,label\n",
        "\ufeffx,y,z,label\n",
        '"X","Y","Z","Label"\n',
        "# x y z label\n\n",
        "//X Y Z\n% more\n",
        "some words about it\n",
    ],
)
def test_headers_comments_and_blank_lines_are_tolerated(head, tmp_path):
    path = tmp_path / "gt.csv"
    body = "1,2,3,0\n\n# between\n4,5,6,1 # behind\n\n"
    path.write_text(head + body, encoding="utf-8")
    cloud = read_labelled_points(path)
    np.testing.assert_array_equal(cloud.points, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(cloud.labels, [False, True])


def test_header_names_choose_the_columns(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id;label;z;y;x;score\n7;1;3;2;1;0.5\n8;0;6;5;4;0.1\n")
    cloud = read_labelled_points(path)
    np.testing.assert_array_equal(cloud.points, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(cloud.labels, [True, False])


def test_decimal_commas_between_semicolons(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1,5;2,25;-3,0;1\n1e-1;0,5;7;0\n")
    cloud = read_labelled_points(path)
    np.testing.assert_array_equal(
        cloud.points, np.array([[1.5, 2.25, -3], [0.1, 0.5, 7]], np.float32)
    )


def test_further_columns_are_ignored_where_no_label_is_wanted(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("1 2 3 0.1 255 255 0\n4 5 6 0.2 255 0 0\n")
    np.testing.assert_array_equal(read_points(path).points, [[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2,3\n4,5,6\n", "no label column"),
        ("1,2,3,0,1\n", "no label column"),
        ("1,2,3,0\n4,5,6,2\n", "label 2 where 0 or 1"),
        ("1,2,3,0.5\n", "label 0.5 where 0 or 1"),
        ("1,2,3,-1\n", "label -1 where"),
        ("1,2,3,nan\n", "label nan where"),
        ("1,2,3,0\n4 5 6 1\n", "line 2 has"),
        ("1 2 3 0\n4,5,6,1\n", "line 2 has 1 value"),
        ("1 2 3,0\n4 5 6,1\n", "line 1 parts its numbers in more"),
        ("1,2,3,0\n4,5,6\n", r"line 2 has 3 value\(s\), not 4"),
        ("1,2,3,0\n4,5,6,\n", "label nan where"),
        ("1,2,3,0\n4,5,6,1,1\n", r"line 2 has 5 value\(s\), not 4"),
        ("0 0 0 1\n" * 9 + "0 0", r"line 10 has 2 value\(s\), not 4"),
        ("1;2;3;0\n1;2;1_0;0\n", "line 2 has '1_0'"),
    ],
)
def test_wrong_ground_truth_is_an_error_that_names_the_line(content, message, tmp_path):
    path = tmp_path / "gt.txt"
    path.write_text(content)
    with pytest.raises(PointCloudFileError, match=message) as caught:
        read_labelled_points(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1,2\n3,4\n", r"2 column\(s\) in line 1"),
        (b"1 2\n", r"2 column\(s\)"),
        (b"1|2|3\n4|5|6\n", "line 2 has|holds no row"),
        (b"a,b,c\nd,e,f\n", "zero points"),
        (b"only words here\n", "zero points"),
        (b"# nothing\n\n", "zero points"),
        (b"1.0,abc,2.0\n1,2,3\n", "line 1 has 'abc'"),
        (b"1,2,3\n4,x,6\n", "line 2 has 'x'"),
        (b"1,2,3\n" * 5000 + b"1,2\n", "line 5001 has 2"),
        (b"nan,nan,nan\n", "no finite point"),
        (b"\x00\x01\x02\x03", "not plain text"),
        ("1,2,3\n".encode("utf-16"), "not plain text"),
        (b"1,2,3\n4,\xff\xfe,6\n", "line 2 has"),
    ],
)
def test_wrong_text_is_an_error_that_names_the_line(content, message, tmp_path):
    path = tmp_path / "cloud.txt"
    path.write_bytes(content)
    with pytest.raises(PointCloudFileError, match=message):
        read_points(path)


READ = {
    "decimal commas after whole numbers": ("X;Y;Z\n0;0;0\n9,5;1,25;-4\n1;2;3,5\n", (9.5, 1.25)),
    "tabs and commas": ("9,5\t1,25\t-4\n0\t0\t0\n1\t2\t3,5\n", (9.5, 1.25)),
    "spaces and commas": ("9,5 1,25 -4,0\n0 0 0\n1 2 3,5\n", (9.5, 1.25)),
    "quoted commas": ('"9,5","1,25","-4"\n"0","0","0"\n"1","2","3,5"\n', (9.5, 1.25)),
    "count": ("3\n9.5 1.25 -4\n0 0 0\n1 2 3.5\n", (9.5, 1.25)),
    "header, then count": ("//X;Y;Z\n3\n9.5;1.25;-4\n0;0;0\n1;2;3.5\n", (9.5, 1.25)),
    "trailing delimiters": ("X,Y,Z,\n9.5,1.25,-4,\n0,0,0,\n1,2,3.5,\n", (9.5, 1.25)),
    "words in another column": ("n,x,y,z,ok\nP,9.5,1.25,-4,yes\nQ,0,0,0,no\nR,1,2,3.5,no\n",
                                (9.5, 1.25)),
    "exponents of Fortran": ("0.95D+01 1.25D0 -4.0\n0 0 0\n1 2 3.5\n", (9.5, 1.25)),
    "two titles": ("Part 7\nof today\nX Y Z\n9.5 1.25 -4\n0 0 0\n1 2 3.5\n", (9.5, 1.25)),
    "a name of two words": ("//X Y Z R G B Scalar field\n9.5 1.25 -4 1 2 3 4\n0 0 0 1 2 3 4\n"
                            "1 2 3.5 1 2 3 4\n", (9.5, 1.25)),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_what_programs_write_is_read(case, tmp_path):
    content, first = READ[case]
    path = tmp_path / "a.txt"
    path.write_text(content)
    points = read_points(path).points
    assert len(points) == 3
    np.testing.assert_allclose(points.sum(axis=0), [10.5, 3.25, -0.5])
    assert tuple(points[np.abs(points).max(axis=1).argmax(), :2]) == first


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,5;2.5;3\n4;5;6\n", "commas and points"),
        ('"1,234.5","2","3"\n', "line 1 parts its numbers in more than one way"),
        ("4\n1 2 3\n4 5 6\n", "promises 4 points, and 2 rows follow"),
        ("X,Y,Z\n0,5,1,5,2,5\n", "3 names for 6 columns.*--columns"),
        ("a b c d\n1 2 3 4\n", "names no x, y and z.*--columns"),
        ("r,theta,phi\n1,2,3\n", "names no x, y and z.*--columns"),
        ("x y intensity\n1 2 3\n", "names no x, y and z.*--columns"),
    ],
)
def test_what_can_be_taken_two_ways_is_refused(content, message, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(content)
    with pytest.raises(PointCloudFileError, match=message):
        read_points(path)


def test_numbers_of_columns_above_the_rows_are_no_point(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("0,1,2\n0.5,1.5,2.5\n1.5,2.5,3.5\n")
    assert len(read_points(path).points) == 2
    path.write_text("0,1,2\n3,1,2\n1,2,3\n")
    assert len(read_points(path).points) == 3


def test_units_may_stand_on_a_line_of_their_own(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("X,Y,Z\n[mm],[mm],[mm]\n0.5,1.5,2.5\n1.5,2.5,3.5\n")
    cloud = read_points(path)
    assert (len(cloud.points), cloud.units) == (2, "mm")


@pytest.mark.parametrize("missing", ["-1.#IND", "1.#QNAN00", "NaN", "n/a", "inf", "#N/A", "null"])
def test_what_is_no_number_is_left_out_and_counted(missing, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"x,y,z\n1,2,3\n4,5,{missing}\n,8,9\n")
    cloud = read_points(path)
    np.testing.assert_array_equal(cloud.points, [[1, 2, 3]])
    assert cloud.dropped == 2


def test_numbers_are_the_same_by_the_slow_and_the_fast_parser(tmp_path, monkeypatch):
    """Small files are read without pandas, whose import takes longer than they do."""
    path = tmp_path / "a.xyz"
    points = np.random.default_rng(3).normal(0, 50, (500, 3))
    np.savetxt(path, points, "%.17g")
    taken = [read_points(path).points]
    for worth in (0, 1 << 40):
        monkeypatch.setattr("plane_anomalib.formats.text._FastParser._WORTH", worth)
        monkeypatch.setitem(sys.modules, "pandas", sys.modules.get("pandas") or pandas)
        if worth:
            monkeypatch.delitem(sys.modules, "pandas")
        taken.append(read_points(path).points)
    for found in taken:
        np.testing.assert_array_equal(found, points.astype(np.float32))


HEAD = "2\n3\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n{}1 2 3 0.5\n" + "0 0 0 0.5\n" + "4 5 6 0.5\n" * 4
PLACES = ("1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "0 1 0 0\n-1 0 0 0\n0 0 1 0\n10 20 30 1\n")


def test_scans_of_a_ptx_lie_where_they_say(tmp_path):
    path = tmp_path / "a.ptx"
    path.write_text("".join(HEAD.format(place) for place in PLACES))
    cloud = read_points(path)
    assert cloud.dropped == 2
    np.testing.assert_array_equal(cloud.points[0], [1, 2, 3])
    np.testing.assert_array_equal(cloud.points[5], [10 - 2, 20 + 1, 30 + 3])
    assert "2 scans were joined" in cloud.notes[0]
    path.write_text(HEAD.format(PLACES[0])[:-10])
    with pytest.raises(PointCloudFileError, match="promises 6 points"):
        read_points(path)


def test_a_neu_file_without_names_is_asked_about(tmp_path):
    path = tmp_path / "a.neu"
    path.write_text("1 2 3\n" * 3)
    with pytest.raises(PointCloudFileError, match="--columns 2,1,3"):
        read_points(path)
    asked = read_points(path, options=ReadOptions(columns=("2", "1", "3")))
    np.testing.assert_array_equal(asked.points[0], [2, 1, 3])


def test_a_million_rows_of_ground_truth(tmp_path):
    """Blocks inside the fast parser must not lose or shift a row."""
    labels = np.random.default_rng().random(1_000_000) < 0.02
    path = tmp_path / "gt.txt"
    path.write_text("".join(f"{i},0,1,{int(flag)}\n" for i, flag in enumerate(labels.tolist())))
    cloud = read_labelled_points(path)
    np.testing.assert_array_equal(cloud.points[:, 0], np.arange(1_000_000))
    np.testing.assert_array_equal(cloud.labels, labels)

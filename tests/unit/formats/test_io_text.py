"""Text clouds and ground truth: delimiters, headers, comments, labels."""

from __future__ import annotations

import numpy as np
import pytest

from plane_anomalib.core.errors import PointCloudFileError
from plane_anomalib.formats.io import read_labelled_points, read_points


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
        ("1 2 3,0\n4 5 6,1\n", "line 1 has commas and spaces"),
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


def test_a_million_rows_of_ground_truth(tmp_path):
    """Blocks inside the fast parser must not lose or shift a row."""
    labels = np.random.default_rng().random(1_000_000) < 0.02
    path = tmp_path / "gt.txt"
    path.write_text("".join(f"{i},0,1,{int(flag)}\n" for i, flag in enumerate(labels.tolist())))
    cloud = read_labelled_points(path)
    np.testing.assert_array_equal(cloud.points[:, 0], np.arange(1_000_000))
    np.testing.assert_array_equal(cloud.labels, labels)

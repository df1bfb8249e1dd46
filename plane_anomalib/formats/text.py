"""Tables of numbers as text: .xyz, .txt, .csv, and the bodies of ascii .pcd and .ply files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from plane_anomalib.core.errors import PointCloudFileError
from plane_anomalib.formats.raw_cloud import (
    AXES,
    Ceiling,
    Columns,
    RawCloud,
    atomic_writer,
    check_file,
    column_indices,
    write_rows,
)

_NAN = ["nan", "NaN", "NAN", "Nan", "-nan", "-NaN", "-NAN", "nan(ind)", "-nan(ind)"]
_NUMBER = re.compile(
    r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|[+-]?(nan(\(ind\))?|inf|infinity)", re.IGNORECASE
)
_COMMENTS = ("#", "//", "%")
_LONGEST_LINE = 65_536


@dataclass(frozen=True)
class TextLayout:
    """How a text table is laid out.

    Attributes:
        delimiter: The column delimiter; None for runs of spaces and tabs.
        decimal: The decimal mark.
        names: Column names in lower case, empty without a header line.
        skip: Number of lines before the first row.
        columns: Number of columns of the first row.
    """

    delimiter: str | None = None
    decimal: str = "."
    names: tuple[str, ...] = ()
    skip: int = 0
    columns: int = 0

    def split(self, line: str) -> list[str]:
        """Split one line into its values."""
        values = line.split("#", 1)[0].strip().split(self.delimiter)
        return [value.strip().replace(self.decimal, ".") for value in values]


def read_text(path: Path, ceiling: Ceiling) -> RawCloud:
    """Read x y z and, from four columns on, a label column.

    The delimiter (comma, semicolon, tab, spaces) is taken from the first row of numbers. One
    header line without a number is tolerated and its names are used; `#`, `//` and `%` start a
    comment line before the table, `#` also inside it.

    Raises:
        PointCloudFileError: Not text, not numeric, ragged, fewer than three columns, or too many
            rows.
    """
    with path.open("rb") as handle:
        layout = _detect_layout(path, handle)
        handle.seek(0)
        for _ in range(layout.skip):
            handle.readline(_LONGEST_LINE)
        table = read_table(path, handle, layout, rows=_rows_to_read(layout, ceiling))
    ceiling.check(path, len(table), table.nbytes)
    if set(AXES) <= set(layout.names):
        xyz, label = column_indices(path, layout.names, "column")
    else:
        xyz, label = (0, 1, 2), None
    if label is None and table.shape[1] == 4 and xyz == (0, 1, 2):
        label = 3
    return RawCloud(table[:, list(xyz)], None if label is None else table[:, label])


def read_column(path: Path) -> npt.NDArray[np.float64]:
    """Read a file of one number per line.

    Raises:
        PointCloudFileError: Missing, empty, not numeric, or more than one column.
    """
    check_file(path)
    with path.open("rb") as handle:
        return read_table(path, handle, TextLayout(columns=1))[:, 0]


def _rows_to_read(layout: TextLayout, ceiling: Ceiling) -> int | None:
    """As many as tell that there are too many."""
    if ceiling.points is None:
        return None
    return min(ceiling.points, int(ceiling.size) // (8 * layout.columns)) + 1


def read_table(
    path: Path, handle: BinaryIO, layout: TextLayout, rows: int | None = None
) -> npt.NDArray[np.float64]:
    """Read numbers from the position of `handle` on.

    Args:
        path: The file, for the errors.
        handle: The open file, at the first row.
        layout: The layout; `columns` is binding.
        rows: Stop after so many rows; None reads to the end.

    Returns:
        Shape (rows found, columns).

    Raises:
        PointCloudFileError: A value that is no number, or a row of another length.
    """
    start = handle.tell()
    if len(handle.readline(_LONGEST_LINE)) == _LONGEST_LINE:
        # The parser makes a column of each of its values, at a thousand times their size.
        raise _too_long(path, layout.skip + 1)
    handle.seek(start)
    try:
        table = _parsed(handle, layout, rows)
    except (ValueError, OverflowError) as error:
        handle.seek(start)
        reason = _first_fault(handle, layout) or f"cannot be read as numbers: {error}"
        raise PointCloudFileError(
            path, reason, "every row needs the same number of numeric values"
        ) from error
    if table.shape[1] != layout.columns:
        raise PointCloudFileError(
            path,
            f"has rows of {table.shape[1]} values where {layout.columns} are expected",
            "the file is damaged or its header is wrong",
        )
    return table


def _parsed(handle: BinaryIO, layout: TextLayout, rows: int | None) -> npt.NDArray[np.float64]:
    """The table as it stands there, of whatever width; a `ValueError` says that it is none."""
    import pandas as pd

    try:
        # An empty or missing value is an error here (no default missing values), never a NaN.
        frame = pd.read_csv(
            handle,
            sep=layout.delimiter or r"\s+",
            decimal=layout.decimal,
            header=None,
            dtype=np.float64,
            engine="c",
            comment="#",
            nrows=rows,
            quoting=3,
            skipinitialspace=True,
            na_values=_NAN,
            keep_default_na=False,
            encoding_errors="replace",
        )
    except pd.errors.EmptyDataError:
        return np.empty((0, layout.columns))
    return frame.to_numpy()


def _detect_layout(path: Path, handle: BinaryIO) -> TextLayout:
    """Look at the lines up to the first row of numbers."""
    header: list[str] | None = None
    for number, raw in enumerate(iter(lambda: handle.readline(_LONGEST_LINE), b"")):
        if b"\x00" in raw or raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise PointCloudFileError(
                path, "is not plain text (binary or UTF-16)", "save it as UTF-8 text"
            )
        if len(raw) == _LONGEST_LINE:
            raise _too_long(path, number + 1)
        line = raw.decode("utf-8-sig", "replace").strip()
        if not line or line.startswith(_COMMENTS):
            continue
        layout = _layout_of(line)
        values = layout.split(line)
        numeric = [bool(_NUMBER.fullmatch(value)) for value in values]
        if all(numeric):
            if len(values) < 3:
                raise PointCloudFileError(
                    path,
                    f"has {len(values)} column(s) in line {number + 1}; x, y and z are needed",
                    "separate the values by comma, semicolon, tab or space",
                )
            names = tuple(header) if header and len(header) == len(values) else ()
            return TextLayout(layout.delimiter, layout.decimal, names, number, len(values))
        if header is not None or any(numeric):
            fault = next(value for value, good in zip(values, numeric, strict=True) if not good)
            raise PointCloudFileError(
                path,
                f"line {number + 1} has {fault[:40]!r} where a number belongs",
                "rows of numbers may follow one line of names",
            )
        header = [value.strip("\"'").lower() for value in values]
    raise PointCloudFileError(
        path, "holds no row of numbers: zero points", "rows of x y z are needed"
    )


def _layout_of(line: str) -> TextLayout:
    if ";" in line:
        return TextLayout(";", "," if "," in line else ".")
    return TextLayout("," if "," in line else None)


def _too_long(path: Path, number: int) -> PointCloudFileError:
    return PointCloudFileError(
        path, f"line {number} has over {_LONGEST_LINE:,} characters", "one row per point is needed"
    )


def _first_fault(handle: BinaryIO, layout: TextLayout) -> str | None:
    """Name the first bad line; the fast parser only says that there is one."""
    for number, raw in enumerate(
        iter(lambda: handle.readline(_LONGEST_LINE), b""), layout.skip + 1
    ):
        if len(raw) == _LONGEST_LINE:
            return f"line {number} has over {_LONGEST_LINE:,} characters"
        line = raw.decode("utf-8", "replace")
        if not line.split("#", 1)[0].strip():
            continue
        values = layout.split(line)
        if len(values) != layout.columns:
            return f"line {number} has {len(values)} value(s), not {layout.columns}"
        for value in values:
            if not _NUMBER.fullmatch(value):
                return f"line {number} has {value[:40]!r} where a number belongs"
    return None


def write_text(path: Path, columns: Columns, *, delimiter: str, header: bool) -> None:
    """Write one row per point, with the column names first if `header`."""
    with atomic_writer(path) as handle:
        if header:
            handle.write((delimiter.join(columns) + "\n").encode())
        write_rows(handle.write, columns, delimiter)

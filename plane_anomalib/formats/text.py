"""Tables of numbers as text: .xyz, .txt, .csv and the like, bodies of ascii .pcd and .ply."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from plane_anomalib.core.errors import PointCloudFileError
from plane_anomalib.formats.arrays import points_of_heights
from plane_anomalib.formats.columns import (
    MATRIX_COLUMNS,
    asked_columns,
    columns_by_look,
    named_columns,
)
from plane_anomalib.formats.raw_cloud import (
    TRUNCATED_HINT,
    Ceiling,
    Columns,
    RawCloud,
    ReadOptions,
    atomic_writer,
    check_file,
    check_room,
    write_rows,
)
from plane_anomalib.formats.text_layout import (
    COMMENT_MARKS,
    LONGEST_LINE,
    TextLayout,
    as_number,
    detect_layout,
    too_long,
)

_NAN = ["nan", "NaN", "NAN", "Nan", "-nan", "-NaN", "-NAN", "nan(ind)", "-nan(ind)"]
_MSVC = re.compile(rb"[+-]?\d*[.,]?#(?:IND|QNAN|SNAN|INF|NAN)\w*", re.IGNORECASE)
_COMMENT = re.compile(rb"(?m)(?:^|(?<=[\s,;]))#[^\r\n]*")
_QUOTED = re.compile(rb'"([^"\r\n]*)"')
_BLOCK = 1 << 22
_NORTH_FIRST = (
    "gives north, east and up in an order that it does not name",
    "say which columns are x, y and z, such as --columns 2,1,3 where north comes first",
)
_RAGGED = "every row needs the same number of numeric values"


def read_text(path: Path, ceiling: Ceiling, options: ReadOptions | None = None) -> RawCloud:
    """Read a table of points, or a matrix of heights.

    The delimiter (comma, semicolon, tab, spaces) and the decimal mark are taken from the first
    rows. A line before them names the columns, also one that begins with `#`, `//` or `%`; `#`
    starts a comment inside the table, too. A number alone on the first line says how many rows
    follow. What is no number in any spelling becomes NaN.

    Args:
        path: The file.
        ceiling: How much it may hold.
        options: Which columns to take, and the pitch of heights.

    Raises:
        PointCloudFileError: Not text, not numeric, ragged, fewer than three columns, unclear
            which are x, y and z, or too many rows.
    """
    options = options or ReadOptions()
    with path.open("rb") as handle:
        layout = detect_layout(path, handle, options)
        handle.seek(0)
        for _ in range(layout.skip):
            handle.readline(LONGEST_LINE)
        table = read_table(path, handle, layout, rows=_rows_to_read(layout, ceiling))
    ceiling.check(path, len(table), table.nbytes)
    _check_promise(path, layout, len(table))
    if options.columns:
        return asked_columns(path, options, layout.names, layout.columns).cloud(path, table)
    named = named_columns(layout.names)
    if named is not None:
        return named.cloud(path, table)
    if layout.columns >= MATRIX_COLUMNS and not layout.names:
        ceiling.check(path, table.size)
        return points_of_heights(path, table, options.pitch)
    if path.suffix.lower() == ".neu":
        raise PointCloudFileError(path, *_NORTH_FIRST)
    return columns_by_look(path, table, layout.names).cloud(path, table)


def read_ptx(path: Path, ceiling: Ceiling, options: ReadOptions | None = None) -> RawCloud:
    """Read Leica's .ptx: scans one after the other, each a grid with its place in the world.

    Args:
        path: The file.
        ceiling: How much it may hold.
        options: Not needed here: the columns are fixed.

    Returns:
        The points of all scans, each at its place; NaN where the grid has none.

    Raises:
        PointCloudFileError: Damaged or truncated.
    """
    clouds: list[npt.NDArray[np.float64]] = []
    line = found = 0
    with path.open("rb") as handle:
        while head := [text for text in (handle.readline(LONGEST_LINE) for _ in range(10)) if text]:
            if not b"".join(head).strip():
                break
            points, matrix = _ptx_head(path, head, line)
            found, line = found + points, line + 10
            ceiling.check(path, found)
            left = path.stat().st_size - handle.tell()
            check_room(path, 6 * points, left + 1, f"{points} points")
            rows = b"".join(islice(iter(partial(handle.readline, LONGEST_LINE), b""), points))
            width = len(rows[: rows.find(b"\n")].split()) or 4
            layout = TextLayout(columns=width, skip=line)
            table = read_table(path, BytesIO(rows), layout)
            if len(table) != points or width < 3:
                reason = f"a scan promises {points} points, and {len(table)} rows follow"
                raise PointCloudFileError(path, reason, TRUNCATED_HINT)
            line += points
            table[(table[:, :3] == 0).all(axis=1)] = np.nan  # no echo in this direction
            clouds.append(table[:, :3] @ matrix[:3, :3] + matrix[3, :3])
    if not clouds:
        raise PointCloudFileError(path, "holds no scan", TRUNCATED_HINT)
    notes = (f"{len(clouds)} scans were joined as their places say.",) if len(clouds) > 1 else ()
    return RawCloud(np.concatenate(clouds), notes=notes)


def _ptx_head(path: Path, head: Sequence[bytes], line: int) -> tuple[int, npt.NDArray[np.float64]]:
    """The number of points of a scan, and the matrix that rows are multiplied by from the right."""
    try:
        columns, rows = (int(text) for text in head[:2])
        values = [[float(word) for word in text.split()] for text in head[2:]]
        matrix = np.array(values[4:], np.float64)
        if [len(row) for row in values] != [3] * 4 + [4] * 4 or min(columns, rows) < 1:
            raise ValueError
    except ValueError as error:
        reason = f"has no head of a .ptx scan from line {line + 1} on"
        raise PointCloudFileError(path, reason, "export it again, or as .ply") from error
    return columns * rows, matrix


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


def _check_promise(path: Path, layout: TextLayout, rows: int) -> None:
    if layout.promised not in (None, rows):
        raise PointCloudFileError(
            path,
            f"its first line promises {layout.promised} points, and {rows} rows follow",
            "the file is truncated or joined out of several: copy or export it again",
        )


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
    tables: list[npt.NDArray[np.float64]] = []
    found, begin = 0, handle.tell()
    while (rows is None or found < rows) and (block := handle.read(_BLOCK)):
        line = partial(_line_at, handle, begin, here := handle.tell() - len(block), layout.skip + 1)
        if not block.endswith(b"\n"):
            block += handle.readline(LONGEST_LINE)
        # The parser makes a column of each value, at a thousand times its size.
        start = max(block.rfind(b"\n", 0, -1), 0)
        if len(block) - start > LONGEST_LINE or block.find(b"\n", 0, LONGEST_LINE) < 0 < start:
            raise too_long(path, line() + block.count(b"\n"))
        if here == 0:
            block = block.removeprefix(b"\xef\xbb\xbf")
        table = _parsed(path, block, layout, line, None if rows is None else rows - found)
        tables.append(table)
        found += len(table)
    if len(tables) == 1:
        return tables[0]
    return np.concatenate(tables) if tables else np.empty((0, layout.columns))


def _line_at(handle: BinaryIO, begin: int, here: int, first: int) -> int:
    """The number of the line at a place, counted only where something is wrong with it."""
    place = handle.tell()
    handle.seek(begin)
    lines = handle.read(here - begin).count(b"\n")
    handle.seek(place)
    return first + lines


def _parsed(
    path: Path, block: bytes, layout: TextLayout, line: Callable[[], int], rows: int | None
) -> npt.NDArray[np.float64]:
    """The rows of whole lines: fast where they are plain, else one by one."""
    plain = block
    if b"#" in plain:
        plain = _COMMENT.sub(b"", _MSVC.sub(b"nan", plain))
    if layout.quoted:
        plain = _unquoted(path, plain, layout)
    if layout.decimal == ",":
        if b"." in plain:
            raise _two_marks(path)
        plain = plain.replace(b",", b".")
    try:
        table = _PARSER.table(plain, layout.delimiter, rows)
    except (ValueError, OverflowError):
        return _row_by_row(path, block, layout, line(), rows)
    if table.size and table.shape[1] != layout.columns:
        return _row_by_row(path, block, layout, line(), rows)
    return table.reshape(-1, layout.columns)


def _unquoted(path: Path, block: bytes, layout: TextLayout) -> bytes:
    inside = _QUOTED.findall(block)
    if not any(b"," in value for value in inside):
        return block.replace(b'"', b"")
    if any(b"." in value for value in inside):
        raise _two_marks(path)
    return _QUOTED.sub(lambda found: found[1].replace(b",", layout.decimal.encode()), block)


def _two_marks(path: Path) -> PointCloudFileError:
    return PointCloudFileError(
        path,
        "has commas and points in its numbers, so it is unclear which is the decimal mark",
        "export it with decimal points",
    )


class _FastParser:
    """Plain rows to numbers: by NumPy until importing pandas, five times as fast, has paid off."""

    _WORTH = 6_000_000
    """Bytes for which NumPy takes longer by the time that importing pandas takes."""

    def __init__(self) -> None:
        self._done = 0

    def table(
        self, block: bytes, delimiter: str | None, rows: int | None
    ) -> npt.NDArray[np.float64]:
        """Read rows of equal length.

        Raises:
            ValueError: A value that is no number, or rows of different length.
        """
        if not block.strip():
            return np.empty((0, 0))
        self._done += len(block) if len(block) < _BLOCK else self._WORTH + 1  # more follows
        if "pandas" in sys.modules or self._done > self._WORTH or not block.isascii():
            return _by_pandas(block, delimiter, rows)
        lines = block.decode("ascii").splitlines()
        return np.loadtxt(lines, delimiter=delimiter, comments=None, max_rows=rows, ndmin=2)


_PARSER = _FastParser()


def _by_pandas(block: bytes, delimiter: str | None, rows: int | None) -> npt.NDArray[np.float64]:
    import pandas as pd

    # An empty or missing value is an error here (no default missing values), never a NaN.
    frame = pd.read_csv(
        BytesIO(block),
        sep=delimiter or r"\s+",
        header=None,
        dtype=np.float64,
        engine="c",
        nrows=rows,
        quoting=3,
        skipinitialspace=True,
        na_values=_NAN,
        keep_default_na=False,
        encoding_errors="replace",
    )
    return frame.to_numpy()


def _row_by_row(
    path: Path, block: bytes, layout: TextLayout, line: int, rows: int | None
) -> npt.NDArray[np.float64]:
    """Read what is no plain table, or name the first line that is at fault."""
    table: list[list[float]] = []
    numbers, layout = _meant(block, layout)
    for number, values in numbers:
        if len(values) != layout.columns:
            reason = f"line {line + number} has {len(values)} value(s), not {layout.columns}"
            raise PointCloudFileError(path, reason, _RAGGED)
        row = [as_number(value) for value in values]
        for i, value in enumerate(row):
            if value is None and (not layout.needed or i in layout.needed):
                reason = f"line {line + number} has {values[i][:40]!r} where a number belongs"
                raise PointCloudFileError(path, reason, _RAGGED)
        table.append([np.nan if value is None else value for value in row])
        if len(table) == rows:
            break
    return np.array(table, np.float64).reshape(-1, layout.columns)


def _meant(block: bytes, layout: TextLayout) -> tuple[list[tuple[int, list[str]]], TextLayout]:
    """The values of each line; between tabs nothing may stand, too."""
    lines = _values_of(block, layout)
    if (
        layout.delimiter is None
        and b"\t" in block
        and any(len(v) != layout.columns for _, v in lines)
    ):
        tabbed = replace(layout, delimiter="\t")
        strict = _values_of(block, tabbed)
        if all(len(values) == layout.columns for _, values in strict):
            return strict, tabbed
    return lines, layout


def _values_of(block: bytes, layout: TextLayout) -> list[tuple[int, list[str]]]:
    cleaned = _COMMENT.sub(b"", _MSVC.sub(b"nan", block)) if b"#" in block else block
    lines = cleaned.decode("utf-8", "replace").split("\n")
    kept = ((i, text) for i, text in enumerate(lines) if text.strip())
    return [(i, layout.split(text)) for i, text in kept if not text.startswith(COMMENT_MARKS)]


def write_text(path: Path, columns: Columns, *, delimiter: str, header: bool) -> None:
    """Write one row per point, with the column names first if `header`."""
    with atomic_writer(path) as handle:
        if header:
            handle.write((delimiter.join(columns) + "\n").encode())
        write_rows(handle.write, columns, delimiter)

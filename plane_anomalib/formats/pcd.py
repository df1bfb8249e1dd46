"""PCD, the format of the Point Cloud Library, version 0.7 and its older relatives.

The parser is ours because pypcd4 allocates what a header says before looking at the file, returns
short arrays for some truncated files, and refuses headers without COUNT or WIDTH. LZF itself is the
python-neo-lzf library.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from plane_anomalib.core.errors import PointCloudFileError
from plane_anomalib.formats.raw_cloud import (
    HEADER_HINT,
    TRUNCATED_HINT,
    Ceiling,
    Columns,
    RawCloud,
    atomic_writer,
    check_room,
    column_indices,
    column_view,
    structured,
    write_rows,
)
from plane_anomalib.formats.text import TextLayout, read_table

PcdEncoding = Literal["binary", "ascii", "binary_compressed"]

_LONGEST_HEADER = 65_536
_LZF_MAX_RATIO = 90  # Three bytes of an LZF stream stand for 264 at most.
_DTYPES = {
    "F": {4: "<f4", 8: "<f8"},
    "I": {1: "<i1", 2: "<i2", 4: "<i4", 8: "<i8"},
    "U": {1: "<u1", 2: "<u2", 4: "<u4", 8: "<u8"},
}


@dataclass(frozen=True)
class PcdHeader:
    """The header of a PCD file; `lines` counts its lines, `offset` its bytes."""

    fields: tuple[str, ...]
    sizes: tuple[int, ...]
    types: tuple[str, ...]
    counts: tuple[int, ...]
    points: int
    encoding: str
    lines: int
    offset: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Bytes per point of each field."""
        return tuple(size * count for size, count in zip(self.sizes, self.counts, strict=True))


def read_pcd(path: Path, ceiling: Ceiling) -> RawCloud:
    """Read x, y, z and the label field of a PCD file of any encoding.

    Other fields of any width and count are skipped; an organised cloud (HEIGHT above 1) is read
    row by row.

    Raises:
        PointCloudFileError: The header is wrong, the data is not what it says, or too large.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        header = _read_header(path, handle)
        xyz, label = column_indices(path, header.fields, "FIELDS")
        wanted = [*xyz] if label is None else [*xyz, label]
        if header.points == 0:
            return RawCloud(np.empty((0, 3), np.float32))
        ceiling.check(path, header.points, header.points * sum(header.widths))
        columns = _READERS[header.encoding](path, handle, header, wanted, size - header.offset)
    return RawCloud(np.stack(columns[:3], axis=1), columns[3] if len(columns) > 3 else None)


def _read_header(path: Path, handle: BinaryIO) -> PcdHeader:
    entries: dict[str, list[str]] = {}
    lines = 0
    while "DATA" not in entries:
        raw = handle.readline(4096)
        lines += 1
        if not raw or handle.tell() > _LONGEST_HEADER:
            raise PointCloudFileError(
                path, "has no DATA line: it is no PCD file or its head only", TRUNCATED_HINT
            )
        words = raw.decode("latin-1").split("#", 1)[0].split()
        if words:
            entries[words[0].upper()] = words[1:]
    for name in ("FIELDS", "SIZE", "TYPE", "POINTS"):
        if not entries.get(name):
            raise PointCloudFileError(path, f"has no {name} line in its header", HEADER_HINT)
    fields = tuple(entries["FIELDS"])
    header = PcdHeader(
        fields=fields,
        sizes=_integers(path, "SIZE", entries["SIZE"]),
        types=tuple(kind.upper() for kind in entries["TYPE"]),
        counts=_integers(path, "COUNT", entries.get("COUNT") or ["1"] * len(fields)),
        points=_integers(path, "POINTS", entries["POINTS"][:1])[0],
        encoding=" ".join(entries["DATA"]).lower(),
        lines=lines,
        offset=handle.tell(),
    )
    _check_header(path, header, entries)
    return header


def _integers(path: Path, name: str, words: list[str]) -> tuple[int, ...]:
    if not all(word.isascii() and word.isdigit() for word in words):
        raise PointCloudFileError(
            path,
            f"its header line {name} has {' '.join(words)[:60]!r}, not whole numbers",
            HEADER_HINT,
        )
    return tuple(int(word) for word in words)


def _check_header(path: Path, header: PcdHeader, entries: dict[str, list[str]]) -> None:
    lengths = {len(header.fields), len(header.sizes), len(header.types), len(header.counts)}
    if len(lengths) > 1 or 0 in header.widths:
        raise PointCloudFileError(
            path,
            "its header lines FIELDS, SIZE, TYPE and COUNT do not fit each other",
            HEADER_HINT,
        )
    if header.encoding not in _READERS:
        raise PointCloudFileError(
            path, f"its DATA kind {header.encoding!r} is unknown", f"known: {', '.join(_READERS)}"
        )
    if entries.get("WIDTH") and entries.get("HEIGHT"):
        width = _integers(path, "WIDTH", entries["WIDTH"][:1])[0]
        height = _integers(path, "HEIGHT", entries["HEIGHT"][:1])[0]
        if width * height != header.points:
            raise PointCloudFileError(
                path,
                f"WIDTH x HEIGHT is {width * height}, but POINTS is {header.points}",
                HEADER_HINT,
            )


def _dtype(path: Path, header: PcdHeader, index: int) -> str:
    kind, size = header.types[index], header.sizes[index]
    try:
        return _DTYPES[kind][size]
    except KeyError:
        raise PointCloudFileError(
            path,
            f"field {header.fields[index]!r} has the unknown type {kind}{size}",
            HEADER_HINT,
        ) from None


def _read_binary(
    path: Path, handle: BinaryIO, header: PcdHeader, wanted: list[int], room: int
) -> list[npt.NDArray[Any]]:
    stride = sum(header.widths)
    check_room(path, header.points * stride, room, f"{header.points} points")
    buffer = np.fromfile(handle, np.uint8, header.points * stride)
    offsets = np.cumsum([0, *header.widths]).tolist()
    return [
        column_view(buffer, _dtype(path, header, i), header.points, offsets[i], stride)
        for i in wanted
    ]


def _read_compressed(
    path: Path, handle: BinaryIO, header: PcdHeader, wanted: list[int], room: int
) -> list[npt.NDArray[Any]]:
    import lzf

    if room < 8:
        raise PointCloudFileError(path, "ends before its compressed data", TRUNCATED_HINT)
    packed, unpacked = struct.unpack("<II", handle.read(8))
    check_room(path, packed, room - 8, f"{packed} compressed bytes")
    expected = header.points * sum(header.widths)
    if unpacked != expected or unpacked > _LZF_MAX_RATIO * packed:
        raise PointCloudFileError(
            path,
            f"{packed} compressed bytes cannot unpack to {unpacked} of which the header's "
            f"{header.points} points need {expected}",
            TRUNCATED_HINT,
        )
    try:
        data = lzf.decompress(handle.read(packed), unpacked)
    except ValueError:
        data = None
    if data is None or len(data) != unpacked:
        raise PointCloudFileError(path, "its compressed data is corrupt", TRUNCATED_HINT)
    # Compressed files hold one field after the other, all points of each.
    buffer = np.frombuffer(data, np.uint8)
    starts = np.cumsum([0, *(width * header.points for width in header.widths)]).tolist()
    return [
        column_view(buffer, _dtype(path, header, i), header.points, starts[i], header.widths[i])
        for i in wanted
    ]


def _read_ascii(
    path: Path, handle: BinaryIO, header: PcdHeader, wanted: list[int], room: int
) -> list[npt.NDArray[Any]]:
    values = sum(header.counts)
    check_room(path, 2 * values * header.points - 1, room, f"{header.points} points")
    table = read_table(path, handle, TextLayout(columns=values, skip=header.lines))
    if len(table) != header.points:
        raise PointCloudFileError(
            path,
            f"its header promises {header.points} points, but {len(table)} rows follow",
            TRUNCATED_HINT,
        )
    first = np.cumsum([0, *header.counts]).tolist()
    return [table[:, first[i]] for i in wanted]


_READERS = {
    "ascii": _read_ascii,
    "binary": _read_binary,
    "binary_compressed": _read_compressed,
}


def write_pcd(path: Path, columns: Columns, encoding: PcdEncoding) -> None:
    """Write columns of shape (N,) as the fields of an unorganised PCD 0.7 file."""
    points = len(next(iter(columns.values())))
    dtypes = [array.dtype for array in columns.values()]
    header = (
        "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\n"
        f"FIELDS {' '.join(columns)}\n"
        f"SIZE {' '.join(str(dtype.itemsize) for dtype in dtypes)}\n"
        f"TYPE {' '.join(dtype.kind.upper() for dtype in dtypes)}\n"
        f"COUNT {' '.join('1' for _ in dtypes)}\n"
        f"WIDTH {points}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\n"
        f"POINTS {points}\nDATA {encoding}\n"
    )
    with atomic_writer(path) as handle:
        handle.write(header.encode("ascii"))
        if encoding == "ascii":
            write_rows(handle.write, columns, " ")
        elif encoding == "binary":
            handle.write(structured(columns).tobytes())
        else:
            handle.write(_compress(columns))


def _compress(columns: Columns) -> bytes:
    import lzf

    little = (a.astype(a.dtype.newbyteorder("<"), copy=False) for a in columns.values())
    plain = b"".join(array.tobytes() for array in little)
    # Measured coordinates hardly compress: leave room for LZF's overhead (one byte in 32).
    packed = lzf.compress(plain, len(plain) + len(plain) // 16 + 64)
    return struct.pack("<II", len(packed), len(plain)) + packed

"""PLY vertices, ascii and binary of either byte order.

The parser is ours because plyfile is under the GPL and trimesh drops other vertex properties and
does not say when a file is truncated; faces are left to trimesh (see `mesh`).
"""

from __future__ import annotations

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

PlyEncoding = Literal["binary", "ascii"]

_LONGEST_HEADER = 1 << 20
_MOST_PROPERTIES = 4096
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4",
    "float": "f4", "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8",
}  # fmt: skip
_NAMES = {
    "i1": "char", "u1": "uchar", "i2": "short", "u2": "ushort",
    "i4": "int", "u4": "uint", "f4": "float", "f8": "double",
}  # fmt: skip


@dataclass(frozen=True)
class PlyElement:
    """One element of a PLY header.

    Attributes:
        name: As written, such as `vertex`.
        count: How many follow.
        names: Property names.
        dtypes: Type of each property, of the length for a list.
        lists: Whether each property is a list.
    """

    name: str
    count: int
    names: tuple[str, ...]
    dtypes: tuple[str, ...]
    lists: tuple[bool, ...]

    @property
    def width(self) -> int:
        """Bytes of one binary entry, with empty lists."""
        return sum(int(dtype[-1]) for dtype in self.dtypes)


@dataclass(frozen=True)
class PlyHeader:
    """The header of a PLY file; `lines` counts its lines, `offset` its bytes."""

    format: str
    elements: tuple[PlyElement, ...]
    lines: int
    offset: int

    @property
    def faces(self) -> int:
        """How many polygons the file has."""
        return sum(element.count for element in self.elements if element.name == "face")


def read_ply_header(path: Path) -> PlyHeader:
    """Read the header and check the sizes in it against the size of the file.

    Raises:
        PointCloudFileError: No PLY file, or a header that cannot be right.
    """
    with path.open("rb") as handle:
        lines = _header_lines(path, handle)
        offset = handle.tell()
    kind, elements = _parsed_header(path, lines)
    header = PlyHeader(kind, tuple(elements), len(lines) + 1, offset)
    _check_sizes(path, header)
    return header


def _parsed_header(path: Path, lines: list[str]) -> tuple[str, list[PlyElement]]:
    """The format and the elements that the lines of a header declare."""
    kind = ""
    elements: list[PlyElement] = []
    for line in lines:
        match line.split():
            case ["format", name, _] if name in _ORDERS:
                kind = name
            case ["element", name, count] if count.isascii() and count.isdigit():
                elements.append(PlyElement(name, int(count), (), (), ()))
            case ["property", dtype, name] if dtype in _TYPES and elements:
                elements[-1] = _with_property(elements[-1], name, dtype, False)
            case ["property", "list", length, item, name] if (
                length in _TYPES and item in _TYPES and elements
            ):
                elements[-1] = _with_property(elements[-1], name, length, True)
            case ["comment" | "obj_info" | "ply", *_] | []:
                pass
            case _:
                raise PointCloudFileError(
                    path, f"its PLY header line {line[:60]!r} is wrong", HEADER_HINT
                )
        if len(elements) > _MOST_PROPERTIES or (
            elements and len(elements[-1].names) > _MOST_PROPERTIES
        ):
            raise PointCloudFileError(
                path,
                f"its PLY header has over {_MOST_PROPERTIES} elements or properties of one",
                HEADER_HINT,
            )
    if not kind:
        raise PointCloudFileError(path, "has no format line in its PLY header", HEADER_HINT)
    return kind, elements


def _header_lines(path: Path, handle: BinaryIO) -> list[str]:
    lines: list[str] = []
    while handle.tell() < _LONGEST_HEADER:
        raw = handle.readline(4096)
        line = raw.decode("latin-1").strip()
        if not lines and line != "ply":
            raise PointCloudFileError(
                path,
                "does not begin with 'ply': it is no PLY file",
                "give it the suffix of its own format, or export it again",
            )
        if line == "end_header":
            return lines
        if not raw:
            break
        lines.append(line)
    raise PointCloudFileError(path, "its PLY header has no end", TRUNCATED_HINT)


def _with_property(element: PlyElement, name: str, dtype: str, is_list: bool) -> PlyElement:
    return PlyElement(
        element.name,
        element.count,
        (*element.names, name),
        (*element.dtypes, _TYPES[dtype]),
        (*element.lists, is_list),
    )


def _check_sizes(path: Path, header: PlyHeader) -> None:
    for element in header.elements:
        if element.count and not element.names:
            # It would take no room in the file, however many of it are promised.
            raise PointCloudFileError(
                path, f"its PLY header gives the element {element.name[:40]!r} no property"
            )
    room = path.stat().st_size - header.offset
    ascii_body = header.format == "ascii"
    needed = sum(
        element.count * (2 * len(element.names) if ascii_body else element.width)
        for element in header.elements
    )
    promise = ", ".join(f"{element.count} x {element.name}" for element in header.elements)
    check_room(path, needed - ascii_body, room, promise)


def read_ply(path: Path, header: PlyHeader, ceiling: Ceiling) -> RawCloud:
    """Read x, y, z and the label property of the vertices.

    Raises:
        PointCloudFileError: No vertices with x, y and z, fewer than the header says, or too many.
    """
    names = [element.name for element in header.elements]
    if "vertex" not in names:
        raise PointCloudFileError(path, "has no vertex element in its PLY header", HEADER_HINT)
    position = names.index("vertex")
    vertex = header.elements[position]
    before = header.elements[:position]
    if any(any(element.lists) for element in (*before, vertex)):
        raise PointCloudFileError(
            path, "has list properties in or before its vertices", "export the vertices first"
        )
    xyz, label = column_indices(path, vertex.names, "vertex property")
    wanted = [*xyz] if label is None else [*xyz, label]
    if vertex.count == 0:
        return RawCloud(np.empty((0, 3), np.float32))
    ceiling.check(path, vertex.count, vertex.count * vertex.width)
    with path.open("rb") as handle:
        handle.seek(header.offset)
        if header.format == "ascii":
            columns = _read_ascii(path, handle, header, before, vertex, wanted)
        else:
            skip = sum(element.count * element.width for element in before)
            handle.seek(skip, 1)
            columns = _read_binary(handle, vertex, wanted, _ORDERS[header.format])
    return RawCloud(np.stack(columns[:3], axis=1), columns[3] if len(columns) > 3 else None)


def _read_binary(
    handle: BinaryIO, vertex: PlyElement, wanted: list[int], order: str
) -> list[npt.NDArray[Any]]:
    buffer = np.fromfile(handle, np.uint8, vertex.count * vertex.width)
    offsets = np.cumsum([0, *(int(dtype[-1]) for dtype in vertex.dtypes)]).tolist()
    return [
        column_view(buffer, order + vertex.dtypes[i], vertex.count, offsets[i], vertex.width)
        for i in wanted
    ]


def _read_ascii(
    path: Path,
    handle: BinaryIO,
    header: PlyHeader,
    before: tuple[PlyElement, ...],
    vertex: PlyElement,
    wanted: list[int],
) -> list[npt.NDArray[Any]]:
    skip = sum(element.count for element in before)
    for _ in range(skip):
        handle.readline()
    layout = TextLayout(columns=len(vertex.names), skip=header.lines + skip)
    table = read_table(path, handle, layout, rows=vertex.count)
    if len(table) != vertex.count:
        raise PointCloudFileError(
            path,
            f"its header promises {vertex.count} vertices, but {len(table)} rows follow",
            TRUNCATED_HINT,
        )
    return [table[:, i] for i in wanted]


def write_ply(path: Path, columns: Columns, encoding: PlyEncoding) -> None:
    """Write columns of shape (N,) as the vertex properties of a PLY file."""
    kind = "ascii" if encoding == "ascii" else "binary_little_endian"
    properties = "".join(
        f"property {_NAMES[array.dtype.str[1:]]} {name}\n" for name, array in columns.items()
    )
    points = len(next(iter(columns.values())))
    header = f"ply\nformat {kind} 1.0\nelement vertex {points}\n{properties}end_header\n"
    with atomic_writer(path) as handle:
        handle.write(header.encode("ascii"))
        if encoding == "ascii":
            write_rows(handle.write, columns, " ")
        else:
            handle.write(structured(columns).tobytes())

"""Clouds in arrays: .npy and .npz, never unpickled; grids of points, matrices of heights."""

from __future__ import annotations

import lzma
import math
import tokenize
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from plane_anomalib.core.errors import PointCloudFileError
from plane_anomalib.formats.columns import (
    MATRIX_COLUMNS,
    asked_columns,
    columns_by_look,
    named_columns,
)
from plane_anomalib.formats.raw_cloud import (
    AXES,
    LABEL_NAMES,
    TRUNCATED_HINT,
    Ceiling,
    RawCloud,
    ReadOptions,
)

POINT_KEYS = ("points", "xyz", "data")
# What instruments write where nothing was measured: the ends of integer and float types, and
# numbers that no height has.
_FILLS = np.array(
    [
        *(-32768, 32767, 65535, -2147483648, 2147483647, -9999, -99999, -999999, -999, -10000),
        *(99999, -99.9999, -999.99, -999.999, -9999.99, -9999.9, -3.4028235e38, 3.4028235e38),
        *(-1e10, 1e10),
    ]
)
_CLEAR_OF = 0.05
"""A value is no height only if it lies so far from the others, as a share of their range."""
_OFTENER = 10
"""So many times as often as any other value: noise repeats none."""
_KINDS = 4
"""Different values for "not measured" that one map may have."""
_BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
    NotImplementedError,
)


def read_npy(path: Path, ceiling: Ceiling, options: ReadOptions | None = None) -> RawCloud:
    """Read points out of an array, see `cloud_of_array`.

    Raises:
        PointCloudFileError: No array of numbers of that shape, pickled, truncated or too large.
    """
    with path.open("rb") as handle:
        shape, dtype = _check_header(path, handle, path.stat().st_size)
        _check_ceiling(path, shape, dtype, ceiling)
        handle.seek(0)
        return cloud_of_array(path, np.load(handle, allow_pickle=False), options)


def read_npz(path: Path, ceiling: Ceiling, options: ReadOptions | None = None) -> RawCloud:
    """Read the array `points`, `xyz` or `data`, else the only one of an archive with points.

    Arrays `x`, `y` and `z` of one shape are points as well.

    Labels are an (N,) array called `label`, `labels`, `mask` or `gt`, else the fourth column.

    Raises:
        PointCloudFileError: No archive, none or several arrays that would do, or too large ones.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            shapes = _shapes(path, archive)
            keys = _choose(path, shapes)
            members = [_load_member(path, archive, key, ceiling) for key in keys]
            label_key = next((name for name in LABEL_NAMES if name in shapes), None)
            labels = None if label_key is None else _load_member(path, archive, label_key, ceiling)
    except _BROKEN_ARCHIVE as error:
        raise PointCloudFileError(
            path, f"is no readable .npz archive: {error}", TRUNCATED_HINT
        ) from error
    points = members[0] if len(members) == 1 else np.stack(members, axis=-1)
    if len(members) == 3:
        points = points.reshape(-1, 3)
    cloud = cloud_of_array(path, points, options)
    if labels is None:
        return cloud
    if labels.size != len(cloud.coordinates):
        raise PointCloudFileError(
            path,
            f"has {labels.size} values in {label_key!r} for {len(cloud.coordinates)} points",
            "one label per point is needed",
        )
    return replace(cloud, labels=labels.reshape(-1))


def _shapes(path: Path, archive: zipfile.ZipFile) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for info in archive.infolist():
        if info.filename.endswith(".npy"):
            with archive.open(info) as member:
                shape, dtype = _check_header(path, member, info.file_size)
            if dtype.kind in "fiub":
                shapes[info.filename.removesuffix(".npy")] = shape
    return shapes


def _choose(path: Path, shapes: dict[str, tuple[int, ...]]) -> tuple[str, ...]:
    """The array of points, or those of x, y and z."""
    named = [key for key in POINT_KEYS if key in shapes]
    fitting = [key for key, shape in shapes.items() if _may_be_points(shape)]
    if named:
        return (named[0],)
    if len({shapes.get(axis) for axis in AXES}) == 1 and "x" in shapes:
        return AXES
    if len(fitting) == 1:
        return (fitting[0],)
    found = ", ".join(f"{key} {shape}" for key, shape in shapes.items()) or "none"
    raise PointCloudFileError(
        path,
        f"has {len(fitting)} arrays of shape (N, 3) where one is needed; it holds {found}",
        "call the array 'points'",
    )


def _may_be_points(shape: tuple[int, ...]) -> bool:
    if len(shape) == 2:
        return shape[1] >= 3
    return len(shape) == 3 and 3 in (shape[0], shape[2])


def _load_member(
    path: Path, archive: zipfile.ZipFile, key: str, ceiling: Ceiling
) -> npt.NDArray[Any]:
    name = f"{key}.npy"
    with archive.open(name) as member:
        shape, dtype = _check_header(path, member, archive.getinfo(name).file_size)
        _check_ceiling(path, shape, dtype, ceiling)
    with archive.open(name) as member:
        try:
            return np.lib.format.read_array(member, allow_pickle=False)
        except ValueError as error:
            raise PointCloudFileError(
                path, f"its array {key!r} cannot be read: {error}", TRUNCATED_HINT
            ) from error


def _check_header(
    path: Path, handle: BinaryIO | Any, size: int
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read a .npy header and refuse pickles and sizes beyond the file before loading."""
    try:
        version = np.lib.format.read_magic(handle)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(handle)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(handle)
    except (ValueError, SyntaxError, tokenize.TokenError) as error:
        raise PointCloudFileError(
            path, f"is no readable NumPy array: {error}", TRUNCATED_HINT
        ) from error
    if dtype.hasobject:
        raise PointCloudFileError(
            path, "holds pickled objects, which are never loaded", "save a plain float array"
        )
    needed = dtype.itemsize
    for length in shape:
        needed *= length
    if needed > size - handle.tell():
        raise PointCloudFileError(
            path,
            f"its header promises {shape} values ({needed} bytes), but the data is "
            f"{size - handle.tell()} bytes long",
            TRUNCATED_HINT,
        )
    return shape, dtype


def _check_ceiling(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], ceiling: Ceiling
) -> None:
    points = shape[0] if shape else 1
    if len(shape) == 2 and shape[1] >= MATRIX_COLUMNS:
        points = shape[1] if _is_transposed(shape) else math.prod(shape)
    elif len(shape) > 2:
        points = math.prod(shape) // 3
    ceiling.check(path, points, math.prod(shape) * dtype.itemsize)


def cloud_of_array(
    path: Path, array: npt.NDArray[Any], options: ReadOptions | None = None
) -> RawCloud:
    """Take points out of an array of any shape that can hold them.

    (N, 3) are points, (N, 4) have the label last; of more columns the first three count if they
    look like coordinates. (H, W, 3) is an organised cloud, (3, N) one that lies on its side, and
    any other matrix of 20 columns or more is a height map. A record array has names.

    Args:
        path: The file, for the errors.
        array: Any array.
        options: Which columns to take, and the pitch of heights.

    Raises:
        PointCloudFileError: It holds no points, or it is unclear how.
    """
    options = options or ReadOptions()
    names: tuple[str, ...] = array.dtype.names or ()
    if names:
        array = _columns_of_records(path, array.reshape(-1))
    if array.dtype.kind not in "fiu":
        raise PointCloudFileError(
            path, f"holds values of type {array.dtype}, not numbers", "save a float array"
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim == 2 and array.shape[1] >= MATRIX_COLUMNS and not _is_transposed(array.shape):
        return points_of_heights(path, array, options.pitch)
    table, notes = _as_table(path, array)
    if options.columns:
        chosen = asked_columns(path, options, names, table.shape[1])
    else:
        chosen = named_columns(names) or columns_by_look(path, table, names)
    cloud = chosen.cloud(path, table)
    return replace(cloud, notes=(*notes, *cloud.notes))


def _columns_of_records(path: Path, records: npt.NDArray[Any]) -> npt.NDArray[Any]:
    names = records.dtype.names or ()
    try:
        return np.stack([records[name].astype(np.float64) for name in names], axis=1)
    except (TypeError, ValueError) as error:
        raise PointCloudFileError(
            path, f"holds records that are no numbers: {error}", "save a float array"
        ) from error


def _as_table(path: Path, array: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Rows of points, and what was done to have them."""
    shape = array.shape
    if array.ndim == 3 and 3 <= shape[2] < MATRIX_COLUMNS:
        return array.reshape(-1, shape[2]), ()
    if array.ndim == 3 and shape[0] == 3:
        note = f"The array {shape} was taken for x, y and z of a grid."
        return array.reshape(3, -1).T, (note,)
    if array.ndim != 2 or min(shape) < 3:
        if array.ndim == 2 and shape[1] >= 3:
            return array, ()  # a point or two
        raise PointCloudFileError(
            path, f"holds an array of shape {shape}; (N, 3) is needed", "one row per point"
        )
    if _is_transposed(shape):
        return array.T, (f"The array {shape} was turned: a column of it is a point.",)
    if shape[0] == 3 and shape[1] > 6:
        raise PointCloudFileError(
            path,
            f"holds an array of shape {shape}, in which rows or columns may be points",
            "save it as (N, 3)",
        )
    return array, ()


def _is_transposed(shape: tuple[int, ...]) -> bool:
    return shape[0] in (3, 4, 6) and shape[1] >= MATRIX_COLUMNS


def points_of_heights(path: Path, heights: npt.NDArray[Any], pitch: tuple[float, ...]) -> RawCloud:
    """Make points of a matrix: x along its columns, y up its rows as in a picture, z its values.

    A first row and a first column of equal steps are positions, and then no pitch is needed.

    Args:
        path: The file, for the errors.
        heights: Shape (H, W), any real dtype.
        pitch: As `ReadOptions.pitch`.

    Returns:
        H x W points, row by row; NaN where nothing was measured.

    Raises:
        PointCloudFileError: There is no pitch, the positions contradict it, or nothing was
            measured.
    """
    table, steps, notes = _without_positions(heights.astype(np.float64))
    wide, high = _pitch(path, heights.shape, steps, pitch)
    measured, more = _measured(table)
    if not measured.any():
        raise PointCloudFileError(
            path, "has no measured height", "export it again, or leave it out"
        )
    rows, columns = table.shape
    points = np.empty((rows, columns, 3))
    points[..., 0] = np.arange(columns) * wide
    points[..., 1] = (np.arange(rows)[::-1] * high)[:, None]
    points[..., 2] = np.where(measured, table * (pitch[2] if len(pitch) > 2 else 1.0), np.nan)
    size = f"Is a height map of {rows} x {columns}, {wide:.6g} and {high:.6g} apart."
    return RawCloud(points.reshape(-1, 3), notes=(size, *notes, *more))


def _pitch(
    path: Path, shape: tuple[int, ...], steps: tuple[float, float], pitch: tuple[float, ...]
) -> tuple[float, float]:
    """The distance of columns and of rows."""
    wide, high = steps[0] or _given(pitch, 0), steps[1] or _given(pitch, 1)
    if not wide or not high:
        raise PointCloudFileError(
            path,
            f"is a matrix of {shape[0]} x {shape[1]} numbers, not a list of points",
            "a height map? give the distance of its columns and rows, such as --pitch 0.5 or "
            "--pitch 0.5,0.3; else save rows of x y z",
        )
    for found, given in zip(steps, (_given(pitch, 0), _given(pitch, 1)), strict=True):
        if found and given and abs(found / given - 1) > 0.01:
            raise PointCloudFileError(
                path,
                f"has positions {found:.6g} apart beside its heights, and --pitch says {given:g}",
                "leave out --pitch, or the row and the column of positions",
            )
    return wide, high


def _given(pitch: tuple[float, ...], place: int) -> float:
    return pitch[min(place, len(pitch) - 1)] if pitch else 0.0


def _without_positions(
    table: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], tuple[float, float], tuple[str, ...]]:
    """Take off a first row and a first column that say where the others lie."""
    if min(table.shape) < 4:
        return table, (0.0, 0.0), ()
    row, column = _step(table[0, 1:]), _step(table[1:, 0])
    if _step(table[1, 1:]) or _step(table[1:, 1]):
        return table, (0.0, 0.0), ()  # a plane that tilts
    parts = [name for step, name in ((row, "row"), (column, "column")) if step]
    if not parts:
        return table, (0.0, 0.0), ()
    kept = table[1 if row else 0 :, 1 if column else 0 :]
    if row and not column:
        kept = table[1:]
    note = f"Its first {' and '.join(parts)} have equal steps and were taken for positions."
    return kept, (abs(row), abs(column)), (note,)


def _step(values: npt.NDArray[np.float64]) -> float:
    """The step of values that are equally spaced; 0 where they are not."""
    if not np.isfinite(values).all():
        return 0.0
    steps = np.diff(values)
    mean = float(steps.mean())
    equal = mean != 0 and np.abs(steps - mean).max() < 0.02 * abs(mean)
    return mean if equal else 0.0


def _measured(heights: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.bool_], tuple[str, ...]]:
    """Which heights were measured, and what is to be said of the others."""
    measured = np.isfinite(heights)
    fills: list[float] = []
    values, counts = np.unique(heights[measured], return_counts=True)
    while len(values) > 1 and len(fills) < _KINDS:
        place = next((end for end in (0, -1) if _is_fill(values, counts, end)), None)
        if place is None:
            break
        fills.append(float(values[place]))
        values, counts = np.delete(values, place), np.delete(counts, place)
    measured &= ~np.isin(heights, fills)
    notes: tuple[str, ...] = ()
    if left_out := int((~measured).sum()):
        what = f" (not a number{', ' if fills else ''}" + ", ".join(f"{v:g}" for v in fills) + ")"
        notes = (f"{left_out:,} of {heights.size:,} heights{what} are not measured: left out.",)
    zeros = int((heights[measured] == 0).sum())
    others = counts[values != 0]
    if zeros > _OFTENER and len(others) > _OFTENER and zeros >= _OFTENER * others.max():
        notes += (f"{zeros:,} heights are exactly 0 and were kept; are they measured?",)
    return measured, notes


def _is_fill(values: npt.NDArray[np.float64], counts: npt.NDArray[np.intp], end: int) -> bool:
    """Whether the lowest (0) or highest (-1) value stands for "not measured"."""
    value, rest, others = values[end], np.delete(values, end), np.delete(counts, end)
    gap = float(abs(value - rest[end]))
    spread = float(np.ptp(rest))
    known = bool(np.isclose(_FILLS, value, rtol=1e-6).any())
    if gap <= _CLEAR_OF * spread or len(rest) < _OFTENER:
        return known and gap > spread
    often = counts[end] >= max(_OFTENER * int(others.max()), _OFTENER)
    return known or bool(often) or (counts[end] > 1 and gap > spread)

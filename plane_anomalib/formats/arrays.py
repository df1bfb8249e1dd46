"""NumPy arrays on disk: .npy and .npz, never unpickled."""

from __future__ import annotations

import lzma
import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from plane_anomalib.core.errors import PointCloudFileError
from plane_anomalib.formats.raw_cloud import (
    LABEL_NAMES,
    TRUNCATED_HINT,
    Ceiling,
    Columns,
    RawCloud,
    atomic_writer,
)

POINT_KEYS = ("points", "xyz", "data")
_BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
    NotImplementedError,
)


def read_npy(path: Path, ceiling: Ceiling) -> RawCloud:
    """Read an (N, 3) array, or (N, 4) with the label last; further columns are ignored.

    Raises:
        PointCloudFileError: No array of numbers of that shape, pickled, truncated or too large.
    """
    with path.open("rb") as handle:
        shape, dtype = _check_header(path, handle, path.stat().st_size)
        _check_ceiling(path, shape, dtype, ceiling)
        handle.seek(0)
        return _as_cloud(path, np.load(handle, allow_pickle=False))


def read_npz(path: Path, ceiling: Ceiling) -> RawCloud:
    """Read the array `points`, `xyz` or `data`, else the only (N, >= 3) array of an archive.

    Labels are an (N,) array called `label`, `labels`, `mask` or `gt`, else the fourth column.

    Raises:
        PointCloudFileError: No archive, none or several arrays that would do, or too large ones.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            shapes = _shapes(path, archive)
            key = _choose(path, shapes)
            points = _load_member(path, archive, key, ceiling)
            label_key = next((name for name in LABEL_NAMES if name in shapes), None)
            labels = None if label_key is None else _load_member(path, archive, label_key, ceiling)
    except _BROKEN_ARCHIVE as error:
        raise PointCloudFileError(
            path, f"is no readable .npz archive: {error}", TRUNCATED_HINT
        ) from error
    cloud = _as_cloud(path, points)
    if labels is None:
        return cloud
    if labels.size != len(points):
        raise PointCloudFileError(
            path,
            f"has {labels.size} values in {label_key!r} for {len(points)} points",
            "one label per point is needed",
        )
    return RawCloud(cloud.coordinates, labels.reshape(-1))


def _shapes(path: Path, archive: zipfile.ZipFile) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for info in archive.infolist():
        if info.filename.endswith(".npy"):
            with archive.open(info) as member:
                shape, dtype = _check_header(path, member, info.file_size)
            if dtype.kind in "fiub":
                shapes[info.filename.removesuffix(".npy")] = shape
    return shapes


def _choose(path: Path, shapes: dict[str, tuple[int, ...]]) -> str:
    named = [key for key in POINT_KEYS if key in shapes]
    fitting = [key for key, shape in shapes.items() if len(shape) == 2 and shape[1] >= 3]
    if named:
        return named[0]
    if len(fitting) == 1:
        return fitting[0]
    found = ", ".join(f"{key} {shape}" for key, shape in shapes.items()) or "none"
    raise PointCloudFileError(
        path,
        f"has {len(fitting)} arrays of shape (N, 3) where one is needed; it holds {found}",
        "call the array 'points'",
    )


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
    ceiling.check(path, shape[0] if shape else 1, math.prod(shape) * dtype.itemsize)


def _as_cloud(path: Path, array: npt.NDArray[Any]) -> RawCloud:
    if array.dtype.kind not in "fiu":
        raise PointCloudFileError(
            path, f"holds values of type {array.dtype}, not numbers", "save a float array"
        )
    if array.ndim != 2 or array.shape[1] < 3:
        raise PointCloudFileError(
            path, f"holds an array of shape {array.shape}; (N, 3) is needed", "one row per point"
        )
    return RawCloud(array[:, :3], array[:, 3] if array.shape[1] == 4 else None)


def write_npy(path: Path, columns: Columns) -> None:
    """Write the columns as one (N, C) array."""
    with atomic_writer(path) as handle:
        np.save(handle, np.stack(list(columns.values()), axis=1), allow_pickle=False)


def write_npz(path: Path, columns: Columns) -> None:
    """Write `points` (N, 3) and every further column as an array of its own name."""
    points = np.stack([columns[axis] for axis in "xyz"], axis=1)
    rest = {name: array for name, array in columns.items() if name not in "xyz"}
    # Not numpy.savez: there a field called "file" would collide with an argument.
    with atomic_writer(path) as handle, zipfile.ZipFile(handle, "w") as archive:
        for name, array in {"points": points, **rest}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)

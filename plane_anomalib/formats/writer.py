"""Write point clouds: whole files or none."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.formats.pcd import write_pcd
from plane_anomalib.formats.ply import write_ply
from plane_anomalib.formats.raw_cloud import AXES, Columns, atomic_writer
from plane_anomalib.formats.text import write_text

Encoding = Literal["binary", "ascii", "binary_compressed"]
"""How a file is written; see `write_points`."""

_FIELD_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_COLOR_NAMES = ("red", "green", "blue")
_TEXT = {".csv": ",", ".txt": ",", ".xyz": " "}
WRITTEN_SUFFIXES = frozenset({".pcd", ".ply", ".npy", ".npz", *_TEXT})


def write_points(
    path: str | Path,
    points: npt.ArrayLike,
    *,
    labels: npt.ArrayLike | None = None,
    fields: Mapping[str, npt.ArrayLike] | None = None,
    colors: npt.ArrayLike | None = None,
    encoding: Encoding = "binary",
    delimiter: str | None = None,
) -> None:
    """Write a cloud so that `read_points` gives the same float32 values back.

    The file appears whole or not at all: it is written under a temporary name and renamed. Missing
    parent folders are made.

    Args:
        path: The file to write; its suffix, one of `WRITTEN_SUFFIXES`, chooses the format.
        points: Shape (N, 3), N >= 1. float32 stays float32, everything else is written as float64.
        labels: Shape (N,), bool or 0/1, written as the column `label`.
        fields: Further columns by name, shape (N,) each, such as anomaly scores. Text files get a
            header line for them; `.npy` has no place for names and takes none.
        colors: Shape (N, 3), uint8 red, green, blue; `.ply` only.
        encoding: How `.pcd` (all three) and `.ply` (`binary` is little-endian, or `ascii`) are
            written; the other formats have one form each.
        delimiter: Column delimiter of text; comma for `.csv` and `.txt`, space for `.xyz` if None.
            `.csv` has a header line.

    Raises:
        ConfigurationError: A suffix, shape, name or encoding that cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    columns = _columns(suffix, points, labels, fields or {}, colors)
    header = suffix == ".csv" or bool(fields)
    _write(path, columns, encoding, delimiter, header=header)


def _write(
    path: Path, columns: Columns, encoding: Encoding, delimiter: str | None, *, header: bool
) -> None:
    """Hand columns to the format that the suffix names, if it knows what is asked of it."""
    suffix = path.suffix.lower()
    if suffix == ".pcd":
        if encoding not in ("binary", "ascii", "binary_compressed"):
            raise ConfigurationError(
                f"encoding {encoding!r} is unknown for .pcd: binary, ascii or binary_compressed."
            )
        write_pcd(path, columns, encoding)
    elif suffix == ".ply":
        if encoding not in ("binary", "ascii"):
            raise ConfigurationError(f"encoding {encoding!r} is unknown for .ply: binary or ascii.")
        write_ply(path, columns, encoding)
    elif suffix in _TEXT:
        if delimiter not in (None, ",", ";", " ", "\t"):
            raise ConfigurationError(f"delimiter {delimiter!r} is none of comma, ;, space, tab.")
        write_text(path, columns, delimiter=delimiter or _TEXT[suffix], header=header)
    elif suffix == ".npy":
        _write_npy(path, columns)
    else:
        _write_npz(path, columns)


def _columns(
    suffix: str,
    points: npt.ArrayLike,
    labels: npt.ArrayLike | None,
    fields: Mapping[str, npt.ArrayLike],
    colors: npt.ArrayLike | None,
) -> dict[str, npt.NDArray[Any]]:
    """Check the arguments and lay them out as named columns of storable types."""
    if suffix not in WRITTEN_SUFFIXES:
        raise ConfigurationError(
            f"Points cannot be written as {suffix!r}: use one of "
            f"{', '.join(sorted(WRITTEN_SUFFIXES))}."
        )
    array = np.asarray(points)
    if array.ndim != 2 or array.shape[1] != 3 or len(array) == 0 or array.dtype.kind not in "fiu":
        raise ConfigurationError(
            f"points is {array.dtype} of shape {array.shape}; numbers of shape (N, 3), N >= 1 "
            "are needed."
        )
    if array.dtype != np.float32:
        array = array.astype(np.float64)
    columns: dict[str, npt.NDArray[Any]] = dict(zip(AXES, array.T, strict=True))
    if labels is not None:
        columns["label"] = _label_column(labels, len(array))
    if colors is not None:
        columns |= _color_columns(suffix, colors, len(array))
    if fields and suffix == ".npy":
        raise ConfigurationError(".npy has no place for named fields: write .npz instead.")
    for name, values in fields.items():
        reserved = name in columns or name == "points" or name == "label"
        if not _FIELD_NAME.fullmatch(name) or reserved:
            raise ConfigurationError(
                f"{name!r} cannot be the name of a field: it is taken, or not letters, digits, _."
            )
        columns[name] = _storable(name, np.asarray(values), len(array))
    return columns


def _label_column(labels: npt.ArrayLike, count: int) -> npt.NDArray[np.uint8]:
    array = _storable("labels", np.asarray(labels), count)
    if not np.isin(array, (0, 1)).all():
        raise ConfigurationError(
            "labels has values other than 0 and 1: give 1 for anomalous points."
        )
    return array.astype(np.uint8)


def _color_columns(suffix: str, colors: npt.ArrayLike, count: int) -> dict[str, npt.NDArray[Any]]:
    array = np.asarray(colors)
    if suffix != ".ply":
        raise ConfigurationError(f"Colours are written to .ply only, not {suffix}.")
    if array.shape != (count, 3) or array.dtype != np.uint8:
        raise ConfigurationError(
            f"colors is {array.dtype} of shape {array.shape}; uint8 of ({count}, 3) is needed."
        )
    return dict(zip(_COLOR_NAMES, array.T, strict=True))


def _storable(name: str, values: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    """Bring a column to a type that every format has."""
    if values.shape != (count,) or values.dtype.kind not in "fiub":
        raise ConfigurationError(
            f"{name} is {values.dtype} of shape {values.shape}; numbers of shape ({count},) "
            "are needed."
        )
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind == "f":
        return values.astype(np.float64 if values.dtype.itemsize > 4 else np.float32)
    if values.dtype.itemsize <= 4:
        return values
    small = np.all(np.abs(values.astype(np.float64)) < 2**31)
    return values.astype(np.int32 if small else np.float64)


def _write_npy(path: Path, columns: Columns) -> None:
    """Write the columns as one (N, C) array."""
    with atomic_writer(path) as handle:
        np.save(handle, np.stack(list(columns.values()), axis=1), allow_pickle=False)


def _write_npz(path: Path, columns: Columns) -> None:
    """Write `points` (N, 3) and every further column as an array of its own name."""
    points = np.stack([columns[axis] for axis in "xyz"], axis=1)
    rest = {name: array for name, array in columns.items() if name not in "xyz"}
    # Not numpy.savez: there a field called "file" would collide with an argument.
    with atomic_writer(path) as handle, zipfile.ZipFile(handle, "w") as archive:
        for name, array in {"points": points, **rest}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)

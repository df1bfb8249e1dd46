"""What the format modules share: the raw cloud, file checks, atomic writing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from plane_anomalib.core.errors import (
    ConfigurationError,
    PointCloudFileError,
    PointCloudTooLargeError,
)
from plane_anomalib.core.files import replaced

AXES = ("x", "y", "z")
LABEL_NAMES = ("label", "labels", "mask", "gt")
TRUNCATED_HINT = "the file is truncated or its header is wrong: copy or export it again"
HEADER_HINT = "its header is damaged or of another format: export the cloud again"

_BYTES_PER_POINT = 256

Columns = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class RawCloud:
    """A cloud as the file has it, before any check of its values.

    Attributes:
        coordinates: Shape (N, 3), any real dtype.
        labels: Shape (N,), any real dtype, or None where the file has none.
        sampled: Whether the points were drawn from a mesh.
        notes: A sentence for whatever was dropped, converted or assumed, without the file's name.
        units: The unit of length that the file declares, a key of `core.units.MILLIMETRES`; ""
            where it declares none.
    """

    coordinates: npt.NDArray[Any]
    labels: npt.NDArray[Any] | None = None
    sampled: bool = False
    notes: tuple[str, ...] = ()
    units: str = ""


@dataclass(frozen=True)
class ReadOptions:
    """What a file does not say of itself.

    Attributes:
        columns: Which columns of a text file are x, y and z: names, or numbers from 1; empty
            leaves it to the header.
        pitch: Of a height map: the distance from column to column, from row to row (by default
            the same), and the unit of its heights (by default 1), all in the unit of the result;
            empty refuses height maps.

    Raises:
        ConfigurationError: Not three columns, or not one to three distances above 0.
    """

    columns: tuple[str, ...] = ()
    pitch: tuple[float, ...] = ()

    @classmethod
    def typed(cls, columns: str | None, pitch: str | None) -> ReadOptions:
        """The options as they are typed, such as `"x,y,z"` and `"0.5,0.3"`; None for neither.

        Raises:
            ConfigurationError: A pitch is no number, or what the class refuses.
        """
        names = tuple(name.strip() for name in (columns or "").split(",") if name.strip())
        try:
            steps = tuple(float(step) for step in pitch.split(",")) if pitch else ()
        except ValueError as error:
            raise ConfigurationError(
                f"--pitch {pitch}: give numbers, such as --pitch 0.5 or --pitch 0.5,0.3."
            ) from error
        return cls(names, steps)

    def __post_init__(self) -> None:
        if self.columns and len(set(self.columns)) != 3:
            raise ConfigurationError(
                f"--columns {','.join(self.columns)}: name three different columns, those of "
                "x, y and z, such as --columns x,y,z or --columns 2,3,4."
            )
        if len(self.pitch) > 3 or not all(0 < step < float("inf") for step in self.pitch):
            raise ConfigurationError(
                f"--pitch {','.join(f'{step:g}' for step in self.pitch)}: give one to three "
                "distances above 0, such as --pitch 0.5 or --pitch 0.5,0.3."
            )


_FEWEST = 50
_ZEROS, _ELSEWHERE = 3, 20
"""A place that so many points share is no measurement: a surface is hit there once."""
_FILL_SHARE = 0.002
_LOOKED_AT = 2_000
_PRECISION = 1e-4
"""Largest step of the coordinates, as a share of the longest side."""


def fill_rows(points: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which points are what a camera writes where it has measured nothing.

    Those are all in one place, mostly (0, 0, 0). In a cloud of a few points there are none.

    Args:
        points: (N, 3), finite.

    Returns:
        (N,).
    """
    if len(points) < _FEWEST:
        return np.zeros(len(points), np.bool_)
    at_zero = ~points.any(axis=1)
    if at_zero.sum() >= _ZEROS and not at_zero.all():
        return np.asarray(at_zero)
    drawn = points[np.random.default_rng(0).integers(0, len(points), _LOOKED_AT)]
    places, counts = np.unique(drawn, axis=0, return_counts=True)
    same = np.asarray((points == places[np.argmax(counts)]).all(axis=1))
    if same.sum() >= max(_ELSEWHERE, _FILL_SHARE * len(points)) and not same.all():
        return same
    return np.zeros(len(points), np.bool_)


def about_fill(points: npt.NDArray[Any], fill: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    """A sentence about the fill of a cloud, or none.

    Args:
        points: (N, 3).
        fill: (N,), see `fill_rows`.
    """
    if not fill.any():
        return ()
    where = ", ".join(f"{value:.6g}" for value in points[fill][0].tolist())
    return (f"{int(fill.sum()):,} points in one place, ({where}), are no measurement: left out.",)


def too_coarse(points: npt.NDArray[np.float32]) -> str:
    """Why float32 cannot hold the shape of a cloud where it lies; "" where it can.

    Args:
        points: (N, 3).

    Returns:
        A clause.
    """
    largest = float(np.abs(points).max())
    extent = float(np.ptp(points.astype(np.float64), axis=0).max())
    step = float(np.spacing(np.float32(largest)))
    if not np.inf > step > _PRECISION * extent > 0:
        return ""
    return (
        f"its coordinates near {largest:.6g} are too far from the origin: float32 has steps of "
        f"{step:.3g} there, beside an extent of {extent:.6g}"
    )


@dataclass(frozen=True)
class Ceiling:
    """How much a file may become in memory, looked at before anything is allocated.

    Attributes:
        points: Most points; None for any number.
    """

    points: int | None = None

    @property
    def size(self) -> float:
        """Most bytes of all columns, also those that nobody asked for; infinite for any number."""
        return float("inf") if self.points is None else _BYTES_PER_POINT * self.points

    def check(self, path: Path, points: int, size: int = 0) -> None:
        """Refuse what is above.

        Args:
            path: The file, for the error.
            points: How many points it has.
            size: How many bytes they take.

        Raises:
            PointCloudTooLargeError: More points, or more bytes than so many points should take.
        """
        if self.points is None:
            return
        hint = "thin it, or cut out the part that matters"
        if points > self.points:
            raise PointCloudTooLargeError(
                path, f"has {points:,} points where at most {self.points:,} are taken", hint
            )
        if size > self.size:
            raise PointCloudTooLargeError(
                path, f"unpacks to {size:,} bytes where at most {self.size:,.0f} are taken", hint
            )


def check_file(path: Path) -> None:
    """Refuse what cannot be a point cloud whatever its suffix.

    Raises:
        PointCloudFileError: Missing, a directory, unreadable, empty, a Git LFS pointer or a web
            page.
    """
    if path.is_dir():
        raise PointCloudFileError(path, "is a directory, not a file", "name a file inside it")
    if path.exists() and not path.is_file():
        raise PointCloudFileError(path, "is not a regular file", "name a file on disk")
    try:
        with path.open("rb") as handle:
            head = handle.read(256).lstrip().lower()
        size = path.stat().st_size
    except FileNotFoundError:
        raise PointCloudFileError(path, "does not exist", "check the path") from None
    except OSError as error:
        raise PointCloudFileError(
            path, f"cannot be opened: {error.strerror}", "check its permissions and the disk"
        ) from error
    if size == 0:
        raise PointCloudFileError(path, "is empty (0 bytes)", "copy or unpack it again")
    if head.startswith(b"version https://git-lfs"):
        raise PointCloudFileError(
            path, "is a Git LFS pointer, not the data", "run `git lfs pull` in its repository"
        )
    if head.startswith((b"<!doctype", b"<html")):
        raise PointCloudFileError(
            path, "is a web page saved under this name", "download the file itself"
        )


def column_indices(
    path: Path, names: Sequence[str], what: str
) -> tuple[tuple[int, int, int], int | None]:
    """Find the x, y, z and label columns by name.

    Args:
        path: The file, for the error.
        names: Names of all columns.
        what: What the format calls a column, for the error.

    Returns:
        Positions of x, y and z, and of the label where there is one.

    Raises:
        PointCloudFileError: x, y or z is missing.
    """
    lowered = [name.lower() for name in names]
    missing = [axis for axis in AXES if axis not in lowered]
    if missing:
        raise PointCloudFileError(
            path,
            f"has no {what} {', '.join(missing)}; it has {', '.join(names) or 'none'}",
            "x, y and z are needed",
        )
    plain = [name.removeprefix("scalar_") for name in lowered]  # as CloudCompare writes fields
    label = next((plain.index(name) for name in LABEL_NAMES if name in plain), None)
    return (lowered.index("x"), lowered.index("y"), lowered.index("z")), label


def column_view(
    buffer: npt.NDArray[np.uint8], dtype: str, count: int, offset: int, stride: int
) -> npt.NDArray[Any]:
    """View one column of a byte buffer without copying, shape (count,)."""
    return np.ndarray((count,), np.dtype(dtype), buffer, offset, (stride,))


def check_room(path: Path, needed: int, available: int, what: str) -> None:
    """Compare what a header promises with what the file holds, before anything is allocated."""
    if needed > available:
        raise PointCloudFileError(
            path,
            f"its header promises {what} ({needed} bytes at least), but only "
            f"{available} bytes follow",
            TRUNCATED_HINT,
        )


@contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary neighbour of `path` for writing and rename it at the end.

    A reader sees the old file or the whole new one; after an error the old one is still there.
    """
    with replaced(path) as temporary, temporary.open("xb") as handle:
        yield handle


def write_rows(write: Callable[[bytes], Any], columns: Columns, delimiter: str) -> None:
    """Write columns as text that reads back to the same float32 or float64 values."""
    arrays = list(columns.values())
    row = delimiter.join(_text_format(array.dtype) for array in arrays) + "\n"
    step = 65_536
    # One format operation per block is about three times as fast as pandas or numpy.savetxt.
    for start in range(0, len(arrays[0]), step):
        block = [array[start : start + step].tolist() for array in arrays]
        values = [value for line in zip(*block, strict=True) for value in line]
        write((row * len(block[0]) % tuple(values)).encode("ascii"))


def _text_format(dtype: np.dtype[Any]) -> str:
    if dtype.kind in "iub":
        return "%d"
    return "%.9g" if dtype.itemsize <= 4 else "%.17g"


def structured(columns: Columns) -> npt.NDArray[np.void]:
    """Interleave columns into one packed little-endian record array, shape (N,)."""
    dtype = np.dtype([(name, array.dtype.newbyteorder("<")) for name, array in columns.items()])
    records = np.empty(len(next(iter(columns.values()))), dtype)
    for name, array in columns.items():
        records[name] = array
    return records

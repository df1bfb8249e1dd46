"""Read point clouds and their ground truth: the door to all formats.

Every reader returns float32 coordinates in the file's own units and order. What a file cannot give
is one `PointCloudFileError` that names the file, the reason and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from plane_anomalib.core.errors import ConfigurationError, PointCloudFileError
from plane_anomalib.formats.arrays import read_npy, read_npz
from plane_anomalib.formats.folders import (
    MESH_SUFFIXES,
    OTHER_SCANS,
    POINT_SUFFIXES,
    SUFFIXES,
    TEXT_SUFFIXES,
)
from plane_anomalib.formats.pcd import read_pcd
from plane_anomalib.formats.ply import read_ply, read_ply_header
from plane_anomalib.formats.raw_cloud import (
    Ceiling,
    RawCloud,
    ReadOptions,
    about_fill,
    check_file,
    fill_rows,
    too_coarse,
)
from plane_anomalib.formats.text import read_ptx, read_text

__all__ = [
    "MESH_SUFFIXES",
    "POINT_SUFFIXES",
    "CloudKind",
    "PointCloudData",
    "check_suffix",
    "read_labelled_points",
    "read_points",
]

CloudKind = Literal["auto", "points", "mesh", "vertices"]
"""What a file is taken for; see `read_points`."""

# Largest rounding error that float32 may bring, as a share of the cloud's extent: half a grid
# step of 1e-4, well under the spacing of a million points on a surface (about 1e-3).
_ROUNDING_TOLERANCE = 0.5e-4

_OFFSET = "subtract one common offset from the cloud and its ground truth before it is saved"
_TABLE_READERS: dict[str, Callable[[Path, Ceiling, ReadOptions], RawCloud]] = {
    **dict.fromkeys(TEXT_SUFFIXES, read_text),
    ".ptx": read_ptx,
    ".npy": read_npy,
    ".npz": read_npz,
}
"""What may need to be told which columns it has."""


@dataclass(frozen=True)
class PointCloudData:
    """A cloud as read from a file.

    Attributes:
        points: Shape (N, 3), float32, finite, C-contiguous, N >= 1, in file order.
        labels: Shape (N,), bool, True where anomalous; None where labels were not asked for.
        dropped: How many rows were left out, because a coordinate was NaN or infinite or because
            they are what a camera writes where it has measured nothing.
        sampled: Whether the file is a mesh, and the points were drawn from its surface.
        notes: A sentence for whatever was dropped, converted or assumed, without the file's name.
        units: The unit of length that the file declares, a key of `core.units.MILLIMETRES`; ""
            where it declares none.
    """

    points: npt.NDArray[np.float32]
    labels: npt.NDArray[np.bool_] | None = None
    dropped: int = 0
    sampled: bool = False
    notes: tuple[str, ...] = ()
    units: str = ""


def read_points(
    path: str | Path,
    *,
    num_samples: int = 100_000,
    seed: int = 0,
    kind: CloudKind = "auto",
    max_points: int | None = None,
    options: ReadOptions | None = None,
) -> PointCloudData:
    """Read a point cloud, or sample a mesh; `kind="vertices"` takes a mesh's vertices instead.

    A `.ply` is both: with `kind="auto"` it is a mesh when its header has faces. Of a mesh as a
    scanner writes it, even and fine, the vertices are taken, which are what was measured; other
    meshes are sampled, since their vertices lie where the modeller needed them. `kind="points"`
    takes the vertices of any `.ply`, `kind="mesh"` samples any mesh.

    Args:
        path: A file with one of `POINT_SUFFIXES` or `MESH_SUFFIXES`, upper or lower case.
        num_samples: Points to sample uniformly on the area of a mesh.
        seed: Seed of that sampling.
        kind: What a file that can be both is taken for.
        max_points: Refuse more points, and files that would take much more memory than so many
            points should, before they are read; None takes any.
        options: What a file does not say of itself: columns, and the pitch of height maps.

    Returns:
        The points without labels; rows with NaN or infinite coordinates are dropped and counted.

    Raises:
        PointCloudFileError: The file is missing, damaged, of another kind, without a finite
            point, or has coordinates that float32 cannot hold.
        PointCloudTooLargeError: It has more than `max_points`.
        ConfigurationError: `num_samples` is below 1.
    """
    if num_samples < 1:
        raise ConfigurationError(f"num_samples is {num_samples}; at least 1 point is needed.")
    ceiling, options = Ceiling(max_points), options or ReadOptions()
    raw = _read_raw(Path(path), num_samples, seed, kind, ceiling, options)
    return _finish(Path(path), raw, want_labels=False)


def read_labelled_points(path: str | Path) -> PointCloudData:
    """Read a cloud with a ground-truth label per point.

    Text (`.txt`, `.csv`, `.xyz`) has the columns x y z label with any delimiter, which is detected
    and binding for the whole file, or more columns and a header that names `label`. The point
    formats need a field, property or array `label`.

    Args:
        path: A file with one of `POINT_SUFFIXES`.

    Returns:
        Points and labels; rows with NaN or infinite coordinates are dropped in both.

    Raises:
        PointCloudFileError: As `read_points`, and if there is no label column or it holds
            anything but 0 and 1, or 0 and 255.
    """
    path = Path(path)
    return _finish(
        path, _read_raw(path, 0, 0, "points", Ceiling(), ReadOptions()), want_labels=True
    )


def check_suffix(path: str | Path, allowed: frozenset[str] = SUFFIXES) -> str:
    """The suffix of a file in lower case, if it is one of a kind that is read here.

    Args:
        path: The file, which is not looked at.
        allowed: Suffixes.

    Raises:
        PointCloudFileError: It has another suffix or none.
    """
    suffix = Path(path).suffix.lower()
    if suffix in allowed:
        return suffix
    if suffix in OTHER_SCANS:
        raise PointCloudFileError(path, *OTHER_SCANS[suffix])
    near = difflib.get_close_matches(suffix[:40], sorted(allowed), n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    raise PointCloudFileError(
        path,
        f"has the suffix {suffix[:40]!r}, which is not supported here"
        if suffix
        else "has no suffix",
        f"{guess}supported: {', '.join(sorted(allowed))}",
    )


def _read_raw(
    path: Path, num_samples: int, seed: int, kind: str, ceiling: Ceiling, options: ReadOptions
) -> RawCloud:
    meshes = MESH_SUFFIXES
    allowed = {"auto": SUFFIXES, "mesh": meshes, "vertices": meshes}
    suffix = path.suffix.lower()
    if not path.is_dir():
        check_suffix(path, allowed.get(kind, POINT_SUFFIXES))
    try:
        check_file(path)
        if suffix == ".ply":
            header = read_ply_header(path)
            if kind == "points" or (kind == "auto" and not header.faces):
                return read_ply(path, header, ceiling)
        if suffix in MESH_SUFFIXES:
            from plane_anomalib.formats.mesh import mesh_points, mesh_vertices, sample_mesh

            if kind == "vertices":
                return mesh_vertices(path, ceiling)
            take = mesh_points if kind == "auto" else sample_mesh
            return take(path, num_samples, seed, ceiling)
        if suffix == ".pcd":
            return read_pcd(path, ceiling)
        return _TABLE_READERS[suffix](path, ceiling, options)
    except OSError as error:
        raise PointCloudFileError(
            path, f"cannot be read: {error}", "check its permissions and the disk"
        ) from error


def _finish(path: Path, raw: RawCloud, *, want_labels: bool) -> PointCloudData:
    coordinates, labels = raw.coordinates, raw.labels if want_labels else None
    if want_labels and labels is None:
        raise PointCloudFileError(path, "has no label column", "x, y, z and label are needed")
    if len(coordinates) == 0:
        raise PointCloudFileError(path, "holds zero points", "export it again, or leave it out")
    total = len(coordinates)
    if not np.isfinite(coordinates).all():
        keep = np.isfinite(coordinates).all(axis=1)
        coordinates, labels = coordinates[keep], None if labels is None else labels[keep]
        if len(coordinates) == 0:
            raise PointCloudFileError(
                path,
                f"has no finite point: all {total} are NaN or infinite",
                "export it again, or leave it out",
            )
    fill = np.zeros(len(coordinates), np.bool_) if raw.sampled else fill_rows(coordinates)
    notes = about_fill(coordinates, fill)
    if fill.any():
        coordinates, labels = coordinates[~fill], None if labels is None else labels[~fill]
    return PointCloudData(
        points=_as_float32(path, coordinates),
        labels=None if labels is None else _as_labels(path, labels),
        dropped=total - len(coordinates),
        sampled=raw.sampled,
        notes=(*raw.notes, *notes),
        units=raw.units,
    )


def _as_float32(path: Path, coordinates: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Convert, or refuse where rounding would eat the shape (a survey grid, say)."""
    with np.errstate(over="ignore"):
        points: npt.NDArray[np.float32] = np.ascontiguousarray(coordinates, dtype=np.float32)
    if coordinates.dtype.kind == "f" and coordinates.dtype.itemsize <= 4:
        if reason := too_coarse(points):
            raise PointCloudFileError(path, reason, _OFFSET)
        return points
    exact = coordinates.astype(np.float64, copy=False)
    if not np.isfinite(points).all():
        raise PointCloudFileError(path, "has coordinates too large for float32", "rescale them")
    error = max(float(np.abs(points[:, axis] - exact[:, axis]).max()) for axis in range(3))
    extent = float(np.ptp(exact, axis=0).max())
    if error > _ROUNDING_TOLERANCE * extent > 0:
        raise PointCloudFileError(
            path,
            f"its coordinates near {float(np.abs(exact).max()):.6g} are too far from the origin: "
            f"float32 would round them by {error / extent:.1g} of the extent {extent:.6g}",
            _OFFSET,
        )
    return points


def _as_labels(path: Path, labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    positive = labels == (255 if np.isin(labels, (0, 255)).all() else 1)
    wrong = ~positive & (labels != 0)
    if wrong.any():
        raise PointCloudFileError(
            path,
            f"has the label {labels[wrong][0]:g} where 0 or 1 is needed "
            f"({int(wrong.sum())} of {len(labels)} rows)",
            "the columns must be x, y, z and label, with 0 for normal and 1 for anomalous points",
        )
    return np.asarray(positive, dtype=np.bool_)

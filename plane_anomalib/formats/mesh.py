"""Triangle meshes, read by trimesh and sampled to a cloud: .obj, .stl, .off, .ply."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np

from plane_anomalib.core.errors import PointCloudFileError, PointCloudTooLargeError
from plane_anomalib.formats.ply import read_ply_header
from plane_anomalib.formats.raw_cloud import TRUNCATED_HINT, Ceiling, RawCloud

_OFF_COUNTS = re.compile(
    rb"\A\s*(?:#[^\n]*\n\s*)*C?OFF\s+(?:#[^\n]*\n\s*)*(\d{1,18})\s+(\d{1,18})\b"
)

# Bytes of a mesh file for each point that may be read: parsing takes up to twenty times the file
# (.off, the greediest), and a scan's mesh of so many corners has about this size.
_BYTES_PER_POINT = 64


def sample_mesh(path: Path, num_samples: int, seed: int, ceiling: Ceiling) -> RawCloud:
    """Sample points uniformly on the area of a mesh.

    Args:
        path: The mesh; textures and materials it names are not opened.
        num_samples: How many points.
        seed: Seed of the sampling; the same seed gives the same points.
        ceiling: Of the points, and of the file by 64 bytes a point.

    Returns:
        Shape (num_samples, 3), in the mesh's units.

    Raises:
        PointCloudFileError: No readable mesh, no faces, no area, or too large.
    """
    import trimesh

    ceiling.check(path, num_samples)
    _check_size(path, ceiling)
    points, _ = trimesh.sample.sample_surface(read_mesh(path), num_samples, seed=seed)
    return RawCloud(np.asarray(points), sampled=True)


def _check_size(path: Path, ceiling: Ceiling) -> None:
    size = path.stat().st_size
    if ceiling.points is not None and size > _BYTES_PER_POINT * ceiling.points:
        raise PointCloudTooLargeError(
            path,
            f"is a mesh file of {size:,} bytes where at most {_BYTES_PER_POINT * ceiling.points:,} "
            "are taken",
            "simplify it, or sample it to points",
        )


def mesh_vertices(path: Path, ceiling: Ceiling) -> RawCloud:
    """Take the vertices of a mesh, each place once, in the file's order.

    A .stl repeats a vertex in every triangle that has it.

    Args:
        path: The mesh.
        ceiling: Of the points, and of the file by 64 bytes a point.

    Returns:
        Shape (N, 3), in the mesh's units.

    Raises:
        PointCloudFileError: No readable mesh, no faces, no area, or too large.
    """
    import pandas as pd

    _check_size(path, ceiling)
    vertices = np.asarray(read_mesh(path).vertices)
    cloud = RawCloud(vertices[~pd.DataFrame(vertices).duplicated().to_numpy()])
    ceiling.check(path, len(cloud.coordinates))
    return cloud


def read_mesh(path: Path) -> Any:
    """Read a triangle mesh as it is in the file, faces with infinite corners left out.

    Args:
        path: The mesh; textures and materials it names are not opened.

    Returns:
        A `trimesh.Trimesh`.

    Raises:
        PointCloudFileError: No readable mesh, no faces, or no area.
    """
    content = path.read_bytes()
    suffix = path.suffix.lower()
    faces = _promised_faces(path, suffix, content)
    mesh = _load(path, suffix, content)
    if len(mesh.faces) == 0:
        raise PointCloudFileError(
            path, "is a mesh without faces", "save points as .ply, .pcd or .xyz instead"
        )
    if len(mesh.faces) < faces:
        raise PointCloudFileError(
            path,
            f"its header promises {faces} faces, but {len(mesh.faces)} follow",
            TRUNCATED_HINT,
        )
    if mesh.faces.shape[1:] != (3,) or mesh.vertices.shape[1:] != (3,):
        raise PointCloudFileError(path, "has faces or vertices of unequal length", TRUNCATED_HINT)
    if mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
        raise PointCloudFileError(path, "has faces that name missing vertices", TRUNCATED_HINT)
    mesh.update_faces(np.isfinite(mesh.triangles).all(axis=(1, 2)))
    if not 0 < mesh.area < np.inf:
        raise PointCloudFileError(
            path, "is a mesh whose faces have no area", "export it again, or save its points"
        )
    return mesh


def _promised_faces(path: Path, suffix: str, content: bytes) -> int:
    """Read how many faces the header promises, where there is such a header."""
    if suffix == ".ply":
        return read_ply_header(path).faces
    if suffix == ".off":
        counts = _OFF_COUNTS.match(content)
        if counts is None:
            raise PointCloudFileError(
                path, "does not begin with OFF and its counts", TRUNCATED_HINT
            )
        return int(counts[2])
    text_stl = suffix == ".stl" and content.lstrip().startswith(b"solid") and b"\0" not in content
    if text_stl and b"endsolid" not in content[-1024:]:
        raise PointCloudFileError(path, "has no endsolid line", TRUNCATED_HINT)
    return 0 if suffix != ".stl" or text_stl else _promised_triangles(path, content)


def _promised_triangles(path: Path, content: bytes) -> int:
    """How many a binary .stl has, if all of them are there: no reader says that it is cut off."""
    number = int.from_bytes(content[80:84], "little")
    if len(content) < 84 or 84 + 50 * number > len(content):
        raise PointCloudFileError(
            path,
            f"is damaged: {number:,} triangles do not fit in {len(content):,} bytes",
            TRUNCATED_HINT,
        )
    if number == 0:
        raise PointCloudFileError(path, "is an empty mesh: zero triangles", "export it again")
    return 0


def _load(path: Path, suffix: str, content: bytes) -> Any:
    import trimesh

    try:
        # From memory and without a resolver trimesh has no way to follow a reference.
        return trimesh.load_mesh(
            io.BytesIO(content), file_type=suffix[1:], process=False, skip_materials=True
        )
    except Exception as error:
        # trimesh raises whatever its parsers run into; to the user it is all one thing.
        raise PointCloudFileError(
            path, f"is no readable {suffix} mesh: {error}", TRUNCATED_HINT
        ) from error

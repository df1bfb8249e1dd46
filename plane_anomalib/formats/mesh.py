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
_SCANNED = 500
_LONG, _MOSTLY, _EVEN = 3.0, 0.9, 4.0
_COVERED, _STEEP = 0.8, 0.9
_LEAST_ROOM, _MOST_ROOM = 0.15, 1.5
"""A face of even triangles has 0.43 times its squared edge, half a square of a range image 0.5 of
the shorter one."""
_INSIDE = 0.75
_MOST_ANGLES = 2_000_000_000
_BLOCK = 256


def mesh_points(path: Path, num_samples: int, seed: int, ceiling: Ceiling) -> RawCloud:
    """The points of a mesh: its vertices where a scanner wrote it, else samples of its surface.

    Args:
        path: The mesh; textures and materials it names are not opened.
        num_samples: How many points to sample.
        seed: Seed of the sampling.
        ceiling: Of the points, and of the file by 64 bytes a point.

    Returns:
        Shape (N, 3), in the mesh's units, with a note of what was taken.

    Raises:
        PointCloudFileError: No readable mesh, no faces, no area, or too large.
    """
    _check_size(path, ceiling)
    mesh = read_mesh(path)
    corners = _distinct(mesh)
    if not _is_scanned(mesh, len(corners)):
        ceiling.check(path, num_samples)
        return _sampled(mesh, num_samples, seed)
    ceiling.check(path, len(corners))
    note = f"A mesh as scanners write it: its {len(corners):,} vertices were taken, not its faces."
    return RawCloud(corners, notes=(note,))


def _is_scanned(mesh: Any, corners: int) -> bool:
    """Whether the vertices are what a scanner measured: many, and evenly spread over the faces.

    A modeller's vertices are few, or close together where it is round and far apart where it is
    flat. The few long edges of a scan join what lies before and behind a jump of the depth.
    """
    if corners < _SCANNED:
        return False
    edges = np.linalg.norm(np.diff(mesh.triangles[:, [0, 1, 2, 0]], axis=1), axis=2).ravel()
    short = float(np.median(edges))
    usual = edges < _LONG * short
    small = (edges.reshape(-1, 3) < _LONG * short).all(axis=1)
    areas = mesh.area_faces[small]
    if areas.sum() < _COVERED * mesh.area and not _are_jumps(mesh, small):
        return False
    even = float(np.quantile(edges[usual], 0.9)) < _EVEN * float(np.quantile(edges[usual], 0.1))
    room = float(areas.sum()) / (len(areas) * short**2) if short > 0 and len(areas) else 0.0
    return bool(usual.mean() > _MOSTLY and even and _LEAST_ROOM < room < _MOST_ROOM)


def _are_jumps(mesh: Any, small: Any) -> bool:
    """Whether the large faces stand steeply on the small ones, as over a jump of the depth."""
    _, place = np.unique(mesh.triangles.reshape(-1, 3), axis=0, return_inverse=True)
    place = place.reshape(-1, 3)
    ends = np.sort(np.concatenate([place[:, [0, 1]], place[:, [1, 2]], place[:, [2, 0]]]), axis=1)
    face = np.tile(np.arange(len(place)), 3)
    order = np.lexsort(ends.T)
    ends, face = ends[order], face[order]
    shared = np.flatnonzero((ends[1:] == ends[:-1]).all(axis=1))
    one, other = face[shared], face[shared + 1]
    between = small[one] != small[other]
    normals = np.cross(*np.moveaxis(np.diff(mesh.triangles, axis=1), 1, 0))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    cosine = np.abs(np.einsum("ni,ni->n", normals[one[between]], normals[other[between]]))
    return bool(len(cosine)) and float(np.median(cosine)) < _STEEP


def _sampled(mesh: Any, num_samples: int, seed: int) -> RawCloud:
    """Samples of a surface, without the faces that lie inside of other bodies of the mesh."""
    import trimesh

    points, faces = trimesh.sample.sample_surface(mesh, num_samples, seed=seed)
    inside = _inside_another(mesh, np.asarray(points), np.asarray(faces))
    note = f"{num_samples:,} points were drawn from the surface of a mesh."
    if not inside.any():
        return RawCloud(np.asarray(points), sampled=True, notes=(note,))
    share = float(inside.mean())
    more = round(num_samples * (1.1 / (1 - share)))
    points, faces = trimesh.sample.sample_surface(mesh, more, seed=seed)
    inside = _inside_another(mesh, np.asarray(points), np.asarray(faces))
    kept = np.asarray(points)[~inside][:num_samples]
    note += f" {share:.0%} of it lie inside of its other bodies and were left out."
    return RawCloud(kept, sampled=True, notes=(note,))


def _inside_another(mesh: Any, points: Any, faces: Any) -> Any:
    """Which points, each on a face, lie inside of a closed body that the face is no part of.

    By the winding number (Jacobson et al., SIGGRAPH 2013).
    """
    body_of_face = _bodies(mesh)
    inside = np.zeros(len(points), np.bool_)
    for body in range(int(body_of_face.max()) + 1):
        own = body_of_face == body
        corners = mesh.triangles[own]
        low, high = corners.min((0, 1)), corners.max((0, 1))
        others = (body_of_face[faces] != body) & ~inside
        near = np.flatnonzero(others & ((points > low) & (points < high)).all(axis=1))
        if not len(near) or len(near) * len(corners) > _MOST_ANGLES:
            continue
        for start in range(0, len(near), _BLOCK):
            part = near[start : start + _BLOCK]
            inside[part] = np.abs(_winding(points[part], corners)) > _INSIDE
    return inside


def _winding(points: Any, triangles: Any) -> Any:
    """How often triangles `(F, 3, 3)` wind around points `(N, 3)`: 1 inside of a closed body."""
    a, b, c = np.moveaxis(triangles[None] - points[:, None, None], 2, 0)
    la, lb, lc = (np.linalg.norm(v, axis=2) for v in (a, b, c))
    top = np.einsum("nfi,nfi->nf", a, np.cross(b, c))
    below = la * lb * lc + np.einsum("nfi,nfi->nf", a, b) * lc
    below += np.einsum("nfi,nfi->nf", b, c) * la + np.einsum("nfi,nfi->nf", c, a) * lb
    return np.arctan2(top, below).sum(1) / (2 * np.pi)


def _bodies(mesh: Any) -> Any:
    """The body that each face belongs to: faces that share a place hang together."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    _, place = np.unique(mesh.triangles.reshape(-1, 3), axis=0, return_inverse=True)
    place = place.reshape(-1, 3)
    pairs = np.concatenate([place[:, [0, 1]], place[:, [1, 2]]])
    size = int(place.max()) + 1
    graph = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), (size, size))
    return connected_components(graph, directed=False)[1][place[:, 0]]


def _distinct(mesh: Any) -> Any:
    """The vertices that faces have, each place once, in the file's order."""
    used = np.zeros(len(mesh.vertices), np.bool_)
    used[mesh.faces.ravel()] = True
    vertices = np.asarray(mesh.vertices)[used]
    _, first = np.unique(vertices, axis=0, return_index=True)
    return vertices[np.sort(first)]


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
    ceiling.check(path, num_samples)
    _check_size(path, ceiling)
    return _sampled(read_mesh(path), num_samples, seed)


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
    _check_size(path, ceiling)
    cloud = RawCloud(_distinct(read_mesh(path)))
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

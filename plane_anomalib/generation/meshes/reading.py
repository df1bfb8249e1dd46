"""Closed meshes: read, lightly repaired, brought to one size; open ones are refused."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from plane_anomalib.core.errors import PointCloudFileError
from plane_anomalib.formats.mesh import read_mesh

_WELD = 1e-6
"""Vertices closer than this, in extents, are one when a mesh is not closed as it is."""


@dataclass(frozen=True)
class ClosedMesh:
    """A mesh that bounds a solid, its box centerd on the origin, its longest side one.

    Attributes:
        mesh: The `trimesh.Trimesh`, faces outward.
        file: Name of the file.
        sha256: Of the file's bytes.
        extent: Longest side in the file's units.
    """

    mesh: Any
    file: str
    sha256: str
    extent: float


def read_closed_mesh(path: Path) -> ClosedMesh:
    """Read a mesh and make sure that it has an inside.

    The repair is light: equal corners are welded, faces without three corners or twice there go,
    holes of three or four edges are filled, and faces are turned outward.

    Args:
        path: A file with one of `data.io.MESH_SUFFIXES`.

    Raises:
        PointCloudFileError: It cannot be read, or is open after the repair.
    """
    import trimesh

    found = read_mesh(path)
    vertices = np.asarray(found.vertices, dtype=np.float64)
    used = vertices[np.unique(found.faces)]
    low, high = used.min(axis=0), used.max(axis=0)
    extent = float((high - low).max())
    mesh = trimesh.Trimesh((vertices - (low + high) / 2) / extent, found.faces, process=False)
    for weld in (0.0, _WELD):
        _join(mesh, weld)
        if mesh.is_watertight:
            break
    else:
        # Not sooner: it would fill the slits between corners that are yet to be welded.
        trimesh.repair.fill_holes(mesh)
    if not mesh.is_watertight:
        raise PointCloudFileError(
            path,
            f"is not a closed mesh: {_loose_edges(mesh.edges_sorted)} of its edges do not join "
            "exactly two faces",
            "close it in a mesh editor, or leave it out of the folder",
        )
    trimesh.repair.fix_normals(mesh, multibody=False)
    if not mesh.volume > 0:
        raise PointCloudFileError(path, "encloses no volume", "give the sheet a thickness")
    return ClosedMesh(mesh, path.name, digest_of(path), extent)


def digest_of(path: Path) -> str:
    """SHA-256 of a mesh's file, by which a category knows what it was made from."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _join(mesh: Any, weld: float) -> None:
    """Weld vertices and drop the faces that this leaves without three corners, or doubles."""
    if weld:
        count = len(mesh.vertices)
        first, second = cKDTree(mesh.vertices).query_pairs(weld, output_type="ndarray").T
        near = coo_array((np.ones(len(first)), (first, second)), shape=(count, count))
        group = connected_components(near, directed=False)[1]
        # Rounding to a grid would part what lies on both sides of a line of it.
        mesh.vertices = mesh.vertices[np.unique(group, return_index=True)[1]][group]
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    faces = mesh.faces
    whole = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    mesh.update_faces(whole & mesh.unique_faces())
    mesh.remove_unreferenced_vertices()


def _loose_edges(edges: NDArray[np.int64]) -> int:
    counts = np.unique(edges, axis=0, return_counts=True)[1]
    return int((counts != 2).sum())

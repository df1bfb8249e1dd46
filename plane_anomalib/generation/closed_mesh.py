"""Closed meshes: read, lightly repaired, brought to one size, and used as nominal surfaces.

The grid behind the implicit solid rounds edges, the mesh does not. A defect takes points of the
implicit surface only where it moves the surface at all; everywhere else, right up to its border,
points are drawn on the triangles.
"""

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

from plane_anomalib.core.errors import DatasetError, PointCloudFileError
from plane_anomalib.formats.mesh import read_mesh
from plane_anomalib.generation.distance_grid import distance_grid
from plane_anomalib.generation.shapes.fields import Array
from plane_anomalib.generation.surfaces import ChangedRegion, Surface, SurfaceSamples, gradient

_WELD = 1e-6
"""Vertices closer than this, in extents, are one when a mesh is not closed as it is."""


@dataclass(frozen=True)
class ClosedMesh:
    """A mesh that bounds a solid, its box centered on the origin, its longest side one.

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
        path: A file with one of `formats.folders.MESH_SUFFIXES`.

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


_SAME = 1e-4
"""Change of the distance, in extents, up to which a defect leaves a place as it is."""
_CELL = 0.012
_POOL = 8_000
_PROBES = 20_000
_FLAT = 0.5
"""The distance rises by one per length across a face; by less at an edge, and in a thin wall."""
_TOLERATED = 0.02


class MeshSurface(Surface):
    """A nominal object given by a mesh; interface and frame are those of `Surface`.

    Args:
        closed: The mesh.
        resolution: Grid steps along the largest side.
        generator: Generator for the grid's and the pool's samples.

    Raises:
        DatasetError: The mesh is no plain solid, or has walls too thin for the grid.
    """

    def __init__(self, closed: ClosedMesh, resolution: int, generator: np.random.Generator) -> None:
        self.mesh: Any = closed.mesh
        try:
            self._grid = distance_grid(self.mesh, resolution, generator)
        except DatasetError as error:
            msg = f"{closed.file} cannot be used: {error}"
            raise DatasetError(msg) from error
        self.cell = _CELL
        self.low, self.high = (np.asarray(b, dtype=np.float64) for b in self.mesh.bounds)
        # One cell is enough to say where the lattice of cells lies.
        self.cells = self.low[None] + self.cell / 2
        self.area = float(self.mesh.area)
        self._refuse_thin_walls(closed.file, resolution, generator)
        self.samples = self._mesh_pool(generator)

    @property
    def step(self) -> float:
        """Distance of the grid's nodes, in extents."""
        return self._grid.step

    def field(self, points: Array) -> Array:
        """Signed distance at `(N, 3)` points, `(N,)`."""
        return self._grid(points)

    def sample(
        self, density: float, generator: np.random.Generator, patch: ChangedRegion | None = None
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Draw a cloud; see `Surface.sample`."""
        points = self._on_mesh(generator.poisson(density * self.area), generator)[0]
        labels = np.zeros(len(points), dtype=bool)
        if patch is None:
            return points, labels
        inside = ((points > patch.low) & (points < patch.high)).all(axis=1)
        at = points[inside]
        stays = ~self._changed(patch, at) & patch.keep(at)
        new = self.sample_patch(patch, density, generator)
        new = new[self._changed(patch, new)]
        points = np.vstack([points[~inside], at[stays], new])
        labels = np.concatenate(
            [labels[~inside], patch.label(self._onto_grid(at[stays])), patch.label(new)],
            dtype=bool,
        )
        order = generator.permutation(len(points))
        return points[order], labels[order]

    def _changed(self, patch: ChangedRegion, points: Array) -> NDArray[np.bool_]:
        """Where a patch's solid is another one than the nominal, `(N,)`."""
        return np.asarray(np.abs(patch.solid(points) - self.field(points)) > _SAME)

    def _onto_grid(self, points: Array) -> Array:
        """The grid's surface beside points of the mesh: labels must not mistake one's edges."""
        value = self.field(points)
        slope = gradient(self.field, points, value)
        norm2 = np.maximum((slope**2).sum(axis=1), 0.1)
        return points - slope * (value / norm2)[:, None]

    def _on_mesh(self, count: int, generator: np.random.Generator) -> tuple[Array, Array]:
        """Points uniform by area, in random order, and the normals of their faces."""
        import trimesh

        seed = int(generator.integers(2**31))
        points, faces = trimesh.sample.sample_surface(self.mesh, count, seed=seed)
        return np.asarray(points, dtype=np.float64), np.asarray(self.mesh.face_normals[faces])

    def _mesh_pool(self, generator: np.random.Generator) -> SurfaceSamples:
        points, normals = self._on_mesh(_POOL, generator)
        inside, density = self._interior(generator)
        return SurfaceSamples(points, normals, inside, density)

    def _refuse_thin_walls(
        self, file: str, resolution: int, generator: np.random.Generator
    ) -> None:
        """Make sure that the grid has the mesh's two sides, which a wall within a step has not."""
        points, normals = self._on_mesh(_PROBES, generator)
        way = 0.5 * self.step * normals
        rise = (self.field(points + way) - self.field(points - way)) / self.step
        if (share := float(np.mean(rise < _FLAT))) > _TOLERATED:
            msg = (
                f"{file} has walls or ridges thinner than the distance grid can tell, over "
                f"{share:.0%} of its surface: give a resolution above {resolution}, or leave it "
                "out."
            )
            raise DatasetError(msg)

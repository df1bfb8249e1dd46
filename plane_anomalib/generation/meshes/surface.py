"""A closed mesh as a nominal surface: itself where intact, implicit where a defect changes it.

The grid behind the implicit solid rounds edges, the mesh does not. A defect takes points of the
implicit surface only where it moves the surface at all; everywhere else, right up to its border,
points are drawn on the triangles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import DatasetError
from plane_anomalib.generation.meshes.distance import distance_grid
from plane_anomalib.generation.meshes.reading import ClosedMesh
from plane_anomalib.generation.procedural.fields import Array
from plane_anomalib.generation.procedural.surface import Patch, Pool, Surface, gradient

RESOLUTION = 224
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
        self.pool = self._mesh_pool(generator)

    @property
    def step(self) -> float:
        """Distance of the grid's nodes, in extents."""
        return self._grid.step

    def field(self, points: Array) -> Array:
        """Signed distance at `(N, 3)` points, `(N,)`."""
        return self._grid(points)

    def sample(
        self, density: float, generator: np.random.Generator, patch: Patch | None = None
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

    def _changed(self, patch: Patch, points: Array) -> NDArray[np.bool_]:
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

    def _mesh_pool(self, generator: np.random.Generator) -> Pool:
        points, normals = self._on_mesh(_POOL, generator)
        inside, density = self._interior(generator)
        return Pool(points, normals, inside, density)

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

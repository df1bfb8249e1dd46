"""Signed distance to a closed mesh, on a grid: the implicit solid that defects are made of.

Near the surface the nodes hold the exact distance to the triangles, farther away that of a grid
four times as wide. Inside and outside are told by counting, along every column of nodes, how often
the mesh is entered and left. Between nodes the distance is interpolated linearly, so that flat and
gently curved faces are exact to a few hundred-thousandths of the extent and only edges are rounded,
by less than half a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from plane_anomalib.core.errors import DatasetError
from plane_anomalib.generation.shapes.fields import Array

MARGIN = 0.1
"""How far the grid reaches beyond the mesh, in extents: farther than any defect."""
_COARSE = 4
_SPACING = 0.35
"""Mean distance of the samples that find the nearest triangle, in steps."""
_CANDIDATES = 2
_FAR_SAMPLES = 60_000
_MOST_SAMPLES = 2_000_000
_WALK = 8
_CHUNK = 2**18


@dataclass(frozen=True)
class DistanceGrid:
    """Signed distance to a surface; callable as a `Field`.

    Attributes:
        low: Position of the first node, `(3,)`.
        step: Distance of neighbouring nodes.
        values: `(X, Y, Z)` float32, negative inside.
    """

    low: Array
    step: float
    values: NDArray[np.float32]

    def __call__(self, points: Array) -> Array:
        """Values at `(N, 3)` points, `(N,)`; outside the grid a lower bound."""
        most = np.array(self.values.shape, dtype=np.float64) - 1.0
        at = (points - self.low) / self.step
        inside = np.clip(at, 0.0, most)
        value = ndimage.map_coordinates(
            self.values, inside.T, output=np.float64, order=1, mode="nearest", prefilter=False
        )
        beyond = self.step * np.linalg.norm(at - inside, axis=1)
        return np.asarray(np.where(beyond > 0, beyond + MARGIN, value), dtype=np.float64)


def distance_grid(mesh: Any, resolution: int, generator: np.random.Generator) -> DistanceGrid:
    """Measure the distance to a mesh at every node.

    Args:
        mesh: A closed `trimesh.Trimesh` with outward faces, centered, largest side one.
        resolution: Steps along the largest side.
        generator: Generator of the samples that find the nearest triangle.

    Raises:
        DatasetError: The mesh's parts overlap, or its faces contradict each other.
    """
    step = 1.0 / resolution
    low, high = mesh.bounds[0] - MARGIN, mesh.bounds[1] + MARGIN
    coarse_shape = np.ceil((high - low) / (_COARSE * step)).astype(int) + 1
    shape = tuple(_COARSE * (coarse_shape - 1) + 1)
    sign = np.where(inside_nodes(mesh.triangles, low, step, shape), np.float32(-1), np.float32(1))
    samples, faces = _samples(mesh, _SPACING * step, generator)
    # So far away a thinner set finds the triangle; the order of the samples is random.
    thin = slice(None, None, max(1, len(samples) // _FAR_SAMPLES))
    values = _far(_Nearest(mesh, samples[thin], faces[thin]), low, step, sign)
    near = _beside(samples, low, step, sign)
    exact = _Nearest(mesh, samples, faces).distance(low + step * np.argwhere(near))
    values[near] = exact.astype(np.float32)
    values *= sign
    return DistanceGrid(low, step, values)


def _samples(
    mesh: Any, spacing: float, generator: np.random.Generator
) -> tuple[Array, NDArray[np.int64]]:
    """Dense points of the mesh and their faces; every face has one at least, its middle."""
    import trimesh

    count = min(int(mesh.area / spacing**2), _MOST_SAMPLES)
    points, faces = trimesh.sample.sample_surface(mesh, count, seed=int(generator.integers(2**31)))
    middles = mesh.triangles.mean(axis=1)
    return (
        np.vstack([np.asarray(points), middles]),
        np.concatenate([np.asarray(faces), np.arange(len(middles))]),
    )


def _far(
    nearest: _Nearest, low: Array, step: float, sign: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Unsigned distance at all nodes from a grid four times as wide."""
    coarse_sign = sign[::_COARSE, ::_COARSE, ::_COARSE]
    index = np.stack(np.meshgrid(*map(np.arange, coarse_sign.shape), indexing="ij"), axis=-1)
    distance = nearest.distance(low + _COARSE * step * index.reshape(-1, 3))
    # Signed values are straight across the surface, unsigned ones have a kink there.
    return np.abs(_refined(coarse_sign * distance.astype(np.float32).reshape(coarse_sign.shape)))


def _refined(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linear interpolation to nodes `_COARSE` times as dense along every axis."""
    for axis in range(3):
        at = np.arange(_COARSE * (values.shape[axis] - 1) + 1) / _COARSE
        before = np.minimum(at.astype(int), values.shape[axis] - 2)
        share = np.expand_dims((at - before).astype(np.float32), [a for a in range(3) if a != axis])
        first, second = values.take(before, axis), values.take(before + 1, axis)
        values = first + share * (second - first)
    return values


def _beside(
    samples: Array, low: Array, step: float, sign: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Nodes of the cells that the surface crosses, and their neighbours."""
    crossed = np.zeros(sign.shape, dtype=bool)
    crossed[tuple(np.floor((samples - low) / step).astype(int).T)] = True
    # Of a cell that the surface hardly enters, no sample tells.
    for axis in range(3):
        before = tuple(slice(0, -1) if a == axis else slice(None) for a in range(3))
        crossed[before] |= np.diff(sign, axis=axis) != 0
    # A cell has the nodes at its index and one further.
    return np.asarray(ndimage.maximum_filter(crossed, size=4), dtype=bool)


class _Nearest:
    """Finds the nearest triangle: by samples near a node, then from face to face."""

    def __init__(self, mesh: Any, samples: Array, faces: NDArray[np.int64]) -> None:
        self.triangles: Array = np.asarray(mesh.triangles)
        self.normals: Array = np.asarray(mesh.face_normals)
        self.neighbours = _neighbours(np.asarray(mesh.face_adjacency), len(self.triangles))
        self.faces, self.tree = faces, cKDTree(samples)

    def distance(self, nodes: Array) -> Array:
        """Unsigned distance of `(N, 3)` nodes, `(N,)`."""
        some = [self._few(nodes[i : i + _CHUNK]) for i in range(0, max(len(nodes), 1), _CHUNK)]
        return np.concatenate(some)

    def _few(self, nodes: Array) -> Array:
        samples = np.asarray(self.tree.query(nodes, k=_CANDIDATES)[1])
        candidates = self.faces[samples]
        best = np.full(len(nodes), np.inf)
        face, square = candidates[:, 0].copy(), np.zeros(len(nodes), dtype=bool)
        everyone = np.arange(len(nodes))
        tried = np.full(len(nodes), -1)
        for candidate in candidates.T:
            new = everyone[candidate != tried]
            self._try(nodes, new, candidate[new], best, face, square)
            tried = candidate
        for _ in range(_WALK):
            # A node square above its face's inside has no nearer one beside it.
            open_ = np.flatnonzero(~square)
            before = face[open_]
            for beside in self.neighbours[before].T:
                self._try(nodes, open_, beside, best, face, square)
            if (face[open_] == before).all():
                break
        return best

    def _try(
        self,
        nodes: Array,
        which: NDArray[np.int64],
        candidate: NDArray[np.int64],
        best: Array,
        face: NDArray[np.int64],
        square: NDArray[np.bool_],
    ) -> None:
        """Take a candidate face for some nodes where it is nearer than the best so far."""
        from trimesh.triangles import closest_point

        offset = nodes[which] - closest_point(self.triangles[candidate], nodes[which])
        distance = np.linalg.norm(offset, axis=1)
        nearer = distance < best[which]
        chosen, taken = which[nearer], candidate[nearer]
        best[chosen], face[chosen] = distance[nearer], taken
        upright = np.abs((offset[nearer] * self.normals[taken]).sum(axis=1))
        square[chosen] = upright > (1 - 1e-9) * distance[nearer]


def _neighbours(adjacency: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The faces beside each face, `(count, 3)`; itself where there are fewer."""
    pairs = np.vstack([adjacency, adjacency[:, ::-1]])
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    first = np.searchsorted(pairs[:, 0], np.arange(count))
    place = np.arange(len(pairs)) - first[pairs[:, 0]]
    result = np.repeat(np.arange(count)[:, None], 3, axis=1)
    kept = place < 3
    result[pairs[kept, 0], place[kept]] = pairs[kept, 1]
    return result


_TOLERATED = 0.01
"""Share of the inside that may lie in more than one part, as where scanned faces fold over."""


def inside_nodes(
    triangles: Array, low: Array, step: float, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Which nodes of a grid a closed mesh encloses.

    Args:
        triangles: Corners of the faces, `(F, 3, 3)`, counter-clockwise as seen from outside.
        low: Position of the first node, `(3,)`.
        step: Distance of neighbouring nodes.
        shape: Of the grid, which must reach beyond the mesh.

    Returns:
        Mask of the grid's shape.

    Raises:
        DatasetError: Parts overlap, or faces contradict each other.
    """
    # A column that meets an edge exactly would count it twice: move all columns a hair aside.
    for hair in (1e-4, 2.3e-4, 3.7e-4):
        aside = low + step * hair * np.array([1.0, 0.618, 0.0])
        turns = _entries((triangles - aside) / step, shape)
        np.cumsum(turns, axis=2, out=turns)
        if not turns[:, :, -1].any():
            break
    else:
        msg = "its faces contradict each other: rays that enter it do not leave it."
        raise DatasetError(msg)
    inside = turns > 0
    odd = np.count_nonzero(turns < 0) + np.count_nonzero(turns > 1)
    if odd > _TOLERATED * np.count_nonzero(inside):
        msg = "its parts overlap, or one lies within another: unite them into one solid first."
        raise DatasetError(msg)
    return inside


def _entries(triangles: Array, shape: tuple[int, ...]) -> NDArray[np.int16]:
    """At each node, how often the mesh is entered less left since the node below, in steps."""
    turns = np.zeros(shape, dtype=np.int16)
    first = np.ceil(triangles[:, :, :2].min(axis=1)).astype(int)
    count = np.floor(triangles[:, :, :2].max(axis=1)).astype(int) - first + 1
    columns = count.clip(0).prod(axis=1)
    met = np.flatnonzero(columns)
    bounds = np.cumsum(columns[met])
    for start in range(0, int(bounds[-1]) if len(bounds) else 0, _CHUNK):
        pair = np.arange(start, min(start + _CHUNK, int(bounds[-1])))
        which = np.searchsorted(bounds, pair, side="right")
        face = met[which]
        rest = pair - (bounds[which] - columns[face])
        x = first[face, 0] + rest // count[face, 1]
        y = first[face, 1] + rest % count[face, 1]
        z, way = _crossing(triangles[face], x, y)
        hit = way != 0
        above = np.ceil(z[hit]).astype(int)
        np.add.at(turns, (x[hit], y[hit], above), way[hit].astype(np.int16))
    return turns


def _crossing(
    triangles: Array, x: NDArray[np.int64], y: NDArray[np.int64]
) -> tuple[Array, NDArray[np.int64]]:
    """Height at which upright lines cross triangles; 1 where they enter, -1 leave, 0 miss."""
    a, b, c = (triangles[:, i] for i in range(3))

    def twice_area(p: Array, q: Array) -> Array:
        return (p[:, 0] - x) * (q[:, 1] - y) - (p[:, 1] - y) * (q[:, 0] - x)

    u, v, w = twice_area(b, c), twice_area(c, a), twice_area(a, b)
    total = u + v + w
    hit = (((u >= 0) & (v >= 0) & (w >= 0)) | ((u <= 0) & (v <= 0) & (w <= 0))) & (total != 0)
    safe = np.where(total == 0, 1.0, total)
    z = (u * a[:, 2] + v * b[:, 2] + w * c[:, 2]) / safe
    return z, np.where(hit, -np.sign(total), 0).astype(np.int64)

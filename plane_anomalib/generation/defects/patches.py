"""A connected piece of surface around a point, and how to push it about."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from plane_anomalib.generation.defects.corruption import Labelled
from plane_anomalib.geometry.neighbours import knn
from plane_anomalib.geometry.normals import neighbourhood_normals, orient_outward, patch_normal
from plane_anomalib.geometry.points import FloatArray, IntArray

Array = NDArray[np.float64]

_NEIGHBOURS = 8
_DETOUR = 1.6
"""How much longer than the straight line a way over the surface may be (graph zigzag included)."""
_LONGEST_EDGE = 1.5
"""In units of the median distance of the last neighbour."""
_GREATEST_STRETCH = 4.0


@dataclass(frozen=True)
class SurfacePatch:
    """Points reachable from a center over the surface, in a local frame.

    Attributes:
        indices: (P,) into the cloud, the center among them.
        local: (P, 3) tangential u, v and height w over the tangent plane at the center.
        frame: (3, 3) rows: two tangents and the outward normal.
        neighbours: (P, K) into the patch: the nearest points, itself first.
        gaps: (P, K) distances to them.
    """

    indices: IntArray
    local: Array
    frame: Array
    neighbours: IntArray
    gaps: Array

    @property
    def spacing(self) -> float:
        """Median distance of a point to its nearest neighbour."""
        return float(np.median(self.gaps[:, min(1, self.gaps.shape[1] - 1)]))

    def normals(self, cloud: FloatArray) -> Array:
        """(P, 3) unit normals of the points, on the side of the patch's normal."""
        normals = neighbourhood_normals(cloud, self.indices[self.neighbours])
        return np.where((normals @ self.frame[2])[:, None] < 0, -normals, normals)


def grow_patch(
    cloud: FloatArray, center: int, radius: float, generator: np.random.Generator
) -> SurfacePatch:
    """Collect what lies within `radius` and hangs together with the center.

    The opposite side of a thin wall is near in space but far over the surface, hence left out
    wherever the wall is thicker than the gaps between points.

    Args:
        cloud: (N, 3), N >= 1.
        center: Index of the center.
        radius: In the units of the cloud.
        generator: Turns the tangents at random.

    Returns:
        The patch; never empty.
    """
    squared = np.square(cloud - cloud[center]).sum(1)
    near = np.flatnonzero(squared <= radius**2)
    start = int(np.searchsorted(near, center))
    k = min(_NEIGHBOURS, len(near))
    gaps, neighbours = knn(cloud[near], cloud[near], k)
    # At the border of the ball the nearest points may lie on the other side of a wall.
    short = gaps <= _LONGEST_EDGE * np.median(gaps[:, -1])
    rows = np.broadcast_to(np.arange(len(near))[:, None], short.shape)[short]
    # A zero would mean "no edge" to the sparse graph, and duplicates are no obstacle.
    edges = np.maximum(gaps[short].astype(np.float64), 1e-12)
    graph = csr_array((edges, (rows, neighbours[short])), shape=(len(near), len(near)))
    ways = dijkstra(graph, directed=False, indices=np.array([start]), limit=_DETOUR * radius)[0]
    members = np.flatnonzero(np.isfinite(ways))
    position = np.zeros(len(near), dtype=np.int64)
    position[members] = np.arange(len(members))
    # Neighbours that were cut off are replaced by the point itself.
    inside = short[members] & np.isfinite(ways)[neighbours[members]]
    own = np.broadcast_to(np.arange(len(members))[:, None], inside.shape)
    linked = np.where(inside, position[neighbours[members]], own)
    indices = near[members]
    frame = _frame(cloud, cloud[indices], cloud[center], 0.6 * radius, generator)
    local = (cloud[indices] - cloud[center]).astype(np.float64) @ frame.T
    return SurfacePatch(indices, local, frame, linked, gaps[members].astype(np.float64))


def _frame(
    cloud: FloatArray,
    patch: FloatArray,
    center: FloatArray,
    core: float,
    generator: np.random.Generator,
) -> Array:
    inner = patch[np.square(patch - center).sum(1) <= core**2]
    normal = orient_outward(patch_normal(inner), center, cloud.mean(0, dtype=np.float64))
    across = np.eye(3)[np.abs(normal).argmin()]
    first = np.cross(normal, across)
    first /= np.linalg.norm(first)
    second = np.cross(normal, first)
    angle = generator.uniform(0, 2 * np.pi)
    turned = np.cos(angle) * first + np.sin(angle) * second
    return np.stack([turned, np.cross(normal, turned), normal]).astype(np.float64)


def displace(
    cloud: FloatArray,
    patch: SurfacePatch,
    heights: Array,
    directions: Array,
    generator: np.random.Generator,
    *,
    label_threshold: float,
    resample: bool,
) -> Labelled:
    """Move the points of a patch and label those that really moved.

    Args:
        cloud: (N, 3); left as it is.
        patch: The part to move.
        heights: (P,) signed distances.
        directions: (P, 3) or (3,) unit vectors.
        generator: Draws the points that are added.
        label_threshold: Least share of the greatest height that counts as anomalous.
        resample: Add points where the surface is stretched, as a scanner would, so that thinning
            does not give the defect away.

    Returns:
        (M, 3) points and labels, M >= N.
    """
    steps = heights[:, None] * directions
    moved = cloud.copy()
    moved[patch.indices] += steps.astype(np.float32)
    mask = np.zeros(len(cloud), dtype=np.bool_)
    limit = label_threshold * np.abs(heights).max()
    mask[patch.indices] = (np.abs(heights) >= limit) & (np.abs(heights) > 0)
    if not resample:
        return Labelled(moved, mask)
    parents, partners = _stretched_edges(patch, heights, generator)
    share = generator.random((len(parents), 1))
    ends = moved[patch.indices[parents]], moved[patch.indices[partners]]
    added = ends[0] * (1 - share) + ends[1] * share
    between = np.abs(heights[parents] * (1 - share[:, 0]) + heights[partners] * share[:, 0])
    points = np.concatenate([moved, added.astype(np.float32)])
    return Labelled(points, np.concatenate([mask, (between >= limit) & (between > 0)]))


def _stretched_edges(
    patch: SurfacePatch, heights: Array, generator: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Draw edges of the surface in proportion to the area gained at their first end."""
    if patch.neighbours.shape[1] < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rises = heights[patch.neighbours[:, 1:]] - heights[:, None]
    slopes = np.square(rises / np.maximum(patch.gaps[:, 1:], 1e-9)).mean(1)
    # Over all directions in the plane the squared slope averages to half the squared gradient.
    gained = np.minimum(np.sqrt(1 + 2 * slopes), _GREATEST_STRETCH) - 1
    parents = np.repeat(np.arange(len(heights)), generator.poisson(gained))
    columns = generator.integers(1, patch.neighbours.shape[1], len(parents))
    return parents, patch.neighbours[parents, columns]

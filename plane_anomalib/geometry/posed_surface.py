"""A surface that scans are registered to, prepared once: trees, a lookup grid, views."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plane_anomalib.core.cores import in_chunks
from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.normals import point_normals, surface_side_normals
from plane_anomalib.geometry.points import FloatArray, IntArray, as_points, even_directions
from plane_anomalib.geometry.sampling import (
    random_subsample,
    seen_from,
    typical_spacing,
    voxel_downsample,
)

Array = NDArray[np.float64]

COARSE_VOXEL = 0.02
_FINE_POINTS = 16_000
_VIEW_POINTS = 2_000
_VIEWS = 128
_GRID = 72
_CHUNK = 2_048
_MARGIN = 0.3
_PROBED = 4_000
_TURNED = 0.2
"""A normal looks away from a direction from this cosine on; near the rim it may be off."""
_FACING = 0.1
_REACH = 0.03
_ONE_SIDE = 0.05
"""On 18 built-in shapes scanned from one side, nine in ten views stay below 0.02 and all below
0.08; whole objects reach 0.06 at least, and three in four of those that are cut in half 0.12."""
_WHOLE_VIEW = 0.15
_ASLANT, _FEW_ASLANT = 0.25, 0.15
"""A quarter of the area of half a ball is seen as aslant as that, but a sixteenth of its pixels."""
_PIXEL = 0.05
"""Edge of the pixels that decide what hides what; several times the distance of view points."""


@dataclass(frozen=True)
class ExplainedView:
    """How well a look from one side explains what a scan shows.

    Attributes:
        turned_away: Share of the scan's points on surface that looks away from that side: next to
            nothing for a scan from one side, a tenth and more for a whole object and for most of
            what is left of a broken one.
        missing: Share of what that side shows of the surface that the scan has not.
        aslant: Share of the scan's points on surface that is seen from there under a small angle:
            few for a scanner, whose pixels are far apart there, but as many as elsewhere at the
            end that is left of a broken part.
    """

    turned_away: float
    missing: float
    aslant: float

    @property
    def whole_view(self) -> bool:
        """Whether it is about what one side shows."""
        one_side = self.turned_away <= _ONE_SIDE and self.aslant <= _FEW_ASLANT
        return one_side and self.missing <= _WHOLE_VIEW


class PosedSurface:
    """Template of a registration, in a frame of its own: centered, longest side 1.

    Every length below is therefore a share of the longest side.

    Args:
        points: (N, 3), N >= 1, any units: a complete scan or a sampled mesh.
        generator: Draws the points that stand for a larger cloud.
    """

    def __init__(self, points: ArrayLike, generator: np.random.Generator) -> None:
        cloud = as_points(points, name="target")
        self.center: Array = cloud.mean(0, dtype=np.float64)
        self.extent = float(np.ptp(cloud.astype(np.float64), 0).max()) or 1.0
        unit = self.to_unit(cloud)
        self.coarse = coarse_points(unit)
        self.coarse_normals = point_normals(self.coarse).astype(np.float64)
        self.coarse_index = NeighbourIndex(self.coarse)
        self.fine = _drawn(unit, _FINE_POINTS, generator)
        self.fine_normals = point_normals(self.fine, 12).astype(np.float64)
        self.fine_index = NeighbourIndex(self.fine)
        self.spacing = typical_spacing(self.fine)
        self.view_points = _drawn(unit, _VIEW_POINTS, generator)
        self.directions = even_directions(_VIEWS)

    def to_unit(self, points: FloatArray) -> FloatArray:
        """Bring points of the target's frame into the frame of this surface.

        Args:
            points: (N, 3).

        Returns:
            (N, 3) float32.
        """
        return np.asarray((points - self.center) / self.extent, np.float32)

    @cached_property
    def _grid(self) -> tuple[Array, float, IntArray, IntArray]:
        low = self.coarse.min(0).astype(np.float64) - _MARGIN
        size = np.ptp(self.coarse.astype(np.float64), 0) + 2 * _MARGIN
        cell = float(size.max()) / _GRID
        shape = np.ceil(size / cell).astype(np.int64)
        axes = [
            (np.arange(num) + 0.5) * cell + start for num, start in zip(shape, low, strict=True)
        ]
        centers = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        return low, cell, shape, self.coarse_index.query(centers, 1)[1][:, 0]

    def nearest(self, points: Array) -> IntArray:
        """Look up the nearest coarse point, exact to about a cell of the grid.

        Args:
            points: (..., 3) in the frame of this surface.

        Returns:
            (...) int64 indices into `coarse`.
        """
        low, cell, shape, nearest = self._grid
        place = ((points - low) / cell).astype(np.int64)
        np.clip(place, 0, shape - 1, out=place)
        return nearest[(place[..., 0] * shape[1] + place[..., 1]) * shape[2] + place[..., 2]]

    def distances(self, points: Array, k: int = 6) -> Array:
        """Distance to the surface, hardly more than zero on it even where points are sparse.

        Args:
            points: (M, 3) in the frame of this surface.
            k: Nearby points whose tangent planes are tried.

        Returns:
            (M,) float64: the least of the distances to their tangent discs.
        """
        least = np.empty(len(points))

        def measure(part: slice) -> None:
            least[part] = self._distances(points[part], min(k, len(self.fine)))

        in_chunks(measure, len(points), _CHUNK)
        return least

    def _distances(self, points: Array, k: int) -> Array:
        reach, indices = self.fine_index.query(points, k, workers=1)
        offsets = points[:, None] - self.fine[indices]
        height = np.einsum("mki,mki->mk", offsets, self.fine_normals[indices])
        along = np.sqrt(np.maximum(np.square(reach, dtype=np.float64) - height**2, 0.0))
        beyond = np.maximum(along - 1.5 * self.spacing, 0.0)
        return np.asarray(np.sqrt(height**2 + beyond**2).min(1))

    @cached_property
    def side_normals(self) -> Array:
        """(F, 3) normals of `fine` that all look out of the material."""
        return surface_side_normals(self.fine).astype(np.float64)

    @cached_property
    def visible(self) -> list[IntArray]:
        """Indices of the view points that are seen from each of `directions`."""
        return [_seen(self.view_points, direction) for direction in self.directions]

    @cached_property
    def visible_centers(self) -> Array:
        """(views, 3) centroids of what is seen: where a one-sided scan has its centroid."""
        return np.stack([self.view_points[seen].mean(0) for seen in self.visible])

    @cached_property
    def _visible_spreads(self) -> Array:
        return np.stack([covariance(self.view_points[seen]) for seen in self.visible])

    def views_like(self, spreads: Array, num: int) -> IntArray:
        """The views in which the surface is spread out most like a scan.

        Args:
            spreads: (S, 3, 3) covariances of the scan in each of S poses.
            num: How many views.

        Returns:
            (S, num) int64 indices into `directions`, the most alike first.
        """
        differences = spreads[:, None] - self._visible_spreads
        return np.argsort(np.square(differences).sum((2, 3)), axis=1, kind="stable")[:, :num]


def view_explaining(surface: PosedSurface, points: FloatArray) -> ExplainedView:
    """Which look from one side explains best what a scan shows of a surface.

    Args:
        surface: What was scanned, from all sides or from fewer.
        points: (N, 3) the scan, in the frame of the surface, in random order.

    Returns:
        How well it does.
    """
    probed = points[:_PROBED]
    normals = surface.side_normals[surface.fine_index.query(probed, 1)[1][:, 0]]
    away = (normals @ surface.directions.T < -_TURNED).mean(0)
    toward = surface.directions[int(np.argmin(away))]
    faces = surface.side_normals @ toward > _FACING
    shown = faces & seen_from(surface.fine.astype(np.float64), toward, spacing=surface.spacing,
                              depth=1.0)  # fmt: skip
    reach = max(_REACH, 3.0 * typical_spacing(probed, num=512))
    near = NeighbourIndex(probed).query(surface.fine[shown], 1)[0][:, 0] < reach
    missing = 1.0 - float(near.mean()) if len(near) else 1.0
    aslant = float((normals @ toward < _ASLANT).mean())
    return ExplainedView(float(away.min()), missing, aslant)


def covariance(points: FloatArray) -> Array:
    """Covariance of points (N, 3) as (3, 3) float64."""
    offsets = points - points.mean(0, dtype=np.float64)
    return np.asarray(offsets.T @ offsets / len(points))


def coarse_points(unit: FloatArray) -> FloatArray:
    """Thin a cloud (N, 3) whose unit is the longest side of the target to (C, 3)."""
    return unit[voxel_downsample(unit, COARSE_VOXEL)]


def _drawn(cloud: FloatArray, num: int, generator: np.random.Generator) -> FloatArray:
    if len(cloud) <= num:
        return cloud
    return cloud[np.sort(random_subsample(len(cloud), num, generator))]


def _seen(points: FloatArray, direction: Array) -> IntArray:
    """Points that no other point of the same pixel hides from a far camera in `direction`."""
    side = np.linalg.svd(direction[None])[2][1:]
    pixels = np.floor(points @ side.T / _PIXEL).astype(np.int64)
    pixels -= pixels.min(0)
    pixel = pixels[:, 0] * (pixels[:, 1].max() + 1) + pixels[:, 1]
    depth = points @ direction
    nearest = np.full(int(pixel.max()) + 1, -np.inf)
    np.maximum.at(nearest, pixel, depth)
    return np.flatnonzero(depth >= nearest[pixel] - _PIXEL)

"""The template as many small plane pieces, each lying in one sheet of the surface.

A thin wall sampled more sparsely than it is thick puts points of both its sides into every
neighbourhood. A plane fitted to all of them lies in the middle of the wall and is wrong by half its
thickness everywhere. Here each template point gets a plane of its own sheet, by weights that fall
off with the distance from that plane, and a distance is one to the nearest sheet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.geometry.chunks import in_chunks
from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.normals import orient_outward, point_normals
from plane_anomalib.geometry.validation import FloatArray

Array = NDArray[np.float64]

_NEIGHBOURS = 24
_ROUNDS = 4
_CHUNK = 2_048
_TRIED = 16
_AGREEING = 4
_LEAST_WIDTH = 1e-9
_LEVER = 0.3**2
"""Squared error of a normal: what a plane may be wrong by at a distance of one."""


@dataclass(frozen=True)
class Sheets:
    """Points with the plane of their own sheet; lengths are shares of the object's longest side.

    Attributes:
        points: (P, 3) float32, each moved onto the plane of its neighbours in the sheet.
        normals: (P, 3) float32 unit normals, outward from the centroid of all points.
        noise: Typical distance of the measured points from their planes.
    """

    points: FloatArray
    normals: FloatArray
    noise: float

    @cached_property
    def index(self) -> NeighbourIndex:
        """A kd-tree over the points."""
        return NeighbourIndex(self.points)

    @classmethod
    def fit(cls, cloud: FloatArray) -> Sheets:
        """Find the sheet of every point.

        Args:
            cloud: (P, 3) points of one or several templates in one frame, P >= 1.

        Returns:
            The sheets.
        """
        index = NeighbourIndex(cloud)
        count = min(_NEIGHBOURS, len(cloud))
        normals = point_normals(cloud, count)
        neighbours = index.query(cloud, count)[1]
        noise = _first_noise(cloud, normals, neighbours)
        for _ in range(_ROUNDS):
            normals, heights, noise = _own_sheets(cloud, normals, neighbours, noise)
        points = np.asarray(cloud + normals * heights[:, None], np.float32)
        center = cloud.mean(0, dtype=np.float64)
        return cls(points, orient_outward(normals, points, center), noise)

    def residuals(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Signed distance to the nearest sheet, positive outward.

        Of the nearby planes those four count that the point is closest to: beside an edge the
        planes of the other face, and behind a thin wall those of its other side, do not.

        Args:
            points: (N, 3) in the frame of the sheets.

        Returns:
            Distances (N,) float32 and the unit normals (N, 3) float32 along which they are taken.
        """
        distances = np.empty(len(points), np.float32)
        normals = np.empty_like(points, dtype=np.float32)

        def measure(part: slice) -> None:
            distances[part], normals[part] = self._residuals(points[part])

        in_chunks(measure, len(points), _CHUNK)
        return distances, normals

    def _residuals(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        reach, indices = self.index.query(points, min(_TRIED, len(self.points)), workers=1)
        heights = np.einsum(
            "nki,nki->nk", points[:, None] - self.points[indices], self.normals[indices]
        )
        agreeing = min(_AGREEING, heights.shape[1])
        # A far plane may pass through the point by chance; it has to be much closer to count.
        unlike = np.square(heights) + _LEVER * np.square(reach)
        nearest = np.argpartition(unlike, agreeing - 1, axis=1)[:, :agreeing]
        heights = np.take_along_axis(heights, nearest, 1)
        normals = self.normals[np.take_along_axis(indices, nearest, 1)]
        # Opposite sides of one wall have opposite normals: all are turned the way of the first.
        first = np.argmin(np.abs(heights), axis=1)[:, None]
        ahead = np.take_along_axis(normals, first[:, :, None], 1)
        signs = np.where(np.einsum("nki,nki->nk", normals, ahead) < 0, -1.0, 1.0)
        mean = np.einsum("nk,nki->ni", signs, normals)
        length = np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-9)
        signed = (signs * heights).mean(1).astype(np.float32)
        return signed, (mean / length).astype(np.float32)


def _first_noise(cloud: FloatArray, normals: FloatArray, neighbours: NDArray[np.int64]) -> float:
    """From the height of the nearest quarter of the neighbours: half of them share the sheet."""
    quartiles = np.empty(len(cloud), np.float32)

    def measure(part: slice) -> None:
        offsets = cloud[neighbours[part]] - cloud[part, None]
        heights = np.abs(np.einsum("nki,ni->nk", offsets, normals[part]))
        quarter = heights.shape[1] // 4
        quartiles[part] = np.partition(heights, quarter, axis=1)[:, quarter]

    in_chunks(measure, len(cloud), _CHUNK)
    return 1.4826 * float(np.median(quartiles))


def _own_sheets(
    cloud: FloatArray, normals: FloatArray, neighbours: NDArray[np.int64], noise: float
) -> tuple[FloatArray, FloatArray, float]:
    """One round: normals, heights of the planes over the points, and the noise about them."""
    turned = np.empty_like(normals)
    heights, quartiles = np.empty(len(cloud), np.float32), np.empty(len(cloud), np.float32)

    def fit(part: slice) -> None:
        found = _own_sheet(cloud, normals, neighbours, part, noise)
        turned[part], heights[part], quartiles[part] = found

    in_chunks(fit, len(cloud), _CHUNK)
    return turned, heights, 1.4826 * float(np.median(quartiles))


def _own_sheet(
    cloud: FloatArray,
    normals: FloatArray,
    neighbours: NDArray[np.int64],
    part: slice,
    noise: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of some points: normals, heights of the planes over them, and quartiles of the heights."""
    offsets = cloud[neighbours[part]] - cloud[part, None]
    heights = np.einsum("nki,ni->nk", offsets, normals[part])
    width = max(2.0 * noise, _LEAST_WIDTH)
    alike = np.einsum("nki,ni->nk", normals[neighbours[part]], normals[part]) ** 4
    weights = np.exp(-0.5 * np.square(heights / width)) * alike + 1e-6
    weights /= weights.sum(1, keepdims=True)
    mean = np.einsum("nk,nki->ni", weights, offsets)
    offsets = offsets - mean[:, None]
    covariance = (weights[..., None] * offsets).transpose(0, 2, 1) @ offsets
    turned = np.linalg.eigh(covariance.astype(np.float64))[1][:, :, 0].astype(np.float32)
    heights = np.abs(np.einsum("nki,ni->nk", offsets, turned))
    quarter = heights.shape[1] // 4
    quartiles = np.partition(heights, quarter, axis=1)[:, quarter]
    return turned, np.einsum("ni,ni->n", mean, turned), quartiles

"""The template as many small plane pieces, each lying in one sheet of the surface.

A thin wall sampled more sparsely than it is thick puts points of both its sides into every
neighbourhood. A plane fitted to all of them lies in the middle of the wall and is wrong by half its
thickness everywhere. Here each template point gets a plane of its own sheet, by weights that fall
off with the distance from that plane, and a distance is one to the nearest sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from plane_anomalib.core.cores import in_chunks
from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.normals import least_variance, neighbourhood_normals, orient_outward
from plane_anomalib.geometry.points import FloatArray, IntArray

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
        count = min(_NEIGHBOURS, len(cloud))
        neighbours = NeighbourIndex(cloud).query(cloud, count)[1]
        center = cloud.mean(0, dtype=np.float64)
        normals = neighbourhood_normals(cloud, neighbours).astype(np.float32)
        normals = orient_outward(normals, cloud, center)
        offsets = _offsets(cloud, neighbours)
        noise = _first_noise(normals, offsets)
        for _ in range(_ROUNDS):
            normals, heights, noise = _own_sheets(normals, neighbours, offsets, noise)
        points = np.asarray(cloud + normals * heights[:, None], np.float32)
        return cls(points, orient_outward(normals, points, center), noise)

    def residuals(self, points: FloatArray) -> tuple[FloatArray, FloatArray, IntArray]:
        """Signed distance to the nearest sheet, positive outward.

        Of the nearby planes those four count that the point is closest to: beside an edge the
        planes of the other face, and behind a thin wall those of its other side, do not.

        Args:
            points: (N, 3) in the frame of the sheets.

        Returns:
            Distances (N,) float32, the unit normals (N, 3) float32 along which they are taken, and
            the nearest of the sheets' points (N,) int64.
        """
        distances = np.empty(len(points), np.float32)
        normals = np.empty_like(points, dtype=np.float32)
        closest = np.empty(len(points), np.int64)

        def measure(part: slice) -> None:
            distances[part], normals[part], closest[part] = self._residuals(points[part])

        in_chunks(measure, len(points), _CHUNK)
        return distances, normals, closest

    def _residuals(self, points: FloatArray) -> tuple[FloatArray, FloatArray, IntArray]:
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
        return signed, (mean / length).astype(np.float32), indices[:, 0]


def _offsets(cloud: FloatArray, neighbours: IntArray) -> FloatArray:
    """(3, P, K) from each point to its neighbours, an array for each axis: sums are fastest so."""
    offsets = np.empty((3, *neighbours.shape), np.float32)

    def gather(part: slice) -> None:
        around = cloud[neighbours[part]] - cloud[part, None]
        offsets[:, part] = np.moveaxis(around, 2, 0)

    in_chunks(gather, len(cloud), _CHUNK)
    return offsets


def _along(vectors: FloatArray, directions: FloatArray) -> FloatArray:
    """(3, N, K) vectors along the directions (N, 3), as (N, K)."""
    x, y, z = directions.T[:, :, None]
    lengths: FloatArray = vectors[0] * x
    lengths += vectors[1] * y
    lengths += vectors[2] * z
    return lengths


def _quartiles(heights: FloatArray) -> FloatArray:
    """Of each row (N, K), the height that a quarter of the neighbours stay below."""
    quarter = heights.shape[1] // 4
    return np.asarray(np.partition(heights, quarter, axis=1)[:, quarter])


def _first_noise(normals: FloatArray, offsets: FloatArray) -> float:
    """From the height of the nearest quarter of the neighbours: half of them share the sheet."""
    quartiles = np.empty(len(normals), np.float32)

    def measure(part: slice) -> None:
        quartiles[part] = _quartiles(np.abs(_along(offsets[:, part], normals[part])))

    in_chunks(measure, len(normals), _CHUNK)
    return 1.4826 * float(np.median(quartiles))


def _own_sheets(
    normals: FloatArray, neighbours: IntArray, offsets: FloatArray, noise: float
) -> tuple[FloatArray, FloatArray, float]:
    """One round: normals, heights of the planes over the points, and the noise about them."""
    turned = np.empty_like(normals)
    heights, quartiles = (np.empty(len(normals), np.float32) for _ in range(2))

    def fit(part: slice) -> None:
        around = np.moveaxis(normals[neighbours[part]], 2, 0)
        found = _own_sheet(normals[part], around, offsets[:, part], noise)
        turned[part], heights[part], quartiles[part] = found

    in_chunks(fit, len(normals), _CHUNK)
    return turned, heights, 1.4826 * float(np.median(quartiles))


def _own_sheet(
    normals: FloatArray, around: FloatArray, offsets: FloatArray, noise: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Planes of N points by their K neighbours, weighted by how likely they share the sheet.

    Args:
        normals: (N, 3) of the points.
        around: (3, N, K) of their neighbours.
        offsets: (3, N, K) to their neighbours.
        noise: About the planes.

    Returns:
        Normals (N, 3), heights of the planes over the points (N,) and quartiles of the heights.
    """
    width = max(2.0 * noise, _LEAST_WIDTH)
    weights = np.exp(np.square(_along(offsets, normals)) * np.float32(-0.5 / width**2))
    weights *= np.square(np.square(_along(around, normals)))
    weights += 1e-6
    weights /= weights.sum(1, keepdims=True)
    weighted = weights * offsets
    mean = weighted.sum(2)
    centered = offsets - mean[:, :, None]
    weighted = weights * centered
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    covariances = [np.einsum("nk,nk->n", weighted[i], centered[j]) for i, j in pairs]
    turned = least_variance(np.stack(covariances).astype(np.float64)).astype(np.float32)
    quartiles = _quartiles(np.abs(_along(centered, turned)))
    return turned, np.einsum("in,ni->n", mean, turned), quartiles


def smooth_residuals(
    points: FloatArray,
    residuals: FloatArray,
    normals: FloatArray,
    neighbours: IntArray,
    scales: Sequence[int],
    width: float,
) -> FloatArray:
    """Average over the nearest neighbours that lie in the same sheet.

    Signs are kept: noise cancels, a dent does not. Neighbours of another sheet count little.

    Args:
        points: (N, 3) the points after any displacement.
        residuals: (N,) signed distances.
        normals: (N, 3) along which.
        neighbours: (N, K) indices of the nearest points, each point itself first.
        scales: Numbers of neighbours to average, each at most K.
        width: Height difference of two feet (the other side of a thin wall, the next face) from
            which on they belong to different sheets.

    Returns:
        (N, len(scales)) float32.
    """
    smoothed, largest = np.empty((len(points), len(scales)), np.float32), max(scales)
    feet = points - residuals[:, None] * normals

    def average(part: slice) -> None:
        around, normal = neighbours[part, :largest], normals[part]
        cosines = np.einsum("ni,nki->nk", normal, normals[around])
        values = np.copysign(residuals[around], residuals[around] * cosines)
        heights = np.einsum("nki,ni->nk", feet[around] - feet[part, None], normal)
        weights = np.square(np.square(cosines)) * np.exp(-0.5 * np.square(heights / width))
        values *= weights
        for column, scale in enumerate(scales):
            total = np.maximum(weights[:, :scale].sum(1), 1e-12)
            smoothed[part, column] = values[:, :scale].sum(1) / total

    in_chunks(average, len(points), _CHUNK)
    return smoothed

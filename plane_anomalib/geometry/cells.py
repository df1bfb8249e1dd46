"""A cloud thinned to cells that remember the moments of the points they stand for."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.normals import neighbourhood_normals
from plane_anomalib.geometry.validation import FloatArray

Array = NDArray[np.float64]

_NORMAL_NEIGHBOURS = 9


@dataclass(frozen=True)
class Cells:
    """Counts, means and covariances of disjoint groups of points.

    Attributes:
        counts: (C,) float64 points per cell.
        means: (C, 3) float64.
        covariances: (C, 3, 3) float64 of the points within each cell about its mean.
    """

    counts: Array
    means: Array
    covariances: Array

    @cached_property
    def index(self) -> NeighbourIndex:
        """A kd-tree over the means."""
        return NeighbourIndex(self.means)

    @cached_property
    def normals(self) -> Array:
        """(C, 3) unit normals, of arbitrary sign."""
        indices = self.index.query(self.means, min(_NORMAL_NEIGHBOURS, len(self.means)))[1]
        return neighbourhood_normals(self.means, indices)


def uniform_cells(points: FloatArray) -> Cells:
    """Make every point its own cell.

    Args:
        points: (N, 3).

    Returns:
        N cells of one point each.
    """
    num = len(points)
    return Cells(np.ones(num), points.astype(np.float64), np.zeros((num, 3, 3)))


def thin(cells: Cells, num: int, generator: np.random.Generator) -> Cells:
    """Merge cells into `num` larger ones: each joins the nearest of `num` drawn seeds.

    No point is lost: counts, means and covariances stay those of all points.

    Args:
        cells: C cells.
        num: How many seeds, at most C.
        generator: Draws the seeds.

    Returns:
        At most `num` cells.
    """
    seeds = generator.choice(len(cells.means), num, replace=False)
    owner = NeighbourIndex(cells.means[seeds]).query(cells.means, 1)[1][:, 0]
    counts = np.bincount(owner, cells.counts, num).astype(np.float64)
    filled = counts > 0
    safe = np.where(filled, counts, 1.0)

    def average(values: Array) -> Array:
        return np.bincount(owner, cells.counts * values, num) / safe

    means = np.stack([average(axis) for axis in cells.means.T], axis=1)
    offsets = cells.means - means[owner]
    covariances = np.empty((num, 3, 3))
    for i in range(3):
        for j in range(i, 3):
            products = cells.covariances[:, i, j] + offsets[:, i] * offsets[:, j]
            covariances[:, i, j] = covariances[:, j, i] = average(products)
    return Cells(counts[filled], means[filled], covariances[filled])

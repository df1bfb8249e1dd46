"""Rotation-invariant shape of the surface around a point, at several scales.

What FPFH and covariance descriptors measure, made for few query points on a large cloud: every
scale is computed on the FULL cloud, yet costs the same few neighbours, because coarse scales sum
over cells (a thinned set of points, each holding count, mean and covariance of its share).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.geometry.normals import neighbourhood_normals
from plane_anomalib.geometry.points import FloatArray, IntArray, as_points

Array = NDArray[np.float64]

_NORMAL_NEIGHBOURS = 9

_REFERENCE_SIZE = 12_000
"""Cloud size that `ks` refers to; other clouds use the same shares of their points."""
_CELLS = 16
"""Neighbouring cells that make up a neighbourhood at a coarse scale."""
_LEAST_NEIGHBOURS = 12
"""A quadric has six coefficients: fewer neighbours than twice that fit it without residual."""
_QUERIES_AT_ONCE = 4_096
_PER_SCALE = (
    "linearity",
    "planarity",
    "surface_variation",
    "plane_offset",
    "quadric_offset",
    "mean_curvature",
    "curvedness",
    "roughness",
)
_BETWEEN_SCALES = ("mean_offset", "normal_angle", "normal_deviation")
_CONTEXT = ("centroid_distance", "radial_cosine")


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


def local_shape_channels(num_scales: int = 3) -> tuple[str, ...]:
    """Names of the columns of `local_shape_features`, in order.

    Per scale (h is the radius of the neighbourhood, weights fall off smoothly towards it):
    eigenvalue ratios of the covariance; `plane_offset`, how far the query stands out of the local
    plane, over h; `quadric_offset`, the same from a fitted quadric; `mean_curvature` (positive
    where convex) and `curvedness` of the quadric, times h; `roughness`, RMS residual of the quadric
    over h. Between scales: `mean_offset` of the finer mean from the coarser plane (a denoised
    `plane_offset`), `normal_angle`, the sine of the angle between the normals, and
    `normal_deviation`, the mean of 1 - |cos| between the query's normal and its neighbours' at the
    coarser scale. Context: distance to the centroid over its RMS, cosine between normal and radial
    direction.

    Args:
        num_scales: Number of `ks`.

    Returns:
        Names such as `"roughness_0"` (finest scale) and `"normal_angle_0_1"`.
    """
    names = [f"{name}_{scale}" for scale in range(num_scales) for name in _PER_SCALE]
    names += [
        f"{name}_{scale}_{scale + 1}" for scale in range(num_scales - 1) for name in _BETWEEN_SCALES
    ]
    return (*names, *_CONTEXT)


def local_shape_features(
    points: ArrayLike,
    queries: ArrayLike,
    ks: Sequence[int] = (16, 48, 128),
    *,
    generator: np.random.Generator | None = None,
) -> FloatArray:
    """Describe the surface around each query, computed on the full cloud.

    Invariant to rotation, translation, scale and the number of points. Signs follow the normal,
    which looks away from the centroid.

    Args:
        points: (N, 3) the full cloud, any units.
        queries: (Q, 3) in the same units; need not be points of the cloud.
        ks: Neighbours per scale for a cloud of 12,000 points, ascending; a cloud of another size
            uses the same shares of its points, at least 12.
        generator: Chooses the thinned points; by default a fixed one, so that the same cloud
            always has the same features.

    Returns:
        (Q, C) float32, columns named by `local_shape_channels`; finite for any input.

    Raises:
        ConfigurationError: If an array is not (*, 3), the cloud is empty or `ks` not ascending.
    """
    cloud, places = as_points(points), as_points(queries, name="queries", minimum=0)
    if not ks or ks[0] < 1 or list(ks) != sorted(ks):
        raise ConfigurationError(f"ks must be positive and ascending, not {tuple(ks)}.")
    unit, where = _in_units_of_the_cloud(cloud, places)
    levels = _levels(unit, ks, generator or np.random.default_rng(0))
    features = np.empty((len(places), len(local_shape_channels(len(ks)))), np.float32)
    for start in range(0, len(places), _QUERIES_AT_ONCE):
        part = slice(start, start + _QUERIES_AT_ONCE)
        features[part] = _describe(where[part], levels)
    return np.nan_to_num(features, copy=False, posinf=0.0, neginf=0.0)


def _in_units_of_the_cloud(cloud: FloatArray, places: FloatArray) -> tuple[FloatArray, Array]:
    """Cloud and places about the cloud's centroid, its RMS distance from it as the unit."""
    center = cloud.mean(0, dtype=np.float64)
    centered = cloud - center
    extent = float(np.sqrt(np.einsum("ij,ij->", centered, centered) / len(cloud))) or 1.0
    return np.asarray(centered / extent, np.float32), (places - center) / extent


@dataclass(frozen=True)
class _Level:
    """Cells of one scale and how many of them a neighbourhood holds."""

    cells: Cells
    neighbours: int


def _levels(cloud: FloatArray, ks: Sequence[int], generator: np.random.Generator) -> list[_Level]:
    levels, cells = [], uniform_cells(cloud)
    share = min(1.0, len(cloud) / _REFERENCE_SIZE)
    for k in ks:
        wanted = max(k * share, float(_LEAST_NEIGHBOURS))
        fewer = round(min(len(cloud), _REFERENCE_SIZE) * min(1.0, _CELLS / wanted))
        if fewer < len(cells.means):
            cells = thin(cells, max(fewer, 1), generator)
        neighbours = min(round(min(wanted, _CELLS)), len(cells.means))
        levels.append(_Level(cells, neighbours))
    return levels


@dataclass(frozen=True)
class _Neighbourhood:
    """Neighbourhoods of Q queries at one scale; positions are relative to the query."""

    radius: Array  # (Q,)
    weights: Array  # (Q, K), sum to 1
    offsets: Array  # (Q, K, 3)
    neighbours: IntArray  # (Q, K)
    mean: Array  # (Q, 3)
    eigenvalues: Array  # (Q, 3) ascending
    frame: Array  # (Q, 3, 3) columns: normal, two tangents


def _neighbourhood(where: Array, level: _Level) -> _Neighbourhood:
    cells = level.cells
    distances, indices = cells.index.query(where, level.neighbours)
    # Slightly beyond the last neighbour, whose weight would otherwise be exactly zero.
    radius = np.maximum(1.05 * distances[:, -1].astype(np.float64), 1e-9)
    weights = (1.0 - np.square(distances / radius[:, None])) * cells.counts[indices]
    weights /= weights.sum(1, keepdims=True)
    offsets = cells.means[indices] - where[:, None]
    mean = np.einsum("qk,qki->qi", weights, offsets)
    spread = (weights[:, :, None] * offsets).transpose(0, 2, 1) @ offsets
    spread -= mean[:, :, None] * mean[:, None, :]
    within = weights[:, None, :] @ cells.covariances.reshape(-1, 9)[indices]
    eigenvalues, frame = np.linalg.eigh(spread + within.reshape(-1, 3, 3))
    return _Neighbourhood(
        radius,
        weights,
        offsets,
        indices,
        mean,
        np.maximum(eigenvalues, 0.0),
        frame,
    )


def _describe(where: Array, levels: list[_Level]) -> Array:
    patches = [_neighbourhood(where, level) for level in levels]
    # Signs run from coarse to fine: the coarsest normal is the most certain of its side.
    normals: list[Array] = []
    towards = where
    for patch in reversed(patches):
        normal = patch.frame[:, :, 0]
        flipped = np.einsum("qi,qi->q", normal, towards) < 0
        towards = np.where(flipped[:, None], -normal, normal)
        normals.insert(0, towards)
    columns = [
        column
        for patch, normal in zip(patches, normals, strict=True)
        for column in _at_scale(patch, normal)
    ]
    for fine in range(len(patches) - 1):
        coarse = fine + 1
        step = patches[fine].mean - patches[coarse].mean
        columns.append(np.einsum("qi,qi->q", step, normals[coarse]) / patches[coarse].radius)
        columns.append(np.linalg.norm(np.cross(normals[fine], normals[coarse]), axis=1))
        neighbours = levels[coarse].cells.normals[patches[coarse].neighbours]
        cosines = np.abs(neighbours @ normals[coarse][:, :, None])[:, :, 0]
        columns.append(1.0 - np.einsum("qk,qk->q", patches[coarse].weights, cosines))
    distance = np.linalg.norm(where, axis=1)
    cosine = np.einsum("qi,qi->q", normals[-1], where) / np.maximum(distance, 1e-9)
    return np.stack([*columns, distance, cosine], axis=1)


def _at_scale(patch: _Neighbourhood, normal: Array) -> list[Array]:
    low, middle, high = patch.eigenvalues.T
    largest = np.maximum(high, 1e-18)
    return [
        (high - middle) / largest,
        (middle - low) / largest,
        low / np.maximum(low + middle + high, 1e-18),
        -np.einsum("qi,qi->q", patch.mean, normal) / patch.radius,
        *_quadric(patch, normal),
    ]


def _quadric(patch: _Neighbourhood, normal: Array) -> tuple[Array, Array, Array, Array]:
    """Fit height over the tangent plane; offset, mean curvature, curvedness, roughness.

    In units of the radius, hence free of scale. Only rotation-invariant combinations of the
    coefficients are returned: the tangents are arbitrary.
    """
    local = patch.offsets / patch.radius[:, None, None]
    u, v = np.moveaxis(local @ patch.frame[:, :, 1:], 2, 0)
    height = np.einsum("qki,qi->qk", local, normal)
    design = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=2)
    weighted = design * patch.weights[:, :, None]
    # The ridge only matters where the fit is undetermined (collinear or too few points).
    system = weighted.transpose(0, 2, 1) @ design + 1e-7 * np.eye(6)
    target = weighted.transpose(0, 2, 1) @ height[:, :, None]
    solution = np.linalg.solve(system, target)
    residual = height - (design @ solution)[:, :, 0]
    offset, _, _, uu, uv, vv = solution[:, :, 0].T
    roughness = np.sqrt(np.einsum("qk,qk->q", patch.weights, np.square(residual)))
    # A convex surface falls away from the outward normal: minus makes it positive.
    return -offset, -(uu + vv), np.sqrt(uu**2 + vv**2 + uv**2 / 2), roughness

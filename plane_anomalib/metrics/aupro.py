"""Per-region overlap (AU-PRO) on unorganised point clouds.

Images have connected components of pixels; a cloud has none until a distance is chosen. Here a
region is a connected component of one cloud's anomalous points in a radius graph whose radius is
`radius_factor` times the median, over those points, of the mean distance to their six nearest
anomalous neighbours. The overlap of a region is the share of its points at or above a threshold,
averaged over all regions of all clouds; the false-positive rate is taken over all normal points of
all clouds, good and bad. The exact curve (every threshold, no grid) is integrated up to `limit`
and divided by it: 1 is perfect, a random scorer gets `limit / 2`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.metrics.functional import RankCounts, rank_counts

SPACING_NEIGHBOURS = 6
_MAX_PAIRS = 20_000_000


def find_regions(
    points: ArrayLike, radius_factor: float = 2.5, *, radius: float | None = None
) -> NDArray[np.int32]:
    """Split one cloud's anomalous points into connected regions.

    Args:
        points: `(M, 3)` coordinates of the anomalous points, any unit.
        radius_factor: Radius of the graph in units of the typical spacing of these points.
        radius: The radius itself, instead.

    Returns:
        `(M,)` int32, the region of each point, numbered from 0 without gaps.

    Raises:
        ConfigurationError: `points` is not `(M, 3)` and finite, or the factor not positive.
    """
    coordinates = np.asarray(points, dtype=np.float64)
    if coordinates.ndim != 2 or coordinates.shape[1] != 3:
        raise ConfigurationError(f"points must be (M, 3) and are {coordinates.shape}.")
    if not np.isfinite(coordinates).all():
        raise ConfigurationError("points hold NaN or infinite coordinates: drop them on reading.")
    if not radius_factor > 0:
        raise ConfigurationError(f"radius_factor must be positive and is {radius_factor}.")
    labels = np.arange(len(coordinates), dtype=np.int32)
    if len(coordinates) < 2:
        return labels
    tree = cKDTree(coordinates)
    radius = radius_factor * _typical_spacing(tree) if radius is None else radius
    for first, second in _pairs_within(tree, radius):
        labels = _merge(labels, first, second)
    return labels


def au_pro(scores: ArrayLike, mask: ArrayLike, regions: ArrayLike, limit: float = 0.3) -> float:
    """Area under the per-region overlap curve of pooled points.

    Args:
        scores: `(N,)` raw scores of all points of all clouds.
        mask: `(N,)` bool, true for anomalous points.
        regions: `(mask.sum(),)` region of each anomalous point, in the order of the points;
            numbers must differ between clouds.
        limit: False-positive rate up to which the curve is integrated, in (0, 1].

    Returns:
        The area divided by `limit`; nan when anomalous or normal points are missing.
    """
    values, truth = np.asarray(scores), np.asarray(mask, dtype=bool)
    counts = rank_counts(values[truth], [values[~truth]], weights=region_weights(regions))
    return au_pro_from_counts(counts, limit)


def region_weights(regions: ArrayLike) -> NDArray[np.float64]:
    """Weight of each anomalous point, 1 / size of its region, so that every region weighs 1.

    Args:
        regions: `(M,)` region of each point.

    Returns:
        `(M,)` float64.
    """
    _, index, sizes = np.unique(np.asarray(regions), return_inverse=True, return_counts=True)
    return np.asarray(1.0 / sizes[index], dtype=np.float64)


def au_pro_from_counts(counts: RankCounts, limit: float = 0.3) -> float:
    """AU-PRO from counts whose weights are :func:`region_weights`.

    The overlap rises only at scores of anomalous points and is flat in between; where normal points
    tie with such a score, both rates move together along a straight line.

    Args:
        counts: Counts of the pooled points.
        limit: False-positive rate up to which the curve is integrated, in (0, 1].

    Returns:
        The area divided by `limit`; nan when anomalous or normal points are missing.

    Raises:
        ConfigurationError: `limit` is outside (0, 1].
    """
    if not 0 < limit <= 1:
        raise ConfigurationError(f"limit must be in (0, 1] and is {limit}.")
    if counts.degenerate:
        return float("nan")
    overlap_after = np.cumsum(counts.weights) / counts.weights.sum()
    overlap_before = np.concatenate([[0.0], overlap_after[:-1]])
    rate_before = counts.negatives_above / counts.num_negatives
    rate_after = counts.negatives_from / counts.num_negatives
    # Rising pieces, cut at the limit.
    width = rate_after - rate_before
    cut_width = np.clip(limit - rate_before, 0.0, width)
    share = np.divide(cut_width, width, out=np.zeros_like(width), where=width > 0)
    rise = overlap_after - overlap_before
    area = np.sum(cut_width * (overlap_before + rise * share / 2))
    # Flat pieces between one anomalous score and the next.
    next_rate = np.concatenate([rate_before[1:], [1.0]])
    area += np.sum(overlap_after * np.clip(np.minimum(next_rate, limit) - rate_after, 0.0, None))
    return float(area / limit)


def _typical_spacing(tree: cKDTree) -> float:
    """Median over the points of the mean distance to their six nearest neighbours."""
    neighbours = min(SPACING_NEIGHBOURS, tree.n - 1)
    distances = np.asarray(tree.query(tree.data, k=neighbours + 1)[0])
    spacing = float(np.median(distances[:, 1:].mean(axis=1)))
    if spacing > 0:
        return spacing
    # Most points are repeated: measure between the distinct ones.
    distinct = np.unique(tree.data, axis=0)
    return 0.0 if len(distinct) < 2 else _typical_spacing(cKDTree(distinct))


def _pairs_within(
    tree: cKDTree, radius: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Index pairs closer than the radius, a bounded number at a time."""
    if tree.count_neighbors(tree, radius) <= _MAX_PAIRS:
        pairs = tree.query_pairs(radius, output_type="ndarray")
        yield pairs[:, 0], pairs[:, 1]
        return
    neighbours = tree.query_ball_point(tree.data, radius, return_length=True)
    for start, stop in _runs(np.cumsum(neighbours) // _MAX_PAIRS):
        rows = cKDTree(tree.data[start:stop])
        found = rows.sparse_distance_matrix(tree, radius, output_type="ndarray")
        yield found["i"] + start, found["j"]


def _runs(part: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Start and stop of each run of equal values."""
    edges = np.flatnonzero(np.diff(part)) + 1
    yield from zip([0, *edges.tolist()], [*edges.tolist(), len(part)], strict=True)


def _merge(
    labels: NDArray[np.int32], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Join the regions of each pair of points."""
    size = int(labels.max()) + 1
    edges = (np.ones(len(first), dtype=bool), (labels[first], labels[second]))
    _, joined = connected_components(coo_matrix(edges, shape=(size, size)), directed=False)
    return np.asarray(joined[labels], dtype=np.int32)

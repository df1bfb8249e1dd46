"""A cloud as it is shown: few enough points, evenly spread, with all that is known of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

_NEIGHBOURS = 12


@dataclass(frozen=True, eq=False)
class ShownCloud:
    """One cloud, down-sampled for drawing.

    Attributes:
        name: What to call it: the file's stem, made unique in its run.
        points: `(N, 3) float32`, in the object's own units.
        category: The object's class.
        defect: Kind of defect, "good" without one, "" where unknown.
        path: The file it came from.
        scores: `(N,) float32` raw anomaly scores, or `None`.
        truth: `(N,) bool` ground truth, or `None`.
        predicted: `(N,) bool` predicted mask, or `None`.
        score: The object's score, or `None`.
        anomalous: The object's true label, or `None`.
        called_anomalous: The object's predicted label, or `None`.
        num_points: How many points the whole cloud has.
    """

    name: str
    points: NDArray[np.float32]
    category: str = ""
    defect: str = ""
    path: str = ""
    scores: NDArray[np.float32] | None = None
    truth: NDArray[np.bool_] | None = None
    predicted: NDArray[np.bool_] | None = None
    score: float | None = None
    anomalous: bool | None = None
    called_anomalous: bool | None = None
    num_points: int = 0

    @cached_property
    def normals(self) -> NDArray[np.float32]:
        """`(N, 3) float32` unit normals, their sign arbitrary (shading takes either side)."""
        return self._surface[0]

    @cached_property
    def spacing(self) -> float:
        """Typical distance between neighbouring points, in the object's units."""
        return self._surface[1]

    @cached_property
    def _surface(self) -> tuple[NDArray[np.float32], float]:
        return _fit_planes(self.points)


def _fit_planes(points: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Fit a plane to each point's neighbours; also the median distance to the sixth of them."""
    count = min(_NEIGHBOURS, len(points))
    if count < 3:
        return np.tile(np.array([0, 0, 1], dtype=np.float32), (len(points), 1)), 0.0
    found = cKDTree(points).query(points, k=count)
    distances, neighbours = np.asarray(found[0]), np.asarray(found[1])
    patches = points[neighbours] - points[neighbours].mean(axis=1, keepdims=True)
    covariance = np.einsum("nki,nkj->nij", patches, patches, dtype=np.float64)
    normals = np.linalg.eigh(covariance)[1][:, :, 0].astype(np.float32)
    return normals, float(np.median(distances[:, min(6, count - 1)]))


def even_subset(points: NDArray[np.float32], num: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Choose at most `num` points that cover the surface evenly.

    One point per cell of a grid whose cells are as large as needed, so that dense regions do not
    eat up the budget and a drawn surface has no holes.

    Args:
        points: `(N, 3) float32`.
        num: The most points to keep.
        seed: Decides which point of a cell is kept.

    Returns:
        Ascending indices, at most `num`; all of them if there are few enough.
    """
    if len(points) <= num:
        return np.arange(len(points))
    generator = np.random.default_rng(seed)
    # A random thinning first bounds the work for clouds of millions of points.
    pool = generator.permutation(len(points))[: 8 * num]
    sample = points[pool]
    origin, extent = sample.min(axis=0), float(np.ptp(sample, axis=0).max())
    chosen = pool[:num]
    # Occupied cells of a surface grow with the square of the resolution: a few steps suffice.
    finest = extent / np.sqrt(num)
    for _ in range(6):
        cells = np.floor((sample - origin) / max(finest, 1e-12)).astype(np.int64)
        keys = (cells[:, 0] << 42) | (cells[:, 1] << 21) | cells[:, 2]
        first = np.unique(keys, return_index=True)[1]
        if 0.85 * num <= len(first) <= num:
            return np.sort(pool[first])
        if len(first) <= num:
            chosen = pool[first]
        finest *= float(np.clip(np.sqrt(len(first) / (0.93 * num)), 0.25, 4.0))
    return np.sort(chosen)


def seed_of(text: str) -> int:
    """A seed that depends on a name alone, so that a cloud is always thinned the same way."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")

"""A cloud as it is shown: few enough points, evenly spread, with all that is known of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.geometry.normals import point_normals
from plane_anomalib.geometry.sampling import typical_spacing, voxel_downsample

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
        rotation: `(3, 3) float32`, object to camera, to look at it first; `None` to choose.
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
    rotation: NDArray[np.float32] | None = None

    @cached_property
    def normals(self) -> NDArray[np.float32]:
        """`(N, 3) float32` unit normals; shading takes either side, so their sign is free."""
        return point_normals(self.points, k=_NEIGHBOURS)

    @cached_property
    def spacing(self) -> float:
        """Typical distance between neighbouring points, in the object's units."""
        return typical_spacing(self.points)

    def detached(self) -> ShownCloud:
        """A copy with arrays of its own, so that it does not keep a whole batch in memory."""
        return replace(self, **self._arrays(slice(None)))

    def _arrays(self, chosen: slice | NDArray[np.int64]) -> dict[str, Any]:
        return {
            name: None if (values := getattr(self, name)) is None else np.array(values[chosen])
            for name in ("points", "scores", "truth", "predicted")
        }

    def thinned(self, num: int) -> ShownCloud:
        """A copy with at most `num` points, evenly spread; the same ones for the same file."""
        if len(self.points) <= num:
            return self
        chosen = even_subset(self.points, num, seed=seed_of(self.path or self.name))
        total = self.num_points or len(self.points)
        return replace(self, **self._arrays(chosen), num_points=total)


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
    voxel = float(np.ptp(sample, axis=0).max()) / np.sqrt(num)
    if voxel <= 0:
        return np.sort(pool[:num])
    chosen = pool[:num]
    # Occupied cells of a surface grow with the square of the resolution: a few steps suffice.
    for _ in range(6):
        kept = pool[voxel_downsample(sample, voxel)]
        if len(kept) <= num:
            chosen = kept
            if len(kept) >= 0.85 * num:
                break
        voxel *= float(np.clip(np.sqrt(len(kept) / (0.93 * num)), 0.25, 4.0))
    return np.sort(chosen)


def seed_of(text: str) -> int:
    """A seed that depends on a name alone, so that a cloud is always thinned the same way."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")

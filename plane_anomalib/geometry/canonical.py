"""An order of the points that depends on where they are, not on how the file lists them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from plane_anomalib.geometry.validation import IntArray, as_points

# Odd constants of the SplitMix64 generator.
_MIX = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)


def shuffled_order(points: ArrayLike, seed: int = 0, *, first: int | None = None) -> IntArray:
    """Shuffle a cloud by a hash of its coordinates.

    The first n indices are a random subsample of the cloud that any permutation of its points
    leaves the same, so that scores made from it do not depend on the order in a file.

    Args:
        points: (N, 3).
        seed: Another seed, another order.
        first: How many indices are wanted; by default all. A few are found without sorting all.

    Returns:
        (N,) int64, or (first,) where there are more.
    """
    cloud = as_points(points)
    # Adding zero turns -0.0 into 0.0, which is the same place but other bits.
    bits = (np.ascontiguousarray(cloud, np.float32) + np.float32(0)).view(np.uint32)
    with np.errstate(over="ignore"):
        key = (np.uint64(seed) + np.uint64(1)) * _MIX[0]
        mixed = np.full(len(cloud), key, np.uint64)
        for axis in range(3):
            mixed = (mixed ^ bits[:, axis].astype(np.uint64)) * _MIX[1]
            mixed ^= mixed >> np.uint64(29)
            mixed *= _MIX[2]
            mixed ^= mixed >> np.uint64(32)
    if first is None or first >= len(cloud):
        return np.argsort(mixed, kind="stable").astype(np.int64, copy=False)
    if first < 1:
        return np.zeros(0, np.int64)
    least = np.flatnonzero(mixed <= np.partition(mixed, first - 1)[first - 1])
    return least[np.argsort(mixed[least], kind="stable")[:first]].astype(np.int64, copy=False)

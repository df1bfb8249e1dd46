"""From where to look at a cloud, given the good scan of the whole part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.geometry.neighbours import knn
from plane_anomalib.web.raster import best_rotation
from plane_anomalib.web.shown_cloud import ShownCloud

_POINTS = 3_000
_BLOCKING = 20_000
"""Points of the good scan: enough that nothing is seen between them."""
_NEAR = 0.06
_ONE_SIDED = 0.15


class Lookout:
    """Chooses views of a cloud.

    A scan of one side is an open shell, and looking into it is as easy as looking at it; the part
    itself was seen from outside. So what the good scan has and the cloud has not stands in the way
    of a view.

    Args:
        cloud: The cloud.
        good: `(M, 3) float32`, the good scan laid onto it; `None` if there is none.
    """

    def __init__(self, cloud: ShownCloud, good: NDArray[np.float32] | None) -> None:
        self._cloud = cloud
        self._rest = np.empty((0, 3), np.float32)
        if good is not None:
            rest = _unseen(cloud.points, good)
            if len(rest) > _ONE_SIDED * min(len(good), _BLOCKING):
                self._rest = rest

    def rotation(self, weights: NDArray[np.floating] | None) -> NDArray[np.float32]:
        """The rotation `(3, 3)` from which most of what matters is seen.

        Args:
            weights: `(N,)`, how much each point matters; `None`: all the same.
        """
        if not len(self._rest):
            return best_rotation(self._cloud, weights)
        count = len(self._cloud.points)
        known = weights is not None and bool(np.any(weights > 0))
        heavy = weights if weights is not None and known else np.ones(count)
        whole = ShownCloud(self._cloud.name, np.concatenate([self._cloud.points, self._rest]))
        return best_rotation(whole, np.concatenate([heavy, np.zeros(len(self._rest))]))


def _unseen(points: NDArray[np.float32], good: NDArray[np.float32]) -> NDArray[np.float32]:
    """What of the good scan is far from the cloud, farther than defects are deep."""
    few = points[:: max(1, len(points) // _POINTS)]
    probe = good[:: max(1, len(good) // _BLOCKING)]
    extent = float(np.ptp(good, axis=0).max())
    return probe[knn(few, probe, 1)[0][:, 0] > _NEAR * extent]

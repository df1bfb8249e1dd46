"""From a cloud in its own units to what PLANE sees of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.geometry.canonical import shuffled_order
from plane_anomalib.geometry.local_shape import local_shape_channels, local_shape_features
from plane_anomalib.geometry.normalise import unit_sphere
from plane_anomalib.geometry.pose import pose_channels, pose_features

Array = NDArray[np.float32]


class View(NamedTuple):
    """Some points of a cloud, normalised.

    Attributes:
        points: `(P, 3)`, the cloud's unit sphere.
        features: `(P, C)`, geometry around each point in the FULL cloud; C may be 0.
    """

    points: Array
    features: Array


@dataclass(frozen=True)
class InputSettings:
    """What PLANE sees of a cloud.

    Attributes:
        num_points: Points per view, P; a smaller cloud repeats points.
        local_geometry: Whether views carry local shape features (plane.md, section 6).
        local_scales: Neighbours per scale for a cloud of 12,000 points, ascending.
        pose: Whether views carry coordinates in the object's own principal axes.
        num_views: Views per cloud at test time; each sees other points, until all are seen.
    """

    num_points: int = 2048
    local_geometry: bool = True
    local_scales: tuple[int, ...] = (16, 48, 128)
    pose: bool = False
    num_views: int = 4

    @property
    def channels(self) -> int:
        """Channels of a view's features."""
        local = len(local_shape_channels(len(self.local_scales))) if self.local_geometry else 0
        return local + (len(pose_channels()) if self.pose else 0)

    def view(self, unit: Array, chosen: NDArray[np.int64]) -> View:
        """Some points with their features.

        Args:
            unit: `(N, 3)` the whole cloud in its unit sphere.
            chosen: `(P,)` indices of the points to show.
        """
        queries = np.ascontiguousarray(unit[chosen])
        parts = [np.empty((len(queries), 0), np.float32)]
        if self.local_geometry:
            parts.append(local_shape_features(unit, queries, self.local_scales))
        if self.pose:
            parts.append(pose_features(unit, queries))
        return View(queries, np.concatenate(parts, 1))

    def views(self, points: Array, seed: int) -> tuple[Array, list[View]]:
        """Cut a cloud into views for testing; the same points in any order give the same views.

        Args:
            points: `(N, 3)` in the object's own units, N >= 1.
            seed: Chooses the points.

        Returns:
            The cloud in its unit sphere, `(N, 3)` in input order, and the views.
        """
        unit = unit_sphere(points).points
        order = shuffled_order(unit, seed)
        count = min(self.num_views, -(-len(unit) // self.num_points))
        # The last view of a small cloud starts over at the first points; the features see the
        # shuffled cloud, so that they too are the same for any order.
        chosen = np.arange(count * self.num_points, dtype=np.int64) % len(unit)
        whole = self.view(np.ascontiguousarray(unit[order]), chosen)
        cuts = [slice(i, i + self.num_points) for i in range(0, len(chosen), self.num_points)]
        return unit, [View(whole.points[cut], whole.features[cut]) for cut in cuts]

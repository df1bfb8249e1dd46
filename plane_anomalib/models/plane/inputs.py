"""From a cloud in its own units to what PLANE sees of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.geometry.local_shape import local_shape_channels, local_shape_features
from plane_anomalib.geometry.points import UnitSphere, principal_frame, unit_sphere
from plane_anomalib.geometry.sampling import shuffled_order
from plane_anomalib.models.plane.config import PlaneConfig
from plane_anomalib.models.plane.template_context import CONTEXT_CHANNELS

Array = NDArray[np.float32]
Pose = Literal["common", "principal", "none"]


class Frame(NamedTuple):
    """Where the clouds of a category lie, if they all lie the same way.

    Attributes:
        center: `(3,)` in the object's own units.
        scale: Radius in the object's own units.
    """

    center: Array
    scale: float

    @classmethod
    def around(cls, clouds: Iterable[Array]) -> Frame:
        """The frame of a category: the mean over its training clouds `(N_i, 3)`."""
        spheres = [unit_sphere(cloud) for cloud in clouds]
        return cls(
            np.mean([sphere.center for sphere in spheres], 0).astype(np.float32),
            float(np.mean([sphere.scale for sphere in spheres])),
        )


class View(NamedTuple):
    """Some points of a cloud, normalised.

    Attributes:
        points: `(P, 3)`, the cloud's unit sphere.
        features: `(P, C)`: local shape of the FULL cloud around each point, its deviation from the
            normal specimens, then its place `(3,)` on the object, as far as `InputSettings` has
            them.
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
        template_context: Whether they carry deviations from the normal specimens.
        pose: How places on the object are told: `"common"`, all clouds of a category lie the same
            way; `"principal"`, by the cloud's own axes; `"none"`, not at all.
        num_views: Views per cloud at test time; each sees other points, until all are seen.
    """

    num_points: int
    local_geometry: bool
    local_scales: Sequence[int]
    template_context: bool
    pose: Pose
    num_views: int

    @classmethod
    def of(cls, config: PlaneConfig, pose: Pose) -> InputSettings:
        """What a config says of them, its pose as the data resolved it."""
        return cls(
            num_points=config.num_points,
            local_geometry=config.local_geometry,
            local_scales=config.local_scales,
            template_context=config.template_context,
            pose=pose,
            num_views=config.num_views,
        )

    @property
    def channels(self) -> int:
        """Channels of local shape and of deviations."""
        local = len(local_shape_channels(len(self.local_scales))) if self.local_geometry else 0
        return local + (CONTEXT_CHANNELS if self.template_context else 0)

    @property
    def places(self) -> bool:
        """Whether three channels of place follow."""
        return self.pose != "none"

    def view(
        self,
        cloud: Array,
        chosen: NDArray[np.int64],
        frame: Frame | None = None,
        context: Array | None = None,
    ) -> View:
        """Some points with their features.

        Args:
            cloud: `(N, 3)` the whole cloud in the object's own units.
            chosen: `(P,)` indices of the points to show.
            frame: The category's; without one the cloud's own center and radius serve.
            context: `(P, CONTEXT_CHANNELS)` deviations of the chosen points, where
                `template_context` is on.
        """
        return self._view(cloud, unit_sphere(cloud), chosen, frame, context)

    def _view(
        self,
        cloud: Array,
        sphere: UnitSphere,
        chosen: NDArray[np.int64],
        frame: Frame | None,
        context: Array | None,
    ) -> View:
        unit, center, scale = sphere
        shown = np.ascontiguousarray(unit[chosen])
        parts = [np.empty((len(shown), 0), np.float32)]
        if self.local_geometry:
            parts.append(local_shape_features(unit, shown, self.local_scales))
        if context is not None:
            parts.append(context)
        if self.pose == "principal":
            parts.append(shown @ principal_frame(unit))
        elif self.pose == "common":
            frame = frame or Frame(center.astype(np.float32), scale)
            parts.append((cloud[chosen] - frame.center) / np.float32(frame.scale))
        return View(shown, np.concatenate(parts, 1).astype(np.float32))

    def views(
        self, cloud: Array, seed: int, frame: Frame | None = None, context: Array | None = None
    ) -> tuple[Array, list[View]]:
        """Cut a cloud into views for testing; the same points in any order give the same views.

        Args:
            cloud: `(N, 3)` in the object's own units, N >= 1.
            seed: Chooses the points.
            frame: As in `view`.
            context: `(N, CONTEXT_CHANNELS)` of all points.

        Returns:
            The cloud in its unit sphere, `(N, 3)` in input order, and the views.
        """
        sphere = unit_sphere(cloud)
        count = min(self.num_views, -(-len(cloud) // self.num_points))
        # The last view of a small cloud starts over at the first points.
        chosen = np.arange(count * self.num_points, dtype=np.int64) % len(cloud)
        # The features see the shuffled cloud, so that they too are the same for any order.
        of_all = self.local_geometry or self.pose == "principal"
        order = shuffled_order(cloud, seed, first=None if of_all else len(chosen))
        shown = None if context is None else context[order[chosen]]
        if of_all:
            whole = self.view(np.ascontiguousarray(cloud[order]), chosen, frame, shown)
        else:
            whole = self._view(cloud, sphere, order[chosen], frame, shown)
        cuts = [slice(i, i + self.num_points) for i in range(0, len(chosen), self.num_points)]
        return sphere.points, [View(whole.points[cut], whole.features[cut]) for cut in cuts]

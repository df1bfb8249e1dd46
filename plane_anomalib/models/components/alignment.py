"""Bringing the clouds of a category into one pose before they are described."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.geometry.registration import RegistrationTarget, RigidTransform, match_features
from plane_anomalib.geometry.sampling import shuffled_order
from plane_anomalib.models.components.fitted_model import CloudAligner
from plane_anomalib.models.components.recipe import RegistrationMethod

_POSED = 0.003
"""Cost below which a cloud lies on the target already; wrong poses cost 0.005 and more."""
_VOXEL = 0.5


class Centered(CloudAligner):
    """Moves the centroid of every cloud to the origin.

    Args:
        unit: Also measure lengths in radii of the category: the mean over its normal clouds of the
            largest distance from the centroid.
    """

    def __init__(self, *, unit: bool) -> None:
        super().__init__()
        self.unit = unit
        self.radius: Tensor
        self.register_buffer("radius", torch.ones((), dtype=torch.float64))

    def fit(self, clouds: Sequence[FloatArray]) -> list[FloatArray]:
        """Measure the radius."""
        if self.unit:
            radii = [float(np.linalg.norm(_centered(cloud), axis=1).max()) for cloud in clouds]
            self.radius.fill_(float(np.mean(radii)) or 1.0)
        return [self(cloud) for cloud in clouds]

    def forward(self, cloud: FloatArray) -> FloatArray:
        """Move a cloud."""
        return np.ascontiguousarray(_centered(cloud) / float(self.radius), np.float32)


class Registered(CloudAligner):
    """Registers every cloud to the first normal one and moves that one's centroid to the origin.

    Args:
        method: `"robust"` leaves clouds that already lie on the first one where they are, but for
            a refinement, and finds the pose of the others; `"reference"` matches features as the
            reference code of Real3D-AD does, voxel 0.5 in the object's units (needs Open3D).
        unit: As for `Centered`.
        seed: Of the registration.
    """

    def __init__(self, method: RegistrationMethod, *, unit: bool, seed: int = 0) -> None:
        super().__init__()
        self.method = method
        self.seed = seed
        self.centered = Centered(unit=unit)
        self.target: Tensor
        self.register_buffer("target", torch.zeros(0, 3))
        self.register_load_state_dict_pre_hook(_renamed)
        self._prepared: tuple[Tensor, RegistrationTarget] | None = None
        self._matched: dict[bytes, RigidTransform] = {}

    def fit(self, clouds: Sequence[FloatArray]) -> list[FloatArray]:
        """Take the first cloud for the pose of all."""
        self.centered.fit(clouds)
        self.target = torch.from_numpy(clouds[0].copy()).to(self.target.device)
        return [self._placed(clouds[0]), *(self(cloud) for cloud in clouds[1:])]

    def forward(self, cloud: FloatArray) -> FloatArray:
        """Register a cloud."""
        return self._placed(self._motion(cloud).apply(cloud))

    def _placed(self, cloud: FloatArray) -> FloatArray:
        center = self.target.double().mean(0).cpu().numpy()
        return np.ascontiguousarray((cloud - center) / float(self.centered.radius), np.float32)

    def _motion(self, cloud: FloatArray) -> RigidTransform:
        # Registration draws points by their number: the order in the file must not matter.
        cloud = cloud[shuffled_order(cloud)]
        if self.method == "reference":
            return self._match(cloud)
        target = self._registration_target()
        posed = target.refine(cloud, RigidTransform.identity())
        return (posed if posed.cost < _POSED else target.register(cloud)).transform

    def _match(self, cloud: FloatArray) -> RigidTransform:
        """As the reference code; once per cloud, because Open3D's threads race despite the seed."""
        onto = self.target.cpu().numpy()
        key = hashlib.blake2b(onto.tobytes() + cloud.tobytes(), digest_size=16).digest()
        if key not in self._matched:
            # Both centered, as in that code; the frame of the target is its own afterwards.
            moved, shift = (x.mean(0, dtype=np.float64) for x in (cloud, onto))
            found = match_features(cloud - moved, onto - shift, _VOXEL, seed=self.seed)
            translation = found.translation + shift - found.rotation @ moved
            self._matched[key] = RigidTransform(found.rotation, translation)
        return self._matched[key]

    def _registration_target(self) -> RegistrationTarget:
        """Prepared once for each target."""
        if self._prepared is None or self._prepared[0] is not self.target:
            prepared = RegistrationTarget(self.target.cpu().numpy(), seed=self.seed)
            self._prepared = self.target, prepared
        return self._prepared[1]


def _centered(cloud: FloatArray) -> NDArray[np.float64]:
    return np.asarray(cloud - cloud.mean(0, dtype=np.float64), np.float64)


def _renamed(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Take what version 0.1 wrote, too, which spelt a name otherwise."""
    del module, rest
    if f"{prefix}centred.radius" in state:
        state[f"{prefix}centered.radius"] = state.pop(f"{prefix}centred.radius")

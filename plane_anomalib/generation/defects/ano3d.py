"""Ano3D, the paper's synthetic defects (PLANE, section on Ano3D, Algorithm 1)."""

from collections.abc import Mapping
from functools import partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.generation.defects.corruption import (
    Action,
    Labelled,
    RotationMode,
    SyntheticCloud,
    check_rotation,
    check_share,
    check_weights,
    choose_kind,
    corrupt,
    unlabelled,
)
from plane_anomalib.generation.defects.profiles import KINDS, half_cosine
from plane_anomalib.geometry.normals import orient_outward, patch_normal, point_normals
from plane_anomalib.geometry.points import FloatArray, IntArray

Profile = Literal["cosine", "iid", "sorted", "none"]
Direction = Literal["patch", "point", "radial"]

ANO3D_KINDS = ("bulge", "concavity", "hole", "rotation", "normal")
"""Presets of Algorithm 1. `rotation` turns the cloud by a random rotation even where
`rotation="none"`; it and `normal` leave every point unlabelled."""

DEFAULT_MIX = {"bulge": 0.3, "concavity": 0.3, "hole": 0.15, "normal": 0.25}


class Ano3D:
    """Makes one defect per call: bulge, concavity or hole; or none.

    Algorithm 1: rotate at random; choose a random center; take its M nearest neighbours; estimate
    the normal n of that patch; displace by n * T (outward: bulge, inward: concavity), or remove
    the center and its X nearest neighbours (hole). What the paper leaves open is an argument.
    Lengths are relative to the radius of the cloud (its unit sphere).

    Args:
        mix: Weight per kind, any of `ANO3D_KINDS`. A single kind is a preset:
            `Ano3D({"bulge": 1})`.
        patch_share: M as a share of the points, drawn uniformly from (low, high).
        hole_share: X as a share of the points, drawn uniformly from (low, high).
        magnitude_mean: Mean mu of T ~ |N(mu, sigma^2)|.
        magnitude_std: Deviation sigma of T.
        magnitude_limits: T is clipped to (low, high).
        profile: `"cosine"` one T, falling off smoothly to zero at the edge; `"iid"` one T per
            point (the literal reading); `"sorted"` one T per point, largest at the center;
            `"none"` one T for the whole patch.
        direction: `"patch"` PCA normal of the patch, `"point"` of each point, both oriented
            outward from the centroid; `"radial"` away from the centroid.
        label_threshold: Least share of T a point must have moved to count as anomalous; matters
            only for `"cosine"`, whose edge hardly moves.
        hole_label_radius: Surviving points within this many radii of a hole are its label.
        rotation: `"so3"` (paper), `"z"` or `"none"`.
        renormalise: Restore centroid and radius after corruption, else they leak the label.

    Raises:
        ConfigurationError: If an argument cannot work.

    Examples:
        >>> import numpy as np
        >>> cloud = np.random.default_rng(0).normal(size=(2048, 3))
        >>> defect = Ano3D()(cloud, np.random.default_rng(1))
        >>> defect.points.shape[1], len(defect.points) == len(defect.mask)
        (3, True)
    """

    def __init__(
        self,
        mix: Mapping[str, float] | None = None,
        *,
        patch_share: tuple[float, float] = (0.01, 0.06),
        hole_share: tuple[float, float] = (0.01, 0.05),
        magnitude_mean: float = 0.08,
        magnitude_std: float = 0.02,
        magnitude_limits: tuple[float, float] = (0.02, 0.15),
        profile: Profile = "cosine",
        direction: Direction = "patch",
        label_threshold: float = 0.05,
        hole_label_radius: float = 1.25,
        rotation: RotationMode = "so3",
        renormalise: bool = True,
    ) -> None:
        self.mix = dict(DEFAULT_MIX if mix is None else mix)
        check_weights(self.mix, ANO3D_KINDS)
        check_share("patch_share", patch_share)
        check_share("hole_share", hole_share)
        check_rotation(rotation)
        for name, value, known in (
            ("profile", profile, Profile),
            ("direction", direction, Direction),
        ):
            if value not in get_args(known):
                msg = f"{name} must be one of {', '.join(get_args(known))}, not {value!r}."
                raise ConfigurationError(msg)
        if not 0 < magnitude_limits[0] <= magnitude_limits[1] or magnitude_std < 0:
            msg = "magnitude_limits must be (low, high) with 0 < low <= high, magnitude_std >= 0."
            raise ConfigurationError(msg)
        if hole_label_radius < 1 or not 0 <= label_threshold < 1:
            msg = "hole_label_radius must be at least 1 and label_threshold within [0, 1)."
            raise ConfigurationError(msg)
        self.patch_share, self.hole_share = patch_share, hole_share
        self.magnitude_mean, self.magnitude_std = magnitude_mean, magnitude_std
        self.magnitude_limits = magnitude_limits
        self.profile, self.direction = profile, direction
        self.label_threshold, self.hole_label_radius = label_threshold, hole_label_radius
        self.rotation, self.renormalise = rotation, renormalise

    def __call__(self, points: ArrayLike, generator: np.random.Generator) -> SyntheticCloud:
        """Corrupt one cloud.

        Args:
            points: (N, 3), N >= 1, any units.
            generator: The only source of randomness.

        Returns:
            The cloud in the units of the input, its labels and the kind of defect.
        """
        kind = choose_kind(self.mix, generator)
        actions: dict[str, Action] = {"hole": self._hole}
        for name in ("bulge", "concavity"):
            actions[name] = partial(self._displace, sign=float(KINDS[name].outward))
        action = actions.get(kind, _leave)
        rotation = "so3" if kind == "rotation" and self.rotation == "none" else self.rotation
        result = corrupt(
            points, action, kind, generator, rotation=rotation, renormalise=self.renormalise
        )
        if kind == "rotation":
            return SyntheticCloud(result.points, result.mask, kind)
        return result

    def _displace(
        self, cloud: FloatArray, generator: np.random.Generator, *, sign: float
    ) -> Labelled:
        nearest, distances = _patch(cloud, self.patch_share, generator)
        heights = self._heights(distances, generator)
        moved = cloud.copy()
        moved[nearest] += sign * heights[:, None] * self._directions(cloud, nearest)
        mask = np.zeros(len(cloud), dtype=np.bool_)
        mask[nearest] = heights >= self.label_threshold * heights.max()
        return Labelled(moved, mask)

    def _heights(
        self, distances: NDArray[np.float32], generator: np.random.Generator
    ) -> NDArray[np.float32]:
        per_point = self.profile in ("iid", "sorted")
        draws = generator.normal(
            self.magnitude_mean, self.magnitude_std, len(distances) if per_point else 1
        )
        heights = np.clip(np.abs(draws), *self.magnitude_limits).astype(np.float32)
        if self.profile == "sorted":
            return np.sort(heights)[::-1]
        if self.profile == "cosine":
            # A patch whose points all coincide has no edge to fall off to.
            radius = max(float(distances[-1]), 1e-30)
            return heights * half_cosine(np.pi * distances / radius)
        return heights if per_point else np.repeat(heights, len(distances))

    def _directions(self, cloud: FloatArray, nearest: IntArray) -> FloatArray:
        patch, center = cloud[nearest], cloud.mean(0, dtype=np.float64)
        if self.direction == "radial":
            radial = patch - center
            length = np.linalg.norm(radial, axis=1, keepdims=True)
            return (radial / np.maximum(length, 1e-9)).astype(np.float32)
        if self.direction == "point":
            return orient_outward(point_normals(patch), patch, center)
        normal = patch_normal(patch)
        return orient_outward(normal, patch.mean(0), center)[None]

    def _hole(self, cloud: FloatArray, generator: np.random.Generator) -> Labelled:
        if len(cloud) < 2:
            return unlabelled(cloud)
        nearest, distances = _patch(cloud, self.hole_share, generator)
        removed = nearest[: len(cloud) - 1]
        keep = np.ones(len(cloud), dtype=np.bool_)
        keep[removed] = False
        gaps = np.linalg.norm(cloud - cloud[nearest[0]], axis=1)[keep]
        # A hole of a single point has no radius of its own; the nearest survivor is its rim.
        rim = max(self.hole_label_radius * float(distances[len(removed) - 1]), float(gaps.min()))
        return Labelled(cloud[keep], gaps <= rim)


def validation_defects(*, one_sided: bool = False) -> Ano3D:
    """The paper's defects for thresholds, in the cloud's own pose and size.

    The normal clouds keep theirs, so anything else would tell the two apart.

    Args:
        one_sided: Whether scans show one side: then holes are no defects, since nobody can tell
            them from what is hidden.
    """
    mix = {"bulge": 0.4, "concavity": 0.4, "hole": 0.2}
    if one_sided:
        mix = {"bulge": 0.5, "concavity": 0.5}
    return Ano3D(mix, rotation="none", renormalise=False)


def _leave(cloud: FloatArray, generator: np.random.Generator) -> Labelled:
    return unlabelled(cloud)


def _patch(
    cloud: FloatArray, share: tuple[float, float], generator: np.random.Generator
) -> tuple[IntArray, NDArray[np.float32]]:
    """A random center and its nearest neighbours: indices and distances, nearest first.

    One query does not pay for a kd-tree (1.5 ms for 12,000 points); a partition takes 0.2 ms.
    """
    center = int(generator.integers(len(cloud)))
    wanted = round(generator.uniform(*share) * len(cloud))
    num = int(np.clip(wanted, 1, len(cloud)))
    squared = np.square(cloud - cloud[center]).sum(1)
    squared[center] = -1.0  # first even among duplicates
    nearest = np.argpartition(squared, num - 1)[:num]
    nearest = nearest[np.argsort(squared[nearest], kind="stable")]
    return nearest, np.sqrt(np.maximum(squared[nearest], 0.0))

"""What a point array is, the frames that every cloud has, and how it is moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plane_anomalib.core.errors import ConfigurationError

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]

Array = NDArray[np.float64]
_SUPER_FIBONACCI = 1.533751168755204288118041
"""The constant psi of Alexa, "Super-Fibonacci Spirals" (CVPR 2022): psi^4 = psi + 4."""


def as_points(points: ArrayLike, *, name: str = "points", minimum: int = 1) -> FloatArray:
    """Check and convert to a contiguous float32 array of points.

    Args:
        points: Anything numpy reads as (N, 3).
        name: How the argument is called in the error message.
        minimum: Least number of points that makes sense for the caller.

    Returns:
        (N, 3) float32, C-contiguous; the input itself where it already is that.

    Raises:
        ConfigurationError: If the shape is not (N, 3) or there are fewer than `minimum` points.
    """
    array = np.ascontiguousarray(points, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] != 3:
        msg = f"{name} must have the shape (N, 3), not {array.shape}: give x, y and z per point."
        raise ConfigurationError(msg)
    if len(array) < minimum:
        msg = f"{name} has {len(array)} points; at least {minimum} needed: give a larger cloud."
        raise ConfigurationError(msg)
    return array


class UnitSphere(NamedTuple):
    """A normalised cloud and the way back: `points * scale + center`.

    Attributes:
        points: (N, 3) float32 within the unit sphere.
        center: (3,) float64 centroid of the original points.
        scale: Largest distance from the centroid, in original units; 1.0 where all coincide.
    """

    points: FloatArray
    center: NDArray[np.float64]
    scale: float


def unit_sphere(points: ArrayLike) -> UnitSphere:
    """Center a cloud on its centroid and scale it into the unit sphere.

    Args:
        points: (N, 3), N >= 1.

    Returns:
        Normalised points, center and scale.

    Raises:
        ConfigurationError: If the cloud is empty or not (N, 3).
    """
    cloud = as_points(points)
    center = cloud.mean(0, dtype=np.float64)
    centered = cloud - center
    radius = float(np.sqrt(np.einsum("ij,ij->i", centered, centered).max()))
    scale = radius if radius > 0 else 1.0
    return UnitSphere((centered / scale).astype(np.float32), center, scale)


def principal_frame(points: ArrayLike) -> FloatArray:
    """The object's own axes: principal directions, each towards its longer tail.

    Rotates with the cloud. Where two spreads are alike (a bowl) or a side is like its opposite,
    the frame is one of several that serve equally, which symmetric objects do not notice.

    Args:
        points: (N, 3).

    Returns:
        (3, 3) float32, one axis per column, the widest first; not always right-handed.
    """
    cloud = as_points(points).astype(np.float64)
    centered = cloud - cloud.mean(0)
    _, vectors = np.linalg.eigh(centered.T @ centered)
    axes = vectors[:, ::-1]
    tails = np.mean((centered @ axes) ** 3, 0)
    signs = np.where(tails < 0, -1.0, 1.0)
    return np.asarray(axes * signs, np.float32)


@dataclass(frozen=True)
class RigidTransform:
    """`x -> rotation @ x + translation`.

    Attributes:
        rotation: (3, 3) float64, orthonormal with determinant 1.
        translation: (3,) float64, in the units of the points.

    Raises:
        ConfigurationError: If the shapes are not (3, 3) and (3,).
    """

    rotation: Array
    translation: Array

    def __post_init__(self) -> None:
        rotation = np.asarray(self.rotation, np.float64)
        translation = np.asarray(self.translation, np.float64)
        if rotation.shape != (3, 3) or translation.shape != (3,):
            raise ConfigurationError(
                "A rigid transform is a (3, 3) rotation and a (3,) translation, not "
                f"{rotation.shape} and {translation.shape}."
            )
        object.__setattr__(self, "rotation", rotation)
        object.__setattr__(self, "translation", translation)

    @classmethod
    def identity(cls) -> RigidTransform:
        """The transform that moves nothing."""
        return cls(np.eye(3), np.zeros(3))

    @property
    def angle(self) -> float:
        """Angle of the rotation, in degrees."""
        # Imported where it is used: most of those who ask what a point array is need no scipy.
        from scipy.spatial.transform import Rotation

        return float(np.degrees(Rotation.from_matrix(self.rotation).magnitude()))

    def apply(self, points: ArrayLike) -> FloatArray:
        """Move points.

        Args:
            points: (N, 3).

        Returns:
            (N, 3) float32; the sums are formed in float64.
        """
        moved = np.asarray(points, np.float64) @ self.rotation.T + self.translation
        return np.asarray(moved, np.float32)

    def inverse(self) -> RigidTransform:
        """The way back."""
        return RigidTransform(self.rotation.T, -self.rotation.T @ self.translation)

    def compose(self, first: RigidTransform) -> RigidTransform:
        """Do `first`, then this one.

        Args:
            first: The transform applied to the points before this one.

        Returns:
            The transform that does both.
        """
        return RigidTransform(
            self.rotation @ first.rotation, self.rotation @ first.translation + self.translation
        )


def even_rotations(num: int) -> Array:
    """Rotations that cover all orientations evenly (super-Fibonacci spirals, Alexa 2022).

    Args:
        num: How many; 400 leave no orientation farther than some 35 degrees from one of them.

    Returns:
        (num, 3, 3) float64.
    """
    from scipy.spatial.transform import Rotation

    step = np.arange(num) + 0.5
    share = step / num
    alpha = 2 * np.pi * step / np.sqrt(2.0)
    beta = 2 * np.pi * step / _SUPER_FIBONACCI
    inner, outer = np.sqrt(share), np.sqrt(1 - share)
    quaternions = np.stack(
        [inner * np.sin(alpha), inner * np.cos(alpha), outer * np.sin(beta), outer * np.cos(beta)],
        axis=1,
    )
    return np.asarray(Rotation.from_quat(quaternions).as_matrix(), np.float64)


def even_directions(num: int) -> Array:
    """Unit vectors that cover the sphere evenly (Fibonacci lattice).

    Args:
        num: How many.

    Returns:
        (num, 3) float64.
    """
    step = np.arange(num) + 0.5
    height = 1 - 2 * step / num
    angle = np.pi * (1 + np.sqrt(5.0)) * step
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)

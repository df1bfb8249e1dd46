"""Rotation and translation, and an even set of rotations to start a search from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry.points import FloatArray

Array = NDArray[np.float64]

_SUPER_FIBONACCI = 1.533751168755204288118041
"""The constant psi of Alexa, "Super-Fibonacci Spirals" (CVPR 2022): psi^4 = psi + 4."""


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

"""What a synthetic defect is, and the border every one of them crosses.

Inside, a cloud lives in the unit sphere, so that sizes mean the same for every object; outside, in
the object's own units.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias, get_args, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry.points import FloatArray, as_points, unit_sphere

BoolArray = NDArray[np.bool_]
RotationMode = Literal["so3", "z", "none"]


@dataclass(frozen=True)
class SyntheticCloud:
    """A corrupted (or, for training's sake, intact) cloud with true labels.

    Attributes:
        points: (M, 3) float32 in the units of the input; M differs from the input's where a
            defect removes or adds points.
        mask: (M,) bool, True on the defect.
        kind: Name of the defect. Where `mask` is empty, `"normal"` (Ano3D's `"rotation"`
            aside).
    """

    points: FloatArray
    mask: BoolArray
    kind: str


@runtime_checkable
class AnomalyTransform(Protocol):
    """Anything that turns a normal cloud into a labelled one."""

    def __call__(self, points: ArrayLike, generator: np.random.Generator) -> SyntheticCloud:
        """Corrupt one cloud.

        Args:
            points: (N, 3) normal cloud, N >= 1; left as it is.
            generator: The only source of randomness.
        """
        ...


class Labelled(NamedTuple):
    """Points (M, 3) float32 in the unit sphere's frame and their labels (M,) bool."""

    points: FloatArray
    mask: BoolArray


Action: TypeAlias = Callable[[FloatArray, np.random.Generator], Labelled]
"""Acts on a cloud in the unit sphere; must not write into it."""


def unlabelled(points: FloatArray) -> Labelled:
    """Call every point normal."""
    return Labelled(points, np.zeros(len(points), dtype=np.bool_))


def corrupt(
    points: ArrayLike,
    action: Action,
    kind: str,
    generator: np.random.Generator,
    *,
    rotation: RotationMode,
    renormalise: bool,
) -> SyntheticCloud:
    """Rotate, normalise, act, and return to the object's own units.

    Args:
        points: (N, 3) in any units.
        action: What happens within the unit sphere.
        kind: Name of the action.
        generator: The only source of randomness.
        rotation: `"so3"` uniform, `"z"` about the vertical axis, or `"none"`.
        renormalise: Give the result the centroid and radius of the input. Otherwise a bulge makes
            the object larger, and size alone gives the label away.

    Returns:
        The result in the units of the input.
    """
    unit = unit_sphere(as_points(points))
    turned = unit.points
    if rotation != "none":
        turned = turned @ random_rotation(rotation, generator).T
    result, mask = action(turned, generator)
    if renormalise:
        result = unit_sphere(result).points
    restored = (result * unit.scale + unit.center).astype(np.float32)
    return SyntheticCloud(restored, mask, kind if mask.any() else "normal")


def random_rotation(mode: RotationMode, generator: np.random.Generator) -> FloatArray:
    """Draw a (3, 3) float32 rotation matrix, uniform over the group named."""
    if mode == "z":
        turn = Rotation.from_euler("z", generator.uniform(0, 2 * np.pi))
    else:
        turn = Rotation.from_quat(generator.normal(size=4))
    return turn.as_matrix().astype(np.float32)


def random_direction(generator: np.random.Generator) -> NDArray[np.float64]:
    """Draw a unit vector (3,), uniform over the sphere."""
    vector = generator.normal(size=3)
    return vector / np.linalg.norm(vector)


def check_rotation(mode: str) -> None:
    """Raise a ConfigurationError unless `mode` is a `RotationMode`."""
    if mode not in get_args(RotationMode):
        msg = f"rotation must be one of {', '.join(get_args(RotationMode))}, not {mode!r}."
        raise ConfigurationError(msg)


def check_share(name: str, limits: tuple[float, float]) -> None:
    """Raise a ConfigurationError unless `0 < low <= high <= 1`."""
    low, high = limits
    if not 0 < low <= high <= 1:
        msg = f"{name} must be (low, high) with 0 < low <= high <= 1, not {limits}."
        raise ConfigurationError(msg)


def choose_kind(weights: dict[str, float], generator: np.random.Generator) -> str:
    """Draw a name with probability proportional to its weight."""
    names = list(weights)
    shares = np.array([weights[name] for name in names], dtype=np.float64)
    return names[int(generator.choice(len(names), p=shares / shares.sum()))]


def check_weights(weights: dict[str, float], known: tuple[str, ...]) -> None:
    """Raise a ConfigurationError for unknown names, negative weights or no weight at all."""
    unknown = sorted(set(weights) - set(known))
    if unknown:
        msg = f"Unknown defect {', '.join(unknown)}: known are {', '.join(known)}."
        raise ConfigurationError(msg)
    if any(weight < 0 for weight in weights.values()) or not sum(weights.values()) > 0:
        msg = f"Weights of defects must not be negative and not all zero, not {weights}."
        raise ConfigurationError(msg)

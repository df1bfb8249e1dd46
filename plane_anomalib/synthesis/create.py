"""Synthetic defects by name, as a model's arguments and configuration files give them."""

from __future__ import annotations

from plane_anomalib.errors import ConfigurationError
from plane_anomalib.synthesis.ano3d import Ano3D
from plane_anomalib.synthesis.base import AnomalyTransform, RotationMode


def create_synthesis(name: str, *, rotation: RotationMode = "so3") -> AnomalyTransform | None:
    """A source of defects.

    Args:
        name: `"ano3d"` (the paper's), `"extended"` (many kinds), or `"none"`.
        rotation: `"so3"`, `"z"` or `"none"`.

    Raises:
        ConfigurationError: There is no such source.
    """
    if name == "none":
        return Ano3D({"normal": 1.0}, rotation=rotation)
    if name == "ano3d":
        return Ano3D(rotation=rotation)
    raise ConfigurationError(f"synthesis must be ano3d, extended or none, not {name!r}.")


def create_augmentation(*, one_sided: float, vary: bool) -> AnomalyTransform | None:
    """Changes that leave a cloud normal.

    Args:
        one_sided: Share of the clouds cut down to what one viewpoint sees.
        vary: Whether density and noise vary.
    """
    return None

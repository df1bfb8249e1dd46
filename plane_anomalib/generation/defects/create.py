"""Synthetic defects by name, as a model's arguments and configuration files give them."""

from __future__ import annotations

from functools import partial

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.generation.defects.ano3d import Ano3D
from plane_anomalib.generation.defects.base import AnomalyTransform, RotationMode
from plane_anomalib.generation.defects.extended import DefectMix


def create_synthesis(
    name: str,
    *,
    rotation: RotationMode = "so3",
    one_sided: bool = False,
    measured: bool = False,
) -> AnomalyTransform:
    """A source of defects for a model that normalises what it sees by itself.

    Nothing is renormalised here: where all clouds lie the same way, what is intact must stay put.

    Args:
        name: `"ano3d"` (Algorithm 1 with a smooth edge), `"ano3d-literal"` (one independent
            displacement per point), `"extended"` (many kinds on varied specimens and scans), or
            `"none"`, which only rotates.
        rotation: `"so3"`, `"z"` or `"none"`.
        one_sided: Whether scans show one side only; the paper's defects know no such thing.
        measured: Whether clouds are measured against other specimens: then points must stay on
            their surface, and specimens differ only as much as those do.

    Raises:
        ConfigurationError: There is no such source.
    """
    if name == "none":
        return Ano3D({"normal": 1.0}, rotation=rotation, renormalise=False)
    if name == "ano3d":
        return Ano3D(rotation=rotation, renormalise=False)
    if name == "ano3d-literal":
        return Ano3D(profile="iid", label_threshold=0.0, rotation=rotation, renormalise=False)
    if name == "extended":
        make = partial(
            DefectMix,
            one_side=0.9 if one_sided else 0.0,
            rotation=rotation,
            renormalise=False,
        )
        return make(resample=0.0, deform=0.0, noise=0.2) if measured else make()
    raise ConfigurationError(
        f"synthesis must be ano3d, ano3d-literal, extended or none, not {name!r}."
    )

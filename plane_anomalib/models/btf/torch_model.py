"""BTF: how far a local descriptor is from those of normal clouds; no registration, no learning.

"Back to the Feature: Classical 3D Features are (Almost) All You Need for 3D Anomaly Detection"
(Horwitz and Hoshen, 2023), in the form in which Real3D-AD ran it on clouds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from plane_anomalib.models.components.alignment import Centerd
from plane_anomalib.models.components.bank_detector import BankDetector, Branch
from plane_anomalib.models.components.descriptors import Coordinates, Descriptor, Fpfh, Sampling
from plane_anomalib.models.components.fitted_model import FittedModel, Scope

DescriptorName = Literal["fpfh", "raw"]
Preset = Literal["fixed", "faithful"]


@dataclass(frozen=True)
class _Values:
    """What a preset sets; lengths are in the object's units or, with `unit`, in radii of it."""

    unit: bool
    fit: Sampling
    query: Sampling
    normal_radius: float
    radius: float
    oriented: bool
    neighbours: int


PRESETS: dict[Preset, _Values] = {
    "faithful": _Values(
        unit=False,
        fit=Sampling(stride=100),
        query=Sampling(stride=500),
        normal_radius=1.0,
        radius=2.5,
        oriented=False,
        neighbours=1,
    ),
    "fixed": _Values(
        unit=True,
        fit=Sampling(voxel=0.02, most=10_000),
        query=Sampling(voxel=0.02, most=10_000),
        normal_radius=0.12,
        radius=0.2,
        oriented=True,
        neighbours=3,
    ),
}


def create_btf(
    descriptor: DescriptorName, preset: Preset, *, scope: Scope = "category", seed: int = 0
) -> FittedModel:
    """Compose the model.

    Args:
        descriptor: `"fpfh"` or `"raw"` coordinates.
        preset: A row of `PRESETS`.
        scope: As for `FittedModel`.
        seed: Of nothing random in this model.
    """
    values = PRESETS[preset]
    describe: Descriptor
    if descriptor == "raw":
        describe = Coordinates(values.fit, values.query)
    else:
        describe = Fpfh(
            values.fit,
            values.query,
            normal_radius=values.normal_radius,
            radius=values.radius,
            oriented=values.oriented,
        )
    branch = Branch(describe, neighbours=values.neighbours)
    make = partial(BankDetector, [branch], object_score="reweighted", seed=seed)
    return FittedModel(make, partial(Centerd, unit=values.unit), scope=scope)

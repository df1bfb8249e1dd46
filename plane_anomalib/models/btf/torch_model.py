"""BTF: how far a local descriptor is from those of normal clouds; no registration, no learning.

"Back to the Feature: Classical 3D Features are (Almost) All You Need for 3D Anomaly Detection"
(Horwitz and Hoshen, 2023), in the form in which Real3D-AD ran it on clouds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from plane_anomalib.models.btf.config import BTFConfig
from plane_anomalib.models.components.alignment import Centered
from plane_anomalib.models.components.bank_detector import BankDetector, Branch
from plane_anomalib.models.components.config import Preset
from plane_anomalib.models.components.descriptors import Coordinates, Descriptor, Fpfh, Sampling
from plane_anomalib.models.components.fitted_model import FittedModel


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


def create_btf(config: BTFConfig) -> FittedModel:
    """Compose the model."""
    values = PRESETS[config.preset]
    describe: Descriptor
    if config.descriptor == "raw":
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
    make = partial(BankDetector, [branch], object_score="reweighted", seed=config.seed)
    return FittedModel(make, partial(Centered, unit=values.unit), scope=config.scope)

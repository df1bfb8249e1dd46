"""What a method of memory banks is composed of, as plain values; a baseline is a table of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.models.components.config import MethodConfig, Preset, Scope, check_numbers

DescriptorName = Literal["fpfh", "coordinates", "transformer"]
RegistrationMethod = Literal["robust", "reference"]
Projection = Literal["gaussian", "sparse"]
ObjectScore = Literal["max", "reweighted"]
Fusion = Literal["training", "test"]


@dataclass(frozen=True)
class Sampling:
    """Which points are described.

    Attributes:
        stride: Every so-manieth point in file order, as the reference code does; the result
            depends on that order.
        most: At most so many points, chosen by a hash of their coordinates, which no order changes.
        voxel: First thin the cloud to one point per cell of this edge, the one nearest to its
            center, so that the density of a scan does not matter; None leaves it. The cells lie
            along the cloud's own axes and turn with it.
    """

    stride: int = 1
    most: int | None = None
    voxel: float | None = None


@dataclass(frozen=True)
class Coreset:
    """How a bank is thinned.

    Attributes:
        size: Rows to keep, or
        share: the share of the rows to keep.
        projection: As for `coreset.greedy_coreset`.
    """

    size: int | None = None
    share: float | None = None
    projection: Projection | None = None

    def __post_init__(self) -> None:
        if (self.size is None) == (self.share is None):
            raise ConfigurationError("A coreset needs either its size or its share of the rows.")
        if (self.size is not None and self.size < 1) or (
            self.share is not None and not 0 < self.share <= 1
        ):
            msg = f"A coreset keeps at least one row and at most all: size {self.size}, "
            raise ConfigurationError(msg + f"share {self.share}.")


@dataclass(frozen=True)
class Recipe:
    """Alignment, descriptors, memory banks and their fusion.

    Lengths are in the object's units or, with `unit`, in radii of it.

    Attributes:
        unit: Measure lengths in radii of the category.
        fit: Which points fill a bank.
        query: Which points are looked up.
        normal_radius: Of the neighbourhoods of normals, for FPFH.
        radius: Of FPFH's own neighbourhoods.
        oriented: Turn normals outward before FPFH.
        num_groups: Groups of the point transformer per cloud.
        group_size: Points per group.
        most_points: Points that are grouped; None takes all.
        training_mode: Leave the transformer in training mode.
        neighbours: Described places that share in the score of a point between them.
        layers: 0-based blocks of the transformer whose outputs are joined.
        descriptors: What fills the banks, one each.
        backbone: The transformer; None where nothing is described by one.
        registration: How clouds are brought into one pose; None only centers them.
        coreset: Which rows are kept; None keeps all.
        object_score: `"max"` of the distances, or `"reweighted"` as in PatchCore (eq. 7).
        fusion: See `BankDetector`.
    """

    unit: bool
    fit: Sampling
    query: Sampling
    normal_radius: float
    radius: float
    oriented: bool
    num_groups: int
    group_size: int
    most_points: int | None
    training_mode: bool
    neighbours: int
    layers: tuple[int, ...] = (3, 7, 11)
    descriptors: tuple[DescriptorName, ...] = ()
    backbone: str | None = None
    registration: RegistrationMethod | None = None
    coreset: Coreset | None = None
    object_score: ObjectScore = "max"
    fusion: Fusion = "training"


_THINNED = Sampling(voxel=0.02, most=10_000)

#: What all methods of memory banks share: the reference code's constants, and ours.
PRESETS: dict[Preset, Recipe] = {
    "faithful": Recipe(
        unit=False,
        fit=Sampling(),
        query=Sampling(),
        normal_radius=1.0,
        radius=2.5,
        oriented=False,
        num_groups=16_384,
        group_size=128,
        most_points=None,
        training_mode=True,
        neighbours=1,
    ),
    "fixed": Recipe(
        unit=True,
        fit=_THINNED,
        query=_THINNED,
        normal_radius=0.12,
        radius=0.2,
        oriented=True,
        num_groups=1_024,
        group_size=32,
        most_points=4_096,
        training_mode=False,
        neighbours=3,
    ),
}


@dataclass(frozen=True)
class BankConfig(MethodConfig):
    """What every method of memory banks can be told.

    Args:
        preset: `"fixed"`, or `"faithful"` to the public reference code with its constants and
            quirks.
        scope: `"category"`: a bank for each category; `"all"`: one for all.
        seed: Of what is drawn at random.
    """

    method: ClassVar[str] = "plane_anomalib.models.components.bank_detector:compose"

    preset: Preset = "fixed"
    scope: Scope = "category"
    seed: int = 0

    def check(self) -> None:
        """Refuse a negative seed."""
        check_numbers(vars(self), above={}, least={"seed": 0})

    def recipe(self) -> Recipe:
        """What the method is composed of."""
        raise NotImplementedError


def registered_banks(preset: Preset, coreset_size: int | None) -> Recipe:
    """What PatchCore and Reg3DAD share: registration, coresets and fusion.

    Args:
        preset: A row of `PRESETS`.
        coreset_size: Rows kept per bank; by default 10,000.
    """
    faithful = preset == "faithful"
    projection: Projection | None = "gaussian" if faithful and not coreset_size else None
    return replace(
        PRESETS[preset],
        registration="reference" if faithful else "robust",
        coreset=Coreset(size=coreset_size or 10_000, projection=projection),
        fusion="test" if faithful else "training",
    )

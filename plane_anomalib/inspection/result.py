"""What a detector says of one cloud: scores, a decision, and where the anomalous parts lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Array = TypeVar("Array", bound="NDArray[np.float32] | Tensor")

Decision = Literal["anomaly", "normal"]


@dataclass(frozen=True)
class Threshold:
    """From which score on something is anomalous, and where that number comes from.

    Attributes:
        value: A raw score; a score equal to it is anomalous.
        origin: In words, such as `best F1 on 4 good scans and 16 synthetic defects, each scan
            held out in turn`.
    """

    value: float
    origin: str


@dataclass(frozen=True)
class Region:
    """A connected anomalous part of a cloud.

    Attributes:
        center: `(x, y, z)` mean of its points, in the object's units.
        size: `(x, y, z)` extents along the axes, in the object's units.
        diameter: Largest distance between two of its points, roughly, in the object's units.
        num_points: How many points it has.
        share: Its share of the cloud's points.
        peak: Its highest point score.
        mean: Its mean point score.
        height: Signed distance from the nearest good scan at the place where it is largest, in the
            object's units: positive where material was added, negative where it is missing;
            `None` where that cannot be told (noise, or a thin wall that moved as a whole).
    """

    center: tuple[float, float, float]
    size: tuple[float, float, float]
    diameter: float
    num_points: int
    share: float
    peak: float
    mean: float
    height: float | None = None


@dataclass(frozen=True, eq=False)
class Inspection(Generic[Array]):
    """What a detector says of one cloud.

    Attributes:
        score: Of the object, raw; higher is more anomalous.
        point_scores: `(N,) float32`, raw, in input order; an array or a tensor as the input was.
        threshold: For `score`; `None` if the detector has none.
        point_threshold: For `point_scores`, likewise.
        regions: Connected parts above the point threshold, the one with most points first; empty
            without a point threshold.
        region_of_point: `(N,) int32`, the index in `regions` of each point, -1 outside of all.
        nearest_good: Name of the good scan that the cloud resembles most, where it was compared.
    """

    score: float
    point_scores: Array
    threshold: Threshold | None
    point_threshold: Threshold | None
    regions: tuple[Region, ...]
    region_of_point: NDArray[np.int32]
    nearest_good: str | None = None

    @property
    def decision(self) -> Decision | None:
        """What the threshold says of the object; `None` without a threshold."""
        if self.threshold is None:
            return None
        return "anomaly" if self.score >= self.threshold.value else "normal"

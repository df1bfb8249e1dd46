"""What a detector says of one cloud: scores, a decision, and the regions that are anomalous."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.inspection.regions import Region

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", bound="NDArray[np.float32] | Tensor")

Decision = Literal["anomaly", "normal", "not judged"]


@dataclass(frozen=True)
class Threshold:
    """From which score on something is anomalous, and where that number comes from.

    Attributes:
        value: A raw score; a score equal to it is anomalous.
        origin: In words, such as `best F1 on 4 good scans and 16 synthetic defects, each scan
            held out in turn`.

    Examples:
        >>> detector.threshold.origin
        'best F1 on 18 draws of 3 good scans and 18 synthetic defects, each scan held out in turn'
    """

    value: float
    origin: str


@dataclass(frozen=True, eq=False)
class Inspection(Generic[Array]):
    """What a detector says of one cloud.

    Attributes:
        score: Of the object, raw; higher is more anomalous; nan where the cloud was not scored.
        point_scores: `(N,) float32`, raw, in input order; an array or a tensor as the input was;
            nan where the cloud was not scored.
        threshold: For `score`; `None` if the detector has none.
        point_threshold: For `point_scores`, likewise.
        regions: Connected parts above the point threshold, the one with most points first; empty
            without a point threshold.
        region_of_point: `(N,) int32`, the index in `regions` of each point, -1 outside of all.
        nearest_good: Name of the good scan that the cloud resembles most, where it was compared.
        reason: Why the cloud was not judged and what to do, in a sentence; "" where it was.
        notes: A sentence for whatever was dropped, converted, resampled or assumed.
        seen: Which share of the part's surface the cloud shows, from 0 to 1; `None` where that
            cannot be told.

    Examples:
        >>> found = detector(cloud)
        >>> found.score >= found.threshold.value, found.region_of_point.dtype
        (True, dtype('int32'))
    """

    score: float
    point_scores: Array
    threshold: Threshold | None
    point_threshold: Threshold | None
    regions: tuple[Region, ...]
    region_of_point: NDArray[np.int32]
    nearest_good: str | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    seen: float | None = None

    @property
    def decision(self) -> Decision | None:
        """What the threshold says of the object, unless it was not judged; `None` without one."""
        if self.reason:
            return "not judged"
        if self.threshold is None:
            return None
        return "anomaly" if self.score >= self.threshold.value else "normal"

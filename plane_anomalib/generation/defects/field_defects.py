"""The seven kinds of defect of Anomaly-ShapeNet, by the names its files use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from plane_anomalib.generation.defects import field_cuts, field_reliefs
from plane_anomalib.generation.surfaces import ChangedRegion, Surface

Cloud = TypeVar("Cloud")
_TRIES = 8
_FARTHEST = 2.5


@dataclass(frozen=True)
class DefectKind:
    """One kind of defect.

    Attributes:
        make: Plans one on a surface, for a wanted share of anomalous points.
        median_share: The share of anomalous points half of the real clouds stay below.
    """

    make: Callable[[Surface, float, np.random.Generator], ChangedRegion]
    median_share: float


FIELD_DEFECTS: dict[str, DefectKind] = {
    "bending": DefectKind(field_cuts.bending, 0.032),
    "broken": DefectKind(field_cuts.broken, 0.003),
    "bulge": DefectKind(field_reliefs.bulge, 0.028),
    "concavity": DefectKind(field_reliefs.concavity, 0.019),
    "crak": DefectKind(field_reliefs.crak, 0.005),
    "hole": DefectKind(field_cuts.hole, 0.005),
    "scratch": DefectKind(field_reliefs.scratch, 0.009),
}
"""Kind of defect by the name in the file (`crak` is the data set's spelling)."""


def plan_defect(
    kind: str, surface: Surface, generator: np.random.Generator, scale: float = 1.0
) -> ChangedRegion:
    """Plan a defect of a size drawn around the median of the real ones.

    Args:
        kind: A key of `FIELD_DEFECTS`.
        surface: The nominal object.
        generator: Generator.
        scale: Size in terms of the usual share of the whole surface; a scan of one side shows
            about half of that.

    Returns:
        The region that replaces the nominal surface, with its labels.

    Raises:
        NoPlaceError: The object has no place for this kind.
    """
    spread = float(np.exp(np.clip(generator.normal(0.0, 0.25), -0.5, 0.5)))
    return FIELD_DEFECTS[kind].make(
        surface, scale * FIELD_DEFECTS[kind].median_share * spread, generator
    )


def of_usual_share(
    wanted: float, attempt: Callable[[], Cloud], share: Callable[[Cloud], float]
) -> Cloud:
    """The first try whose anomalous share lies within a factor of 2.5 of the wanted one.

    Args:
        wanted: The share to come near.
        attempt: Plans a defect and draws a cloud with it.
        share: The share of anomalous points of what `attempt` gave.

    Returns:
        That try, or the closest of eight.
    """
    best: tuple[float, Cloud] | None = None
    for _ in range(_TRIES):
        cloud = attempt()
        miss = abs(float(np.log(max(share(cloud), 1e-6) / wanted)))
        if best is None or miss < best[0]:
            best = (miss, cloud)
        if miss < np.log(_FARTHEST):
            break
    assert best is not None  # noqa: S101 - the loop ran
    return best[1]

"""The seven kinds of defect of Anomaly-ShapeNet, on implicit surfaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from plane_anomalib.generation.defects import field_cuts, field_reliefs
from plane_anomalib.generation.defects.kinds import KINDS
from plane_anomalib.generation.surfaces import ChangedRegion, Surface

Cloud = TypeVar("Cloud")
_TRIES = 8
_FARTHEST = 2.5


FIELD_DEFECTS: Mapping[str, Callable[[Surface, float, np.random.Generator], ChangedRegion]] = {
    "bend": field_cuts.bend,
    "broken": field_cuts.broken,
    "bulge": field_reliefs.bulge,
    "concavity": field_reliefs.concavity,
    "crack": field_reliefs.crack,
    "hole": field_cuts.hole,
    "scratch": field_reliefs.scratch,
}
"""Kind to what plans it on a surface, for a wanted share of anomalous points."""


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
    share = scale * KINDS[kind].usual_share * spread
    return FIELD_DEFECTS[kind](surface, share, generator)


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

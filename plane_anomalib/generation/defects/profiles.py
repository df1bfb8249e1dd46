"""What the makers of defects share: their kinds, heights over a support, cross-sections, outlines.

All but the kinds is written once, for arrays of numpy and tensors of torch alike: both have these
functions by the same names.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Values = TypeVar("Values", NDArray[Any], "Tensor")
"""Arrays or tensors; a function's are all of one library, dtype and device."""


def library(values: Any) -> Any:
    """The module that an array or tensor is of, numpy or torch."""
    return np if isinstance(values, np.ndarray | np.generic) else sys.modules["torch"]


def smoothstep(x: Values) -> Values:
    """Zero below 0, one above 1, smooth between."""
    x = library(x).clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def half_cosine(angle: Values) -> Values:
    """One at angle 0, falling smoothly to zero at pi."""
    result: Values = 0.5 * (1.0 + library(angle).cos(angle))
    return result


FALLOFFS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "cosine": lambda r: half_cosine(np.pi * r),
        "gaussian": lambda r: library(r).exp(-4.5 * r**2),
        "quartic": lambda r: (1 - r**2) ** 2,
        "linear": lambda r: 1 - r,
        "parabola": lambda r: 1 - r**2,
        "flat_top": lambda r: half_cosine(np.pi * library(r).clip((r - 0.6) / 0.4, 0, 1)),
        "mesa": lambda r: smoothstep((1.0 - r) / 0.45),
        "round": lambda r: smoothstep(1.0 - r),
        "peaked": lambda r: library(r).exp(-3.5 * r * r) * (1.0 - r**4),
        # A plateau with a steep edge; a vertical wall would leave no point on it.
        "plateau": lambda r: library(r).clip((1 - r) / 0.2, 0, 1),
        "step": lambda r: library(r).ones_like(r),
    }
)
"""Height over the distance from the center, from 0 to 1; also the depth across a groove."""


def falloff(name: str, r: Values) -> Values:
    """Evaluate a falloff, zero from r = 1 on.

    Args:
        name: A key of `FALLOFFS`.
        r: Distances in units of the support, any shape, not negative.
    """
    heights = FALLOFFS[name](library(r).clip(r, None, 1.0))
    result: Values = library(r).where(r < 1, heights, 0.0)
    return result


def crater(r: Values) -> Values:
    """A pit of depth one with a raised rim, over distances in units of the support."""
    xp = library(r)
    pit = -xp.clip(1 - (r / 0.75) ** 2, 0, None)
    rim = 0.45 * xp.exp(-(((r - 0.85) / 0.14) ** 2))
    result: Values = (pit + rim) * (r < 1.3)
    return result


def ripple(r: Values, crests: float | Values, phase: float | Values = 0.0) -> Values:
    """Concentric waves that die away.

    Args:
        r: Distances in units of the support.
        crests: From the center to the edge.
        phase: At the center, in radians.
    """
    result: Values = falloff("cosine", r) * library(r).cos(2 * np.pi * crests * r + phase)
    return result


def flattened(height: Values, depth: float | Values) -> Values:
    """Way from heights over a plane down to `depth` below it; zero for what is lower already."""
    result: Values = -library(height).clip(height + depth, 0, None)
    return result


def groove(
    distance: Values, along: Values, width: float | Values, section: str = "cosine"
) -> Values:
    """Depth of a groove, one at its deepest.

    Args:
        distance: To its middle line.
        along: Place along it, from 0 to 1: shallower towards both ends, as what a tool leaves.
        width: Half its width.
        section: A key of `FALLOFFS`.
    """
    xp = library(distance)
    taper = xp.sqrt(xp.clip(1 - (2 * along - 1) ** 2, 0.1, 1))
    result: Values = taper * falloff(section, distance / width)
    return result


def uneven(angle: Values, phases: Values) -> Values:
    """Radius of an irregular round outline of mean radius one.

    Args:
        angle: Around the center, in radians, (..., N).
        phases: Of its two waves, (..., 2).
    """
    xp = library(angle)
    result: Values = (
        1 + 0.15 * xp.sin(2 * angle + phases[..., :1]) + 0.1 * xp.sin(5 * angle + phases[..., 1:])
    )
    return result


def fracture(points: Values, waves: Values, phases: Values, height: float) -> Values:
    """Relief of a rough break, as a sum of waves.

    Args:
        points: (..., N, 3).
        waves: Wave vectors, (..., 3, K).
        phases: (..., 1, K).
        height: Of each wave.

    Returns:
        (..., N).
    """
    result: Values = height * library(points).sin(points @ waves + phases).sum(-1)
    return result


def walk(turns: Values, length: float | Values) -> Values:
    """A random walk in the plane that ends up about where it headed.

    Args:
        turns: Change of heading before each step in radians, (..., S).
        length: Of the walk, a number or (..., 1).

    Returns:
        The path from the origin on, (..., S + 1, 2).
    """
    xp, count = library(turns), turns.shape[-1]
    headings = xp.cumsum(turns, -1)
    # Pulled back to its first direction: a walk, not a ball of wool.
    shares = (xp.cumsum(xp.ones_like(turns), -1) - 1) / (count - 1)
    headings = headings - shares * headings[..., -1:]
    long = length / count
    steps = xp.stack((long * xp.cos(headings), long * xp.sin(headings)), -1)
    start = xp.zeros_like(steps[..., :1, :])
    result: Values = xp.concatenate((start, xp.cumsum(steps, -2)), -2)
    return result


def distance_to_path(u: Values, v: Values, path: Values) -> tuple[Values, Values]:
    """Distance to a path in the plane and the place along it, segment by segment.

    Args:
        u: First coordinate of the points, (..., N).
        v: Second.
        path: (..., S + 1, 2), its steps of one length.

    Returns:
        Distance (..., N) and place (..., N) from 0 to 1.
    """
    xp, count = library(u), path.shape[-2] - 1
    nearest, along = xp.full_like(u, np.inf), xp.zeros_like(u)
    for step in range(count):
        start = path[..., step, :, None]
        edge = path[..., step + 1, :, None] - start
        du, dv = u - start[..., 0, :], v - start[..., 1, :]
        eu, ev = edge[..., 0, :], edge[..., 1, :]
        place = xp.clip((du * eu + dv * ev) / (eu * eu + ev * ev), 0, 1)
        squared = (du - place * eu) ** 2 + (dv - place * ev) ** 2
        along = xp.where(squared < nearest, (step + place) / count, along)
        nearest = xp.minimum(nearest, squared)
    return xp.sqrt(nearest), along


@dataclass(frozen=True)
class DefectKind:
    """What is true of a kind of defect wherever it is made.

    Attributes:
        words: What it is called, without an article.
        outward: 1 where it raises the surface, -1 where it sinks it, 0 where it does neither, or
            either.
        usual_share: The share of anomalous points that half of the clouds of Anomaly-ShapeNet
            with this defect stay below; not a number where it has none.
    """

    words: tuple[str, ...]
    outward: int = 0
    usual_share: float = math.nan


KINDS: Mapping[str, DefectKind] = MappingProxyType(
    {
        "bulge": DefectKind(("bulge", "bump", "swelling"), 1, 0.028),
        "dent": DefectKind(("dent", "depression", "concavity"), -1),
        "ridge": DefectKind(("ridge", "raised seam", "bead"), 1),
        "trench": DefectKind(("groove", "trench", "furrow"), -1),
        "hole": DefectKind(("hole", "missing patch", "puncture"), 0, 0.005),
        "broken": DefectKind(("broken part", "missing part", "broken edge"), 0, 0.003),
        "crater": DefectKind(("crater", "pit", "impact mark")),
        "ripple": DefectKind(("ripple", "waviness", "wrinkle")),
        "shear": DefectKind(("shear", "drag mark", "smeared spot")),
        "flat_spot": DefectKind(("flat spot", "flattened area"), -1),
        "lump": DefectKind(("lump", "rough patch", "burr"), 1),
        "scratch": DefectKind(("scratch", "scrape", "cut"), -1, 0.009),
        "crack": DefectKind(("crack", "fracture", "split"), -1, 0.005),
        "concavity": DefectKind(("concavity", "hollow", "sink mark"), -1, 0.019),
        "step": DefectKind(("step", "offset")),
        "bend": DefectKind(("bend", "bent part"), 0, 0.032),
    }
)
"""Every kind by name. Each maker of defects knows some of them: `ano3d`, `point_defects`,
`field_defects`, `batched`."""

BATCHED_KINDS = (
    "bulge", "dent", "ridge", "trench", "hole", "broken", "crater", "ripple", "shear", "flat_spot",
    "lump", "scratch", "crack",
)  # fmt: skip
"""Keys of `KINDS` that `batched` makes, by number."""

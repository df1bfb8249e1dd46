"""One captioned specimen of a family, as points and normals on the unit sphere's scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.generation.shapes.catalogue import FAMILIES


@dataclass(frozen=True, eq=False)
class Shape:
    """A specimen.

    Attributes:
        points: `(N, 3) float32`, uniform by area, centerd on their mean, longest distance from
            the center 1; the z axis is up.
        normals: `(N, 3) float32`, outward unit normals of the exact surface.
        name: Everyday noun phrase of the family.
        caption: What this very specimen looks like.
    """

    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    name: str
    caption: str


def draw_shape(family: str, generator: np.random.Generator, num_points: int) -> Shape:
    """Make a specimen of a family.

    Args:
        family: A key of `FAMILIES`.
        generator: Generator of everything random in it.
        num_points: How many points, at least 2.

    Returns:
        Exactly `num_points` points in random order.

    Raises:
        ConfigurationError: The family is unknown, or fewer than 2 points are asked for.
    """
    if family not in FAMILIES:
        raise ConfigurationError(f"There is no shape family {family!r}: {', '.join(FAMILIES)}.")
    if num_points < 2:
        raise ConfigurationError(f"A shape needs at least 2 points, not {num_points}.")
    solid, caption = FAMILIES[family](generator)
    points, normals = solid.sample(generator, num_points)
    points = points - points.mean(axis=0)
    points /= np.sqrt(np.einsum("ni,ni->n", points, points).max())
    return Shape(points.astype(np.float32), normals.astype(np.float32), family, caption)

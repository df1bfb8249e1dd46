"""What every solid of this room can do: scatter points over its surface, and tell inside."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plane_anomalib.core.errors import ConfigurationError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
_LEAST_SEEN = 1e-3
_TRIES = 5_000


class Solid(ABC):
    """A closed solid.

    Solids scatter at a *density*, not a number, so that a combination of solids is uniform by
    construction: its parts scatter at one density, and what is hidden is dropped.

    Attributes:
        area: Surface area; of a combination an upper bound (the hidden parts count).
        low: Lower corner of a box that holds the solid, `(3,)`.
        high: Upper corner, `(3,)`.
    """

    area: float
    low: Array
    high: Array

    @abstractmethod
    def scatter(self, generator: np.random.Generator, density: float) -> tuple[Array, Array]:
        """Draw surface points uniformly by area.

        Args:
            generator: Generator.
            density: Expected points per unit of area.

        Returns:
            Points and outward unit normals, both `(N, 3)` float64, part by part.
        """

    @abstractmethod
    def within(self, points: Array) -> Mask:
        """As `inside`, for points already known to be in the box."""

    def inside(self, points: Array) -> Mask:
        """Which of the points `(N, 3)` lie in the material, `(N,)` bool."""
        near: Mask = np.all((points > self.low) & (points < self.high), axis=1)
        where = np.flatnonzero(near)
        if len(where):
            near[where] = self.within(points[where])
        return near

    def sample(self, generator: np.random.Generator, count: int) -> tuple[Array, Array]:
        """Draw exactly `count` surface points, uniformly by area and in random order.

        Args:
            generator: Generator.
            count: How many.

        Returns:
            Points and outward unit normals, both `(count, 3)` float64.

        Raises:
            ConfigurationError: Of the surface of its parts less than a thousandth shows.
        """
        drawn: list[tuple[Array, Array]] = []
        found, spent = 0, 0.0
        density = (1.03 * count + 24) / self.area
        while True:
            drawn.append(self.scatter(generator, density))
            found += len(drawn[-1][0])
            spent += density
            if found >= count:
                break
            tried = spent * self.area
            if tried > _TRIES and found < _LEAST_SEEN * tried:
                raise ConfigurationError(
                    "A solid whose surface is nearly all hidden cannot be sampled."
                )
            # Points found per density spent is the visible area: the next pass fills the gap.
            density = (1.05 * (count - found) + 32) * spent / max(found, 1)
        order = generator.permutation(found)[:count]
        return tuple(np.concatenate(part)[order] for part in zip(*drawn, strict=True))  # type: ignore[return-value]


def number(generator: np.random.Generator, expected: float) -> int:
    """An integer whose mean is `expected`."""
    return int(expected + generator.random())


def choose(generator: np.random.Generator, weights: Array, count: int) -> NDArray[np.intp]:
    """Draw `count` indices with probability proportional to `weights (K,)`."""
    ladder = np.cumsum(weights)
    # Sorted draws (stratified) walk through memory in order, and are less noisy than free ones.
    steps = (np.arange(count) + generator.random(count)) * (ladder[-1] / max(count, 1))
    return np.minimum(np.searchsorted(ladder, steps, side="right"), len(ladder) - 1)


def linear(start: Array, end: Array, uniform: Array) -> Array:
    """Map uniform numbers to [0, 1] with a density that runs linearly from start to end."""
    root = np.sqrt(start * start + uniform * (end * end - start * start))
    return uniform * (start + end) / np.maximum(start + root, 1e-300)


def unit(vectors: ArrayLike) -> Array:
    """Scale `(..., 3)` vectors to length one; a zero vector stays zero."""
    array = np.asarray(vectors, dtype=np.float64)
    length = np.sqrt(np.einsum("...i,...i->...", array, array))
    return array / np.maximum(length, 1e-300)[..., None]

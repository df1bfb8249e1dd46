"""What tells one scan of a good object from the next: the specimen and the scanner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plane_anomalib.generation.procedural.fields import Array

_WAVES = 3
_OUTLIER = 10.0


@dataclass(frozen=True)
class Deviation:
    """A smooth deviation from the nominal shape: a few waves about as long as the object.

    Attributes:
        waves: Wave vectors, `(K, 3)`.
        phases: `(K,)`.
        shifts: Displacement at a wave's crest, `(K, 3)`.
    """

    waves: Array
    phases: Array
    shifts: Array

    @classmethod
    def draw(cls, size: float, generator: np.random.Generator) -> Deviation:
        """One specimen's.

        Args:
            size: Root mean square of the displacement, in extents.
            generator: Generator.
        """
        waves = generator.normal(0.0, 4.0, (_WAVES, 3))
        shifts = generator.normal(size=(_WAVES, 3))
        # A wave's mean square is half that of its crest.
        shifts *= size * np.sqrt(2 / _WAVES) / np.linalg.norm(shifts, axis=1, keepdims=True)
        return cls(waves, generator.uniform(0.0, 2 * np.pi, _WAVES), shifts)

    @staticmethod
    def largest(size: float) -> float:
        """The farthest that a deviation of root mean square `size` can move a point."""
        return float(size * np.sqrt(2 * _WAVES))

    def __call__(self, points: Array) -> Array:
        """The specimen's points for nominal ones `(N, 3)`, in extents."""
        return points + np.sin(points @ self.waves.T + self.phases) @ self.shifts


def scanned(points: Array, noise: float, outliers: float, generator: np.random.Generator) -> Array:
    """Points `(N, 3)` as a scanner measures them.

    Args:
        points: In extents.
        noise: Standard deviation along each axis, in extents.
        outliers: Share of points whose noise is ten times as large.
        generator: Generator.
    """
    size = np.where(generator.random(len(points)) < outliers, _OUTLIER * noise, noise)
    return points + size[:, None] * generator.normal(size=points.shape)

"""Uniform samples, by area, of an implicit surface.

Points are drawn uniformly in a thin band around the surface and projected onto it: the band is as
thick everywhere, so the density on the surface is as high everywhere, whatever a defect does to the
surface. No mesh is needed, and edges stay sharp.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from plane_anomalib.generation.shapes.fields import Array, Field

BAND = 0.002
"""Half thickness of the sampling band around the nominal surface, in extents."""
PATCH_BAND = 0.0008
"""The same around a defect, whose grooves may be as narrow as a few thousandths."""
_STEP = 1e-5
_BLOCK = 16_384


@dataclass(frozen=True)
class ChangedRegion:
    """A region in which the surface is another one.

    Attributes:
        solid: The implicit function that holds inside the region.
        low: Lower corner of the region's box, `(3,)`.
        high: Upper corner, `(3,)`.
        label: Points `(N, 3)` of the new surface to `(N,)` bool: anomalous or not.
        keep: Points `(N, 3)` to `(N,)` bool: seen by the scanner or not.
        steepness: How fast `solid` may change, at most.
    """

    solid: Field
    low: Array
    high: Array
    label: Callable[[Array], NDArray[np.bool_]]
    keep: Callable[[Array], NDArray[np.bool_]] = lambda p: np.ones(len(p), dtype=bool)
    steepness: float = 2.0


@dataclass(frozen=True)
class SurfaceSamples:
    """Plain samples of a nominal surface, to plan defects with.

    Attributes:
        points: `(N, 3)` float64.
        normals: Outward unit normals, `(N, 3)` float64.
        interior: Points uniform in the material, `(M, 3)` float64.
        interior_density: Interior points per unit volume.
        tree: Search tree over `points`.
    """

    points: Array
    normals: Array
    interior: Array
    interior_density: float
    tree: cKDTree = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tree", cKDTree(self.points))


class Surface:
    """A nominal object: largest side one, box centered on the origin.

    Args:
        solid: Implicit function, gradient at most one, in any scale.
        reach: Half side of a cube around the origin that holds the solid.
        generator: Generator for the pilot samples (size, area, `pool`).
    """

    def __init__(self, solid: Field, reach: float, generator: np.random.Generator) -> None:
        cells, side = _surface_cells(solid, reach, levels=(32, 64, 128))
        pilot = _draw(
            solid, cells, side, 3.0e4 / (len(cells) * side**3), BAND * reach, 1.0, generator
        )
        low, high = pilot.min(axis=0), pilot.max(axis=0)
        self._center, self._scale = (low + high) / 2, float((high - low).max())
        self._raw = solid
        self.cell = side / self._scale
        self.cells: Array = (cells - self._center) / self._scale
        """Centers of the small cubes that may hold a piece of the surface, `(C, 3)`."""
        self.low, self.high = (
            (low - self._center) / self._scale,
            (high - self._center) / self._scale,
        )
        self.area = 1.0
        pilot_density = 20_000.0
        found = self.sample(pilot_density, generator)[0]
        self.area = len(found) / pilot_density
        self.samples = self._pool(generator)

    def field(self, points: Array) -> Array:
        """Signed distance bound at `(N, 3)` points, `(N,)`."""
        raw = points * self._scale + self._center
        # Blocks that fit the processor's cache: up to three times as fast.
        blocks = [self._raw(raw[i : i + _BLOCK]) for i in range(0, max(len(raw), 1), _BLOCK)]
        return np.concatenate(blocks) / self._scale

    def sample(
        self, density: float, generator: np.random.Generator, patch: ChangedRegion | None = None
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Draw a cloud.

        Args:
            density: Points per unit area.
            generator: Generator.
            patch: A defect, or none.

        Returns:
            Points `(N, 3)` float64 in random order and their labels `(N,)` bool.
        """
        cells = self.cells
        if patch is not None:
            low, high, _ = self._lattice(patch)
            cells = cells[~((cells > low) & (cells < high)).all(axis=1)]
        points = _draw(self.field, cells, self.cell, density / (2 * BAND), BAND, 1.0, generator)
        labels = np.zeros(len(points), dtype=bool)
        if patch is not None:
            new = self.sample_patch(patch, density, generator)
            points = np.vstack([points, new])
            labels = np.concatenate([labels, patch.label(new)])
        order = generator.permutation(len(points))
        return points[order], labels[order]

    def sample_patch(
        self, patch: ChangedRegion, density: float, generator: np.random.Generator
    ) -> Array:
        """Points of the surface that holds in a patch's box, where the scanner sees them.

        Args:
            patch: The region.
            density: Points per unit area.
            generator: Generator.

        Returns:
            `(N, 3)`.
        """
        lattice = self._lattice(patch)[2]
        near = np.abs(patch.solid(lattice)) < patch.steepness * self.cell * np.sqrt(3) / 2
        new = _draw(
            patch.solid,
            lattice[near],
            self.cell,
            density / (2 * PATCH_BAND),
            PATCH_BAND,
            patch.steepness,
            generator,
        )
        return new[patch.keep(new)]

    def _lattice(self, patch: ChangedRegion) -> tuple[Array, Array, Array]:
        """The patch's box grown to whole cells: its corners and all its cell centers."""
        origin = self.cells[0]
        first = np.floor((patch.low - origin) / self.cell).astype(int)
        last = np.ceil((patch.high - origin) / self.cell).astype(int)
        axes = [
            origin[i] + self.cell * np.arange(first[i], last[i] + 1, dtype=np.float64)
            for i in range(3)
        ]
        lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        half = self.cell / 2
        return lattice.min(axis=0) - half, lattice.max(axis=0) + half, lattice

    def _pool(self, generator: np.random.Generator) -> SurfaceSamples:
        points, _ = self.sample(8_000 / self.area, generator)
        normals = gradient(self.field, points)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        inside, density = self._interior(generator)
        return SurfaceSamples(points, normals, inside, density)

    def _interior(self, generator: np.random.Generator) -> tuple[Array, float]:
        """Points uniform in the material, and their number per unit volume."""
        inside = generator.uniform(self.low, self.high, (60_000, 3))
        density = len(inside) / float(np.prod(self.high - self.low))
        return inside[self.field(inside) < 0], density


def gradient(solid: Field, points: Array, value: Array | None = None) -> Array:
    """Forward-difference gradient of a field at `(N, 3)` points, `(N, 3)`."""
    at = solid(points) if value is None else value
    beside = np.concatenate([points + step for step in _STEP * np.eye(3)])
    return (solid(beside).reshape(3, -1).T - at[:, None]) / _STEP


def _surface_cells(solid: Field, reach: float, levels: tuple[int, ...]) -> tuple[Array, float]:
    """Centers and side of the finest cells that may be crossed by the surface."""
    axis = (np.arange(levels[0]) + 0.5) / levels[0] * 2 * reach - reach
    cells = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    corners = np.stack(np.meshgrid(*[[-0.25, 0.25]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    side = 2 * reach / levels[0]
    for depth, count in enumerate(levels):
        if depth:
            cells = (cells[:, None, :] + corners * side).reshape(-1, 3)
            side = 2 * reach / count
        cells = cells[np.abs(solid(cells)) < side * np.sqrt(3) / 2 + BAND * reach]
    return cells, side


def _draw(
    solid: Field,
    cells: Array,
    side: float,
    per_volume: float,
    band: float,
    steepness: float,
    generator: np.random.Generator,
) -> Array:
    """Points of `solid`'s surface inside the cells, from a Poisson process in its band."""
    counts = generator.poisson(per_volume * side**3, len(cells))
    points = np.repeat(cells, counts, axis=0)
    points += generator.uniform(-side / 2, side / 2, points.shape)
    value = solid(points)
    near = np.abs(value) < steepness * band
    points, value = points[near], value[near]
    slope = gradient(solid, points, value)
    norm2 = np.maximum((slope**2).sum(axis=1), 1e-12)
    near = np.abs(value) < band * np.sqrt(norm2)
    return _project(solid, points[near], value[near], slope[near])


def _project(solid: Field, points: Array, value: Array, slope: Array) -> Array:
    """Newton steps onto the surface; the few points that do not arrive are dropped."""
    tolerance = 2e-5
    for last in (False, False, False, True):
        norm2 = np.maximum((slope**2).sum(axis=1), 1e-2)
        points = points - slope * (value / norm2)[:, None]
        value = solid(points)
        open_ = np.abs(value) > tolerance
        if last or not open_.any():
            break
        slope = np.zeros_like(points)
        slope[open_] = gradient(solid, points[open_], value[open_])
    return points[np.abs(value) <= 10 * tolerance]

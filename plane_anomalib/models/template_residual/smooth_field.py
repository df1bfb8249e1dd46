"""The low-frequency deviation of a specimen: a smooth displacement that defects do not pull."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from plane_anomalib.core.cores import in_chunks
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.geometry.sampling import farthest_point_sampling
from plane_anomalib.models.template_residual.sheets import Sheets

Array = NDArray[np.float64]

_CENTERS = 100
_CANDIDATES = 4_000
_POINTS = 2_000
_CHUNK = 2_048
_ROUNDS = 3
_REWEIGHTINGS = 3
_FIRST_CUT = 0.024
"""Residuals beyond this share of the longest side are defects from the first round on."""
_CUT = 4.0
_INDEPENDENT_SHARE = 0.1
"""Neighbouring residuals share the error of the template: so many of them count as independent."""


def field_centers(points: FloatArray) -> FloatArray:
    """Choose the places whose displacement defines the field.

    Args:
        points: (N, 3) the template; a random order is assumed.

    Returns:
        (C, 3) float32, C at most 100, spread over the surface.
    """
    import torch

    candidates = torch.from_numpy(np.ascontiguousarray(points[:_CANDIDATES]))[None]
    num = min(_CENTERS, candidates.shape[1])
    return points[farthest_point_sampling(candidates, num)[0].numpy()]


@dataclass(frozen=True)
class SmoothField:
    """A Gaussian process over displacements, on few centers (plus an affine part).

    Attributes:
        centers: (C, 3) where it is defined.
        wavelength: Standard deviation of its Gaussian kernel, as a share of the longest side.
    """

    centers: FloatArray
    wavelength: float

    @property
    def size(self) -> int:
        """Number of coefficients per axis."""
        return len(self.centers) + 4

    @cached_property
    def _factor(self) -> Array:
        kernel = self._kernel(self.centers) + 1e-4 * np.eye(len(self.centers))
        return np.asarray(np.linalg.cholesky(kernel))

    def basis(self, points: FloatArray) -> Array:
        """Values of the basis functions; independent unit coefficients give the process.

        Args:
            points: (N, 3).

        Returns:
            (N, C + 4) float64, the last four affine.
        """
        local = solve_triangular(self._factor, self._kernel(points).T, lower=True).T
        linear = np.concatenate([np.ones((len(points), 1)), points], axis=1)
        return np.concatenate([local, linear], axis=1)

    def displacement(self, points: FloatArray, coefficients: Array) -> FloatArray:
        """Evaluate a fitted field: `basis(points) @ coefficients` at less cost.

        Args:
            points: (N, 3).
            coefficients: (C + 4, 3) from `fit_deviation`.

        Returns:
            (N, 3) float32 what to add to the points.
        """
        weights = solve_triangular(self._factor, coefficients[:-4], lower=True, trans="T")
        moves = np.empty((len(points), 3), np.float32)

        def evaluate(part: slice) -> None:
            affine = coefficients[-4] + points[part] @ coefficients[-3:]
            moves[part] = self._kernel(points[part]) @ weights + affine

        in_chunks(evaluate, len(points), _CHUNK)
        return moves

    def _kernel(self, points: FloatArray) -> Array:
        places, centers = points.astype(np.float64), self.centers.astype(np.float64)
        squared = places @ (-2.0 * centers.T)
        squared += np.square(places).sum(1)[:, None]
        squared += np.square(centers).sum(1)
        np.maximum(squared, 0.0, out=squared)
        squared /= -2.0 * self.wavelength**2
        return np.exp(squared, out=squared)


def fit_deviation(
    points: FloatArray, sheets: Sheets, field: SmoothField, size: float, affine: float
) -> Array:
    """Estimate the smooth displacement that brings a specimen onto the template.

    Robust least squares on point-to-sheet distances: Tukey weights keep defects from pulling, the
    prior keeps the displacement small and smooth.

    Args:
        points: (N, 3) the specimen, roughly in place, in random order.
        sheets: The template.
        field: Which displacements there are.
        size: Expected displacement (standard deviation per axis) of the smooth part.
        affine: The same for the affine part, which also takes up what a registration leaves.

    Returns:
        (C + 4, 3) coefficients for `SmoothField.displacement`.
    """
    chosen = points[:_POINTS]
    basis = field.basis(chosen)
    prior = np.append(np.full(field.size - 4, size**-2.0), np.full(4, affine**-2.0))
    precision = np.diag(np.tile(prior, 3))
    coefficients = np.zeros((field.size, 3))
    least = max(sheets.noise, 1e-6)
    for turn in range(_ROUNDS):
        moved = np.asarray(chosen + basis @ coefficients, np.float32)
        heights, normals, _ = sheets.residuals(moved)
        wanted = np.einsum("ni,ni->n", normals, basis @ coefficients) - heights
        design = (normals[:, :, None] * basis[:, None, :]).reshape(len(chosen), -1)
        for _ in range(_REWEIGHTINGS):
            errors = wanted - design @ coefficients.T.ravel()
            spread = max(1.4826 * float(np.median(np.abs(errors))), least)
            cut = max(_FIRST_CUT * 0.5**turn, _CUT * spread)
            weights = np.square(np.clip(1.0 - np.square(errors / cut), 0.0, None))
            scaled = np.sqrt(_INDEPENDENT_SHARE * weights)[:, None] / spread
            rows = scaled * design
            # A product with itself: half the work of one with another matrix.
            factor = cho_factor(rows.T @ rows + precision)
            coefficients = cho_solve(factor, rows.T @ (scaled[:, 0] * wanted)).reshape(3, -1).T
    return coefficients

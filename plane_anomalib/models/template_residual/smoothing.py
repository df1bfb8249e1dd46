"""Averages of signed residuals over neighbours in the same sheet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plane_anomalib.core.cores import in_chunks
from plane_anomalib.geometry.points import FloatArray, IntArray

_CHUNK = 2_048


def smooth_residuals(
    points: FloatArray,
    residuals: FloatArray,
    normals: FloatArray,
    neighbours: IntArray,
    scales: Sequence[int],
    width: float,
) -> FloatArray:
    """Average over the nearest neighbours that lie in the same sheet.

    Signs are kept: noise cancels, a dent does not. Neighbours whose foot on the template is in
    another sheet (the other side of a thin wall, the next face) count little.

    Args:
        points: (N, 3) the points after any displacement.
        residuals: (N,) signed distances.
        normals: (N, 3) along which.
        neighbours: (N, K) indices of the nearest points, each point itself first.
        scales: Numbers of neighbours to average, each at most K.
        width: Height difference of two feet from which on they belong to different sheets.

    Returns:
        (N, len(scales)) float32.
    """
    smoothed = np.empty((len(points), len(scales)), np.float32)
    largest = max(scales)
    feet = points - residuals[:, None] * normals

    def average(part: slice) -> None:
        around = neighbours[part, :largest]
        normal = normals[part]
        cosines = np.einsum("ni,nki->nk", normal, normals[around])
        values = np.copysign(residuals[around], residuals[around] * cosines)
        heights = np.einsum("nki,ni->nk", feet[around] - feet[part, None], normal)
        weights = np.square(np.square(cosines)) * np.exp(-0.5 * np.square(heights / width))
        values *= weights
        for column, scale in enumerate(scales):
            total = np.maximum(weights[:, :scale].sum(1), 1e-12)
            smoothed[part, column] = values[:, :scale].sum(1) / total

    in_chunks(average, len(points), _CHUNK)
    return smoothed

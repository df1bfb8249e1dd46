"""Rows that describe what is normal, and the exact distance of others to the nearest of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from plane_anomalib.core.cores import in_chunks, one_torch_thread
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.models.components.fitted_model import ResizableBuffers

_TREE_DIMENSIONS = 8
"""A kd-tree wins where it can prune: 40 times as fast at 3 dimensions, slower at 33 (FPFH)."""
_MATRIX_ELEMENTS = 2_000_000
"""Approximate distances that a thread holds at once: 8 MB, which the last cache holds."""
_TILE = 16_384
"""Rows compared at once: a few megabytes, read again for each block of queries."""
_DIFFERENCE_ELEMENTS = 4_000_000
_SPARE = 3
"""Candidates beyond the wanted ones, so that rounding rarely leaves the order in doubt."""
_GROUP = 64
_ROUNDING = {"highest": 2.0**-24, "high": 2.0**-11, "medium": 2.0**-8}
"""Unit roundoff of a product of float32 matrices, by torch's setting."""
_RELATIVES = 3


class MemoryBank(ResizableBuffers):
    """A bank of rows.

    Attributes:
        rows: (M, D) float32 buffer; (0, 0) before `fill`.
    """

    rows: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(0, 0))

    def fill(self, rows: Tensor) -> None:
        """Replace the rows.

        Args:
            rows: (M, D) float, at least one.

        Raises:
            ConfigurationError: If the shape is another or a value is not finite.
        """
        if rows.ndim != 2 or not rows.numel():
            raise ConfigurationError(f"A memory bank needs (M, D) rows, not {tuple(rows.shape)}.")
        if not rows.isfinite().all():
            raise ConfigurationError("A memory bank needs finite rows: remove NaN and infinity.")
        self.rows = rows.detach().to(self.rows.device, torch.float32, copy=True).contiguous()

    @torch.no_grad()
    def nearest(self, queries: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
        """Find the `k` nearest rows of each query by Euclidean distance, nearest first.

        Exact: distances are sums of squared differences in float64, rounded once to float32.

        Args:
            queries: (Q, D) float.
            k: How many; fewer where the bank holds less.

        Returns:
            Distances (Q, k') float32 and indices (Q, k') int64, on the bank's device.

        Raises:
            ConfigurationError: If the bank is empty or the queries do not fit it.
        """
        rows = self.rows
        if not len(rows):
            raise ConfigurationError("The memory bank is empty: fit the model or load its state.")
        if queries.ndim != 2 or queries.shape[1] != rows.shape[1] or k < 1:
            msg = f"The memory bank has {rows.shape[1]} columns and takes k >= 1, not queries "
            raise ConfigurationError(msg + f"{tuple(queries.shape)} and k = {k}.")
        queries = queries.detach().to(rows.device, torch.float32)
        k = min(k, len(rows))
        if not len(queries):
            return queries.new_zeros(0, k), torch.zeros(0, k, dtype=torch.int64, device=rows.device)
        if rows.device.type == "cpu" and rows.shape[1] <= _TREE_DIMENSIONS:
            return _by_tree(rows, queries, k)
        return _by_products(rows, queries, k)

    @torch.no_grad()
    def reweighted(self, queries: Tensor, distances: Tensor, indices: Tensor) -> float:
        """Score an object by its largest distance, less where the bank is dense (PatchCore, eq. 7).

        With the largest distance s = ||f - m||, and the two rows n nearest to m besides m itself:
        `(1 - exp(s / sqrt(D)) / sum exp(||f - n|| / sqrt(D))) s`.

        Args:
            queries: (Q, D) float, Q >= 1.
            distances: (Q, k) of `nearest`.
            indices: (Q, k) of `nearest`.

        Returns:
            The score; the largest distance itself where the bank holds one row only.
        """
        index = int(distances[:, 0].argmax())
        largest = float(distances[index, 0])
        match = int(indices[index, 0])
        near = self.nearest(self.rows[match][None], _RELATIVES)[1][0].tolist()
        # A copy of the match may come before it.
        relatives = [row for row in near if row != match][: _RELATIVES - 1]
        if not relatives:
            return largest
        query = queries[index].detach().to(self.rows.device, torch.float64)
        scale = math.sqrt(self.rows.shape[1])
        away = (query - self.rows[relatives].double()).square().sum(1).sqrt() / scale
        weight = 1.0 - math.exp(largest / scale - float(away.logsumexp(0)))
        return weight * largest


def _by_tree(rows: Tensor, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    tree = cKDTree(rows.numpy(), balanced_tree=False)
    wanted = np.arange(1, k + 1)
    distances, indices = tree.query(queries.numpy(), wanted, workers=torch.get_num_threads())
    return torch.from_numpy(distances).float(), torch.from_numpy(indices.astype(np.int64))


def _by_products(rows: Tensor, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Candidates by matrix product, then differences; what rounding leaves open, by brute force."""
    # Near the origin the product loses fewest digits.
    center = rows.mean(0, dtype=torch.float64).float()
    centered = rows - center
    norms = centered.square().sum(1)
    kept = min(k + _SPARE, len(rows))
    rounding = _ROUNDING[torch.get_float32_matmul_precision()]
    # |b|^2 - 2 a b in one product: (a, 1) times (-2 b, |b|^2).
    table = torch.cat([-2 * centered, norms[:, None]], dim=1)
    tiles = [tile.T.contiguous() for tile in table.split(_TILE)]
    # Inference mode is a thread's own: the threads below could not write into its tensors.
    with torch.inference_mode(False):
        distances = torch.empty(len(queries), k, device=rows.device)
        indices = torch.empty(len(queries), k, dtype=torch.int64, device=rows.device)

    def work(part: slice) -> None:
        block = queries[part] - center
        extended = torch.cat([block, block.new_ones(len(block), 1)], dim=1)
        values, found = _candidates(extended, tiles, kept)
        exact, order = _squared(rows, queries[part], found).sort(dim=1, stable=True)
        distances[part] = exact[:, :k].sqrt()
        indices[part] = found.gather(1, order[:, :k])
        if kept == len(rows):
            return
        # No other row is nearer than this; the factor is far above what products were seen to lose.
        size = block.norm(dim=1) + norms.max().sqrt()
        margin = rounding * (8 + math.sqrt(rows.shape[1])) * size.square()
        least = values[:, -1] + block.square().sum(1) - margin
        doubtful = (exact[:, k - 1] > least).nonzero()[:, 0] + part.start
        distances[doubtful], indices[doubtful] = _by_differences(rows, queries[doubtful], k)

    step = max(1, _MATRIX_ELEMENTS // min(_TILE, len(rows)))
    with one_torch_thread() as threads:
        on_device = rows.device.type != "cpu"
        in_chunks(work, len(queries), step, threads=1 if on_device else threads)
    return distances, indices


def _candidates(queries: Tensor, tiles: Sequence[Tensor], k: int) -> tuple[Tensor, Tensor]:
    """The `k` smallest products of each query with the columns of all tiles."""
    parts, first = [], 0
    for tile in tiles:
        values, found = _smallest(queries @ tile, min(k, tile.shape[1]))
        parts.append((values, found + first))
        first += tile.shape[1]
    if len(parts) == 1:
        return parts[0]
    values, found = (torch.cat(each, dim=1) for each in zip(*parts, strict=True))
    nearest = values.topk(k, largest=False)
    return nearest.values, found.gather(1, nearest.indices)


def _smallest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The `k` smallest of each row, smallest first; faster than `topk` on long rows.

    The k smallest lie in the k groups of columns that have the smallest minima.
    """
    num = values.shape[1]
    if num < 2 * _GROUP * k:
        return values.topk(k, largest=False)
    groups = num // _GROUP
    even = values[:, : groups * _GROUP].view(-1, groups, _GROUP)
    best = even.amin(2).topk(k, largest=False, sorted=False).indices
    columns = best[:, :, None] * _GROUP + torch.arange(_GROUP, device=values.device)
    rest = torch.arange(groups * _GROUP, num, device=values.device).expand(len(values), -1)
    columns = torch.cat([columns.flatten(1), rest], dim=1)
    found = values.gather(1, columns).topk(k, largest=False)
    return found.values, columns.gather(1, found.indices)


def _squared(rows: Tensor, queries: Tensor, found: Tensor) -> Tensor:
    """Squared distances (Q, k) float64 to the rows found."""
    step = max(1, _DIFFERENCE_ELEMENTS // (found.shape[1] * rows.shape[1]))
    parts = []
    for block, near in zip(queries.split(step), found.split(step), strict=True):
        gaps = rows[near].double() - block[:, None].double()
        parts.append(gaps.square_().sum(2))
    return torch.cat(parts)


def _by_differences(rows: Tensor, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    step = max(1, _DIFFERENCE_ELEMENTS // len(rows))
    reference, mode = rows.double(), "donot_use_mm_for_euclid_dist"
    distances = queries.new_empty(len(queries), k)
    indices = torch.empty(len(queries), k, dtype=torch.int64, device=rows.device)
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        gaps = torch.cdist(queries[part].double(), reference, compute_mode=mode)
        found = gaps.topk(k, largest=False)
        distances[part], indices[part] = found.values.float(), found.indices
    return distances, indices

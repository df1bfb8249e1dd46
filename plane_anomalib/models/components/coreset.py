"""Few rows that lie near all the others: greedy k-center, exact and fast.

The plain loop reads all rows once per pick. Here a row keeps the distance it had when it was last
looked at, a bound from above. Only the rows with the largest bounds are brought up to date, by one
matrix product with all the rows picked since, and the picking goes on among them for as long as the
farthest is farther than every other row's bound. The picks are those of the plain loop, up to the
rounding of float32 products.
"""

from __future__ import annotations

import math
from contextlib import nullcontext

import torch
from rich.progress import Progress
from torch import Tensor

from plane_anomalib.core.cores import one_torch_thread
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.models.components.recipe import Coreset, Projection

_BLOCK = 2_048
_PRODUCTS = 2_000_000
"""Distances computed at once: 8 MB, which the last cache holds."""
_NEAR_LARGEST = 0.8
"""Candidates are the rows whose bound is at least this share of the largest squared distance."""
_MOST_CANDIDATES = 4_096
"""What one step of the greedy loop looks at: it should stay in the cache."""
_STARTS = 10
"""Random rows whose mean distance begins PatchCore's approximate greedy selection."""
_PROJECTED = 128
_SPARSE_EPS = 0.9


@torch.no_grad()
def greedy_coreset(
    rows: Tensor,
    size: int,
    *,
    seed: int,
    projection: Projection | None = None,
    progress: bool = False,
) -> Tensor:
    """Pick rows one by one, each the farthest from those already picked (Gonzalez, 1985).

    Args:
        rows: (N, D) float, finite, on any device.
        size: How many to pick.
        seed: Of the first pick and of the projection.
        projection: Measure distances after a random projection, see `_projected`, and begin where
            the reference code does; None measures between the rows themselves.
        progress: Show a progress bar.

    Returns:
        (min(size, N),) int64 distinct indices, in the order picked; all if size >= N. Of equal
        rows one is picked, the others only when nothing else is left.

    Raises:
        ConfigurationError: If `rows` is not (N, D) or `size` is not positive.
    """
    if rows.ndim != 2 or not rows.numel():
        raise ConfigurationError(f"A coreset needs (N, D) rows, at least one, not {rows.shape}.")
    if size < 1:
        raise ConfigurationError(f"A coreset has at least one row, not {size}.")
    if size >= len(rows):
        return torch.arange(len(rows), device=rows.device)
    selection = _begun(rows.float(), size, projection, torch.Generator().manual_seed(seed))
    with one_torch_thread(), Progress() if progress else nullcontext() as bar:
        task = bar.add_task("Coreset", total=size) if bar is not None else None
        while selection.picked < size:
            selection.advance()
            if bar is not None and task is not None:
                bar.update(task, completed=selection.picked)
    return selection.indices


def _begun(
    rows: Tensor, size: int, projection: Projection | None, generator: torch.Generator
) -> _Selection:
    """A selection that begins with the row that has the largest mean distance to 10 random ones.

    Without a projection it begins with a random row, after the sparse one with the first.
    """
    space = _projected(rows, projection, generator)
    if projection == "gaussian":
        starts = torch.randperm(len(rows), generator=generator)[:_STARTS].to(rows.device)
        distances = [torch.cdist(part, space[starts]).mean(1) for part in space.split(_BLOCK)]
        return _Selection(space, torch.cat(distances).square_(), size)
    drawn = torch.randint(len(rows), (1,), generator=generator)
    bounds = torch.full((len(rows),), torch.inf, device=rows.device)
    selection = _Selection(space, bounds, size)
    with one_torch_thread():
        selection.pick(0 if projection == "sparse" else int(drawn))
    return selection


def chosen_rows(rows: Tensor, coreset: Coreset, *, seed: int, progress: bool = False) -> Tensor:
    """Pick the rows that a bank keeps, by `greedy_coreset`.

    Args:
        rows: (N, D) float.
        coreset: How many.
        seed: Of everything random.
        progress: Show a progress bar.

    Returns:
        (M,) int64 distinct indices.
    """
    size = coreset.size if coreset.share is None else max(1, int(coreset.share * len(rows)))
    assert size is not None  # noqa: S101 (for the type checker)
    return greedy_coreset(rows, size, seed=seed, projection=coreset.projection, progress=progress)


def _projected(rows: Tensor, projection: Projection | None, generator: torch.Generator) -> Tensor:
    """Centered rows in the space whose distances count, (N, D') float32.

    `"gaussian"` projects to 128 dimensions, as PatchCore's reference code does; `"sparse"`, as
    M3DM's, to as many as the lemma of Johnson and Lindenstrauss asks for at eps = 0.9.
    """
    dim = rows.shape[1]
    center = rows.mean(0, dtype=torch.float64).float()
    if projection is None or (projection == "gaussian" and dim == _PROJECTED):
        return rows - center
    if projection == "gaussian":
        # The reference takes a linear layer as torch initialises it, which is uniform.
        matrix = (torch.rand(dim, _PROJECTED, generator=generator) * 2 - 1) / math.sqrt(dim)
    else:
        matrix = _sparse(len(rows), dim, generator)
    if matrix.shape[1] > dim:
        # The same lengths in fewer numbers: |x A| = |x R'| where A' = Q R.
        matrix = torch.linalg.qr(matrix.T.double())[1].T.float()
    matrix = matrix.to(rows.device)
    return torch.cat([(part - center) @ matrix for part in rows.split(_BLOCK)])


def _sparse(num: int, dim: int, generator: torch.Generator) -> Tensor:
    """Of the entries of the matrix one in sqrt(dim) is not zero (Li et al., 2006)."""
    wanted = 4 * math.log(num) / (_SPARSE_EPS**2 / 2 - _SPARSE_EPS**3 / 3)
    components = max(1, int(wanted))
    density = 1 / math.sqrt(dim)
    signs = torch.randint(0, 2, (dim, components), generator=generator) * 2 - 1
    kept = torch.rand(dim, components, generator=generator) < density
    return signs * kept * math.sqrt(1 / (density * components))


class _Selection:
    """Rows picked so far and what is known of the others."""

    def __init__(self, space: Tensor, bounds: Tensor, size: int) -> None:
        self.space = space
        self.norms = space.square().sum(1)
        # Squared distances to the picks that a row has been compared with, -1 for picked rows.
        self.bounds = bounds
        self.compared = torch.zeros(len(space), dtype=torch.int64, device=space.device)
        self.indices = torch.empty(size, dtype=torch.int64, device=space.device)
        self.centers = space.new_empty(size, space.shape[1])
        self.picked = 0

    def pick(self, index: int | Tensor) -> None:
        """Add a row."""
        self.indices[self.picked] = index
        self.centers[self.picked] = self.space[index]
        self.bounds[index] = -1.0
        self.picked += 1

    def advance(self) -> None:
        """Bring the candidates up to date, then pick among them for as long as that is exact."""
        size = len(self.indices)
        largest = float(self.bounds.max())
        if largest == 0.0:  # only copies of picked rows are left
            rest = (self.bounds == 0).nonzero()[: size - self.picked, 0]
            self.indices[self.picked :] = rest
            self.picked = size
            return
        threshold = _NEAR_LARGEST * largest if math.isfinite(largest) else largest
        candidates = (self.bounds >= threshold).nonzero()[:, 0]
        if len(candidates) > _MOST_CANDIDATES and math.isfinite(largest) and self.picked >= 16:
            values = self.bounds[candidates].topk(_MOST_CANDIDATES).values
            threshold = float(values[-1])
            candidates = candidates[self.bounds[candidates] >= threshold]
        self._compare(candidates)
        self._pick_among(candidates[self.bounds[candidates] >= threshold], threshold)

    def _compare(self, candidates: Tensor) -> None:
        """Make the bounds of candidates their distances to all picks."""
        order = self.compared[candidates].argsort()
        for part in candidates[order].split(max(256, _PRODUCTS // max(self.picked, 1))):
            fresh = self.centers[int(self.compared[part[0]]) : self.picked]
            if not len(fresh):
                continue
            products = torch.addmm(fresh.square().sum(1)[None], self.space[part], fresh.T, alpha=-2)
            nearest = (products.amin(1) + self.norms[part]).clamp_(min=0)
            self.bounds[part] = torch.minimum(self.bounds[part], nearest)
            self.compared[part] = self.picked

    def _pick_among(self, candidates: Tensor, threshold: float) -> None:
        """Pick while the farthest candidate is farther than any row outside can be."""
        if not len(candidates):
            return
        space, norms = self.space[candidates], self.norms[candidates]
        bounds = self.bounds[candidates]
        while self.picked < len(self.indices):
            farthest = int(bounds.argmax())
            if bounds[farthest] < threshold:
                break
            self.pick(candidates[farthest])
            distances = torch.addmv(norms, space, space[farthest], alpha=-2)
            distances += norms[farthest]
            torch.minimum(bounds, distances.clamp_(min=0), out=bounds)
            bounds[farthest] = -1.0
        self.bounds[candidates] = bounds
        self.compared[candidates] = self.picked

"""Groups of neighbouring points for a whole batch, at the speed that training on a GPU needs."""

from __future__ import annotations

import torch
from torch import Tensor

_CANDIDATES = (512, 1024)
"""Centers are picked among four points per group, within these limits."""
_ELEMENTS = 1 << 28
"""Distances held at once: 1 GB."""


@torch.no_grad()
def group(points: Tensor, num_groups: int, group_size: int) -> tuple[Tensor, Tensor]:
    """Choose centers by farthest point sampling and the nearest points of each.

    As `PointTransformer.group`, except that centers are picked among the first points only (four
    per group or so, at least all of a small cloud) and that the points of a group come in any
    order. The first points must be a fair sample.

    Args:
        points: (B, P, 3) float32.
        num_groups: Groups per cloud, at most P.
        group_size: Points per group, at most P.

    Returns:
        Centers (B, G, 3) and the points of each group (B, G, K) int64.
    """
    with torch.autocast(points.device.type, enabled=False):
        least, most = _CANDIDATES
        num = min(points.shape[1], max(least, min(4 * num_groups, most), num_groups))
        chosen = farthest_points(points[:, :num], num_groups)
        centers = points.gather(1, chosen[..., None].expand(-1, -1, 3))
        return centers, nearest_points(points, centers, group_size)


@torch.no_grad()
def farthest_points(points: Tensor, num: int) -> Tensor:
    """Farthest point sampling from index 0, as `geometry.sampling`, by a matrix of distances.

    Four kernels per point picked instead of nine, and none of them waits for another cloud.

    Args:
        points: (B, M, 3) float32, M small: B M M distances are held.
        num: How many to pick, at most M.

    Returns:
        (B, num) int64.
    """
    batch, total, _ = points.shape
    squared = points.square().sum(-1)
    matrix = squared[:, :, None] + squared[:, None]
    matrix = matrix.baddbmm_(points, points.transpose(1, 2), alpha=-2)
    rows = matrix.view(batch * total, total)
    offset = torch.arange(batch, device=points.device) * total
    current = torch.zeros(batch, dtype=torch.int64, device=points.device)
    picked, nearest = [current], matrix[:, 0].clone()
    for _ in range(1, num):
        current = nearest.argmax(1)
        picked.append(current)
        torch.minimum(nearest, rows.index_select(0, current + offset), out=nearest)
    return torch.stack(picked, 1)


@torch.no_grad()
def nearest_points(points: Tensor, centers: Tensor, k: int) -> Tensor:
    """The k nearest points of each center in any order, (B, G, k) int64.

    The squares are expanded, which in float32 and the unit sphere costs 1e-7 of a squared distance
    (a spacing of 0.02 squared is 4e-4).

    Args:
        points: (B, P, 3) float32.
        centers: (B, G, 3) float32.
        k: At most P.
    """
    batch, total, _ = points.shape
    squared = points.square().sum(-1)[:, None]
    transposed = points.transpose(1, 2)
    parts = []
    for block in centers.split(max(1, _ELEMENTS // (batch * total)), 1):
        distances = torch.baddbmm(squared, block, transposed, alpha=-2)
        parts.append(distances.topk(k, -1, largest=False, sorted=False).indices)
    return torch.cat(parts, 1)

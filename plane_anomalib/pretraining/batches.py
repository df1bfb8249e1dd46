"""From planned shapes to a batch of labelled scans with groups, all on the device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from plane_anomalib.generation import scan_batches
from plane_anomalib.generation.defects.batched import DefectSizes, ScanBatch, damage
from plane_anomalib.pretraining.config import DefectsConfig, ViewsConfig
from plane_anomalib.pretraining.pool import ShapePool

_UNCLEAR = 0.1
"""Groups with a smaller share of anomalous points, but not none, are no example of anything."""


@dataclass(frozen=True)
class Batch:
    """Clouds as the encoder sees them.

    Args:
        points: (B, P, 3) float32, centered, in the unit sphere.
        labels: (B, P) bool, anomalous points.
        centers: (B, G, 3), of the groups.
        index: (B, G, K) int64, points of each group.
        share: (B, G), share of anomalous points.
        counted: (B, G) bool, whether that is clear enough to learn from.
        normals: (B, G, 3), mean normal of each group, outward; its length tells how flat it is.
    """

    points: Tensor
    labels: Tensor
    centers: Tensor
    index: Tensor
    share: Tensor
    counted: Tensor
    normals: Tensor


@torch.no_grad()
def make_batch(
    pool: ShapePool,
    shapes: Tensor,
    kinds: Sequence[tuple[str, ...]],
    sizes: tuple[int, int],
    group_size: int,
    configs: tuple[ViewsConfig, DefectsConfig],
    generator: torch.Generator,
) -> Batch:
    """Scan shapes: another specimen, any pose, perhaps one side only, perhaps damaged.

    Args:
        pool: On the device.
        shapes: Which, (B,) int64 on the device.
        kinds: Of each cloud's defects.
        sizes: Points and groups per cloud.
        group_size: Points per group.
        configs: Of views and defects.
        generator: The only source of randomness, on the device.
    """
    num_points, num_groups = sizes
    view = configs[0]
    scan, log_weights = _scan(pool, shapes, num_points, view, generator)
    # Points evenly on a quarter of a sphere's area are so far apart.
    spacing = 1.8 / math.sqrt(num_points)
    defects = DefectSizes(configs[1].patch, configs[1].amplitude, spacing)
    scan = damage(scan, kinds, defects, generator)
    chosen = scan_batches.choose(log_weights, scan.alive, num_points, generator)
    places = chosen[..., None].expand(-1, -1, 3)
    points, normals = scan.points.gather(1, places), scan.normals.gather(1, places)
    labels = scan.label.gather(1, chosen)
    points = scan_batches.sensor_noise(points, normals, view.noise, generator)
    # Only now: a radius that was measured before the damage would tell of it.
    points = scan_batches.unit_sphere(points)
    centers, index = group(points, num_groups, min(group_size, num_points))
    return _grouped(points, normals, labels, centers, index)


def _scan(
    pool: ShapePool, shapes: Tensor, num_points: int, view: ViewsConfig, generator: torch.Generator
) -> tuple[ScanBatch, Tensor]:
    """Undamaged clouds with more points than are needed, and log-weights to choose by."""
    total = pool.points.shape[1]
    num = min(total, max(2048, 3 * num_points))
    columns = scan_batches.columns(total, num, generator)
    points = scan_batches.take(pool.points, shapes, columns)
    normals = F.normalize(scan_batches.take(pool.normals, shapes, columns), dim=-1)
    points, normals = scan_batches.specimen(points, normals, view.stretch, view.warp, generator)
    rotations = scan_batches.random_rotations(len(points), generator)
    points, normals = scan_batches.unit_sphere(points @ rotations), normals @ rotations
    column = (len(points), 1)
    one_sided = scan_batches.uniform((0, 1), column, generator) < view.one_sided
    alive = scan_batches.visible(points, normals) | ~one_sided
    lost = scan_batches.uniform((0, view.thinned), column, generator)
    alive &= scan_batches.uniform((0, 1), tuple(alive.shape), generator) >= lost
    uneven = scan_batches.uniform((0, 1), column, generator) < view.density
    log_weights = scan_batches.density(points, generator) * uneven
    return ScanBatch(points, normals, alive, torch.zeros_like(alive)), log_weights


def _grouped(
    points: Tensor, normals: Tensor, labels: Tensor, centers: Tensor, index: Tensor
) -> Batch:
    flat = index.flatten(1)
    share = labels.gather(1, flat).view(index.shape).float().mean(-1)
    of_groups = normals.gather(1, flat[..., None].expand(-1, -1, 3)).view(*index.shape, 3)
    counted = (share == 0) | (share >= _UNCLEAR)
    return Batch(points, labels, centers, index, share, counted, of_groups.mean(2))


def relative_groups(batch: Batch) -> Tensor:
    """Points of each group about its center in units of its radius, (B, G, K, 3)."""
    flat = batch.index.flatten(1)[..., None].expand(-1, -1, 3)
    groups = batch.points.gather(1, flat).view(*batch.index.shape, 3) - batch.centers[:, :, None]
    radius = groups.norm(dim=-1).amax(-1).clamp_min(1e-4)
    return groups / radius[..., None, None]


def mean_direction(normals: Tensor) -> tuple[Tensor, Tensor]:
    """Direction (..., 3) of mean normals and how curved it is there, (...): 0 is flat."""
    return F.normalize(normals, dim=-1), 1 - normals.norm(dim=-1)


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

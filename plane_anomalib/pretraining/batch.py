"""From planned shapes to a batch of labelled scans with groups, all on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from plane_anomalib.pretraining import views
from plane_anomalib.pretraining.config import DefectsConfig, ViewsConfig
from plane_anomalib.pretraining.defects import Scan, damage
from plane_anomalib.pretraining.grouping import group
from plane_anomalib.pretraining.pool import Pool

_UNCLEAR = 0.1
"""Groups with a smaller share of anomalous points, but not none, are no example of anything."""


@dataclass(frozen=True)
class Batch:
    """Clouds as the encoder sees them.

    Args:
        points: (B, P, 3) float32, centerd, in the unit sphere.
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
    pool: Pool,
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
    scan = damage(scan, kinds, configs[1], num_points, generator)
    chosen = views.choose(log_weights, scan.alive, num_points, generator)
    places = chosen[..., None].expand(-1, -1, 3)
    points, normals = scan.points.gather(1, places), scan.normals.gather(1, places)
    labels = scan.label.gather(1, chosen)
    points = views.sensor_noise(points, normals, view.noise, generator)
    # Only now: a radius that was measured before the damage would tell of it.
    points = views.unit_sphere(points)
    centers, index = group(points, num_groups, min(group_size, num_points))
    return _grouped(points, normals, labels, centers, index)


def _scan(
    pool: Pool, shapes: Tensor, num_points: int, view: ViewsConfig, generator: torch.Generator
) -> tuple[Scan, Tensor]:
    """Undamaged clouds with more points than are needed, and log-weights to choose by."""
    total = pool.points.shape[1]
    num = min(total, max(2048, 3 * num_points))
    columns = views.columns(total, num, generator)
    points = views.take(pool.points, shapes, columns)
    normals = F.normalize(views.take(pool.normals, shapes, columns), dim=-1)
    points, normals = views.specimen(points, normals, view.stretch, view.warp, generator)
    rotations = views.random_rotations(len(points), generator)
    points, normals = views.unit_sphere(points @ rotations), normals @ rotations
    column = (len(points), 1)
    one_sided = views.uniform((0, 1), column, generator) < view.one_sided
    alive = views.visible(points, normals) | ~one_sided
    lost = views.uniform((0, view.thinned), column, generator)
    alive &= views.uniform((0, 1), tuple(alive.shape), generator) >= lost
    uneven = views.uniform((0, 1), column, generator) < view.density
    log_weights = views.density(points, generator) * uneven
    return Scan(points, normals, alive, torch.zeros_like(alive)), log_weights


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

"""Scans of the shapes, whole batches at once on any device: specimens, poses, sides, densities."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

Range = tuple[float, float]
"""Limits of what is drawn, (low, high)."""

_GRID = 40
"""Cells of the depth buffer per side: wider than the spacing of points, or one sees through."""
_DEPTH = 0.1
"""A point this far behind the nearest one of its cell is hidden, in the unit sphere."""


def uniform(limits: Range, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform numbers on the generator's device."""
    low, high = limits
    return low + (high - low) * torch.rand(shape, generator=generator, device=generator.device)


def normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Standard normal numbers on the generator's device."""
    return torch.randn(shape, generator=generator, device=generator.device)


def gumbel(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Standard Gumbel numbers: the k greatest of log-weights plus these are a weighted sample."""
    exponential = torch.empty(shape, device=generator.device).exponential_(generator=generator)
    return -exponential.clamp_min(1e-20).log()


def columns(total: int, num: int, generator: torch.Generator) -> Tensor:
    """A run of `num` of `total` places that begins anywhere, (num,) int64."""
    device = generator.device
    start = torch.randint(total, (1,), generator=generator, device=device)
    return (start + torch.arange(num, device=device)) % total


def take(pool: Tensor, index: Tensor, columns: Tensor) -> Tensor:
    """Some points of chosen shapes.

    Args:
        pool: (S, N, C) float16.
        index: (B,) shapes.
        columns: (M,) points; any run of them is a fair sample of a pooled shape.

    Returns:
        (B, M, C) float32.
    """
    return pool[index[:, None], columns].float()


def stretch(points: Tensor, normals: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
    """Stretch along the axes.

    Args:
        points: (B, N, 3).
        normals: (B, N, 3) unit.
        factors: (B, 3) positive.
    """
    return points * factors[:, None], F.normalize(normals / factors[:, None], dim=-1)


def warp(
    points: Tensor, normals: Tensor, frequencies: Tensor, phases: Tensor, amplitudes: Tensor
) -> tuple[Tensor, Tensor]:
    """Add smooth waves, `x + sum_k a_k sin(w_k . x + p_k)`.

    Normals follow by the cofactors of the derivative, which are its inverse transpose but for
    length.

    Args:
        points: (B, N, 3).
        normals: (B, N, 3) unit.
        frequencies: w, (B, K, 3). The sum of |a| |w| must stay below 1.
        phases: p, (B, K).
        amplitudes: a, (B, K, 3).
    """
    angles = points @ frequencies.transpose(1, 2) + phases[:, None]
    moved = points + angles.sin() @ amplitudes
    slopes = angles.cos()
    columns = []
    for axis in range(3):
        column = slopes @ (amplitudes * frequencies[..., axis : axis + 1])
        column[..., axis] += 1
        columns.append(column)
    first, second, third = columns
    x, y, z = normals.unbind(-1)
    turned = (
        x[..., None] * torch.linalg.cross(second, third)
        + y[..., None] * torch.linalg.cross(third, first)
        + z[..., None] * torch.linalg.cross(first, second)
    )
    return moved, F.normalize(turned, dim=-1)


def specimen(
    points: Tensor,
    normals: Tensor,
    limits: Range,
    amplitude: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Another specimen of each shape: stretched and smoothly warped.

    Args:
        points: (B, N, 3).
        normals: (B, N, 3) unit.
        limits: Factors of the stretch.
        amplitude: Greatest amplitude of the warp.
        generator: The only source of randomness.
    """
    batch = len(points)
    logs = math.log(limits[0]), math.log(limits[1])
    factors = uniform(logs, (batch, 3), generator).exp()
    points, normals = stretch(points, normals, factors)
    waves = 3
    directions = F.normalize(normal((batch, waves, 3), generator), dim=-1)
    frequencies = directions * uniform((1.0, 4.0), (batch, waves, 1), generator)
    strength = amplitude * uniform((0.0, 1.0), (batch, 1, 1), generator)
    amplitudes = strength * F.normalize(normal((batch, waves, 3), generator), dim=-1)
    phases = uniform((0.0, 2 * torch.pi), (batch, waves), generator)
    return warp(points, normals, frequencies, phases, amplitudes)


def random_rotations(batch: int, generator: torch.Generator) -> Tensor:
    """Uniform rotations, (B, 3, 3)."""
    w, x, y, z = F.normalize(normal((batch, 4), generator), dim=-1).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
        2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
        2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, -1).view(batch, 3, 3)


def unit_sphere(points: Tensor) -> Tensor:
    """Clouds (B, N, 3) about their centroid and within the unit sphere."""
    centered = points - points.mean(1, keepdim=True)
    return centered / centered.norm(dim=-1).amax(1).clamp_min(1e-6)[:, None, None]


def visible(points: Tensor, normals: Tensor) -> Tensor:
    """Which points a scanner far away along +z sees.

    A point is seen if its surface looks towards the scanner and no other point of its cell of a
    depth buffer is much nearer.

    Args:
        points: (B, N, 3) in the unit sphere.
        normals: (B, N, 3) unit, outward.

    Returns:
        (B, N) bool.
    """
    cells = ((points[..., :2] + 1) * (_GRID / 2)).long().clamp(0, _GRID - 1)
    cell = cells[..., 0] * _GRID + cells[..., 1]
    facing = normals[..., 2] > 0.05
    depth = -points[..., 2]
    buffer = torch.full((len(points), _GRID * _GRID), torch.inf, device=points.device)
    # What looks away can hide nothing that its own front does not hide already.
    buffer.scatter_reduce_(1, cell, depth.masked_fill(~facing, torch.inf), "amin")
    return facing & (depth <= buffer.gather(1, cell) + _DEPTH)


def density(points: Tensor, generator: torch.Generator) -> Tensor:
    """Log-weights (B, N) of a density that changes across the cloud or around a place."""
    batch = len(points)
    direction = F.normalize(normal((batch, 1, 3), generator), dim=-1)
    along = (points * direction).sum(-1)
    around = -(points - 0.8 * direction).square().sum(-1)
    local = uniform((0.0, 1.0), (batch, 1), generator) < 0.5
    strength = uniform((0.3, 2.0), (batch, 1), generator)
    return strength * torch.where(local, around, along)


def choose(log_weights: Tensor, alive: Tensor, num: int, generator: torch.Generator) -> Tensor:
    """Choose points at random by weight, each once unless too few are alive.

    Args:
        log_weights: (B, N).
        alive: (B, N) bool, which may be chosen.
        num: How many, at most N.
        generator: The only source of randomness.

    Returns:
        (B, num) int64; any first part of it is a sample by weight as well.
    """
    scores = log_weights + gumbel(tuple(log_weights.shape), generator)
    order = scores.masked_fill(~alive, -torch.inf).topk(num, sorted=True).indices
    count = alive.sum(1, keepdim=True).clamp(1, num)
    places = torch.arange(num, device=order.device)[None] % count
    return order.gather(1, places)


def sensor_noise(
    points: Tensor, normals: Tensor, limits: Range, generator: torch.Generator
) -> Tensor:
    """Move points along their normal, and a third as much across it.

    Args:
        points: (B, P, 3).
        normals: (B, P, 3) unit.
        limits: Standard deviation, small ones more frequent.
        generator: The only source of randomness.
    """
    batch, num, _ = points.shape
    low, high = limits
    deviation = low + (high - low) * uniform((0.0, 1.0), (batch, 1, 1), generator).square()
    along = normal((batch, num, 1), generator) * normals
    return points + deviation * (along + normal((batch, num, 3), generator) / 3)

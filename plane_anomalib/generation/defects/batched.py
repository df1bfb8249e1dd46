"""Pseudo-anomalies on the device, a whole batch at once.

What `point_defects` does cloud by cloud on the CPU, in one form for all kinds: a center among the
points that are left, a support around it in the local frame, a height over the support and a
direction; besides points that are lost. Lengths are in the unit sphere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from plane_anomalib.generation.defects.profiles import (
    BATCHED_KINDS,
    crater,
    distance_to_path,
    falloff,
    flattened,
    fracture,
    groove,
    ripple,
    uneven,
    walk,
)
from plane_anomalib.generation.scan_batches import Range, gumbel, normal, uniform

_RIM = 1.25
"""Surviving points within so many radii of a hole are its label."""
_MOVED = 0.15
"""Share of a defect's amplitude, and ..."""
_LEAST = 0.004
"""... the displacement beyond which a point counts as anomalous."""
_STEPS = 16
_TURN = (0.0, 2 * math.pi)
_FALLOFFS = ("cosine", "gaussian", "quartic", "plateau")
_PROBE = 1024
"""Points from which the size of a patch is read."""


@dataclass(frozen=True)
class ScanBatch:
    """A batch of clouds in the making.

    Args:
        points: (B, N, 3).
        normals: (B, N, 3) unit, outward; of the undamaged surface.
        alive: (B, N) bool, what is seen and not lost.
        label: (B, N) bool, what is anomalous.
    """

    points: Tensor
    normals: Tensor
    alive: Tensor
    label: Tensor


@dataclass(frozen=True)
class DefectSizes:
    """How large defects are; lengths in the unit sphere.

    Args:
        patch: Share of the points that are left, (low, high), log-uniform.
        amplitude: Greatest displacement, (low, high), log-uniform.
        spacing: Between the points that will be chosen of each cloud: nothing is finer.
    """

    patch: Range
    amplitude: Range
    spacing: float


@dataclass(frozen=True)
class _PatchFrames:
    """Local frames: coordinates (B, N) along two tangents and the normal, and a radius (B, 1)."""

    u: Tensor
    v: Tensor
    w: Tensor
    front: Tensor
    radius: Tensor
    outward: Tensor
    tangent: Tensor


def damage(
    scan: ScanBatch,
    kinds: Sequence[tuple[str, ...]],
    sizes: DefectSizes,
    generator: torch.Generator,
) -> ScanBatch:
    """Give each cloud its defects.

    Args:
        scan: The undamaged clouds.
        kinds: Of each cloud's defects, up to two.
        sizes: Of the defects.
        generator: The only source of randomness.
    """
    for turn in range(max((len(row) for row in kinds), default=0)):
        rows = [row for row, of in enumerate(kinds) if len(of) > turn]
        # Rows without a defect are left out of the work: the host knows them.
        where = _on(np.array(rows, np.int64), scan.points)
        part = ScanBatch(
            *(getattr(scan, name)[where] for name in ("points", "normals", "alive", "label"))
        )
        numbers = [BATCHED_KINDS.index(kinds[row][turn]) for row in rows]
        done = _damage_once(part, numbers, sizes, generator)
        scan = ScanBatch(
            scan.points.index_copy(0, where, done.points),
            scan.normals,
            scan.alive.index_copy(0, where, done.alive),
            scan.label.index_copy(0, where, done.label),
        )
    return replace(scan, label=scan.label & scan.alive)


def _damage_once(
    scan: ScanBatch,
    numbers: Sequence[int],
    sizes: DefectSizes,
    generator: torch.Generator,
) -> ScanBatch:
    kind = _on(np.array(numbers, np.int64), scan.points)[:, None]
    patch = _find_patch(scan, sizes.patch, generator)
    amplitude = _log_uniform(sizes.amplitude, (len(kind), 1), generator)
    # Nothing stands out further than about as wide as it is.
    amplitude = torch.minimum(amplitude, (0.8 * patch.radius).clamp_min(sizes.amplitude[0]))
    height, q = _height(kind, patch, amplitude, generator)
    lost = _is(kind, "hole") & (q < 1) & patch.front
    rim = _is(kind, "hole") & (q < _RIM) & patch.front
    if BATCHED_KINDS.index("broken") in numbers:
        gone, edge = _break_off(scan, generator)
        lost |= _is(kind, "broken") & gone
        rim |= _is(kind, "broken") & edge
    paths = [
        row for row, number in enumerate(numbers) if BATCHED_KINDS[number] in ("scratch", "crack")
    ]
    if paths:
        where = _on(np.array(paths, np.int64), scan.points)
        carved, split = _carve(
            kind[where], _rows(patch, where), amplitude[where], sizes.spacing, generator
        )
        height = height.index_copy(0, where, carved)
        lost = lost.index_copy(0, where, split)
    # What would take more than half of what is left is not done.
    few = (2 * (lost & scan.alive).sum(1) < scan.alive.sum(1))[:, None]
    lost, rim = lost & few, rim & few
    height = height * patch.front
    moved = scan.points + height[..., None] * _direction(kind, patch, generator)
    threshold = (_MOVED * amplitude).clamp_min(_LEAST)
    label = scan.label | (height.abs() > threshold) | rim
    return ScanBatch(moved, scan.normals, scan.alive & ~lost, label)


def _height(
    kind: Tensor, patch: _PatchFrames, amplitude: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Signed height of every kind but the paths, and the distance in units of the support."""
    batch = (len(kind), 1)
    long = _is(kind, "ridge", "trench")
    aspect = torch.where(
        long, uniform((3.0, 6.0), batch, generator), uniform((1.0, 2.0), batch, generator)
    ).sqrt()
    wide = torch.hypot(patch.u / aspect, patch.v * aspect) / patch.radius
    # Deep below or above the patch is another part of the surface.
    q = torch.hypot(wide, 0.6 * patch.w / patch.radius)
    around = torch.atan2(patch.v, patch.u)
    phases = uniform(_TURN, (len(kind), 2), generator)
    q = torch.where(_is(kind, "hole"), q / uneven(around, phases), q)
    which = torch.randint(len(_FALLOFFS), batch, generator=generator, device=kind.device)
    plain = torch.zeros_like(q)
    for number, name in enumerate(_FALLOFFS):
        plain = torch.where(which == number, falloff(name, q), plain)
    flat = flattened(patch.w / amplitude, uniform((0.2, 1.0), batch, generator))
    crests, phase = uniform((1.5, 4.0), batch, generator), uniform(_TURN, batch, generator)
    height = torch.where(_is(kind, "bulge", "ridge", "shear"), plain, 0.0)
    height = torch.where(_is(kind, "dent", "trench"), -plain, height)
    height = torch.where(_is(kind, "crater"), crater(q), height)
    height = torch.where(_is(kind, "ripple"), 0.6 * ripple(q, crests, phase), height)
    height = torch.where(_is(kind, "lump"), _rough(q, generator), height)
    height = torch.where(_is(kind, "flat_spot"), flat * (wide < 1) * (q < 1.3), height)
    return height * amplitude, q


def _rough(q: Tensor, generator: torch.Generator) -> Tensor:
    """A lump with noise of its own on each point, over the distance in units of the support."""
    grain = normal(tuple(q.shape), generator).clamp(-2, 2)
    raised = uniform((-0.2, 0.6), (len(q), 1), generator)
    return (raised + 0.4 * grain) * falloff("plateau", q)


def _direction(kind: Tensor, patch: _PatchFrames, generator: torch.Generator) -> Tensor:
    """Unit directions (B, 1, 3): outward, oblique for half of the dents and bulges, or along."""
    batch = (len(kind), 1)
    tilt = uniform((0.0, math.pi / 4), batch, generator)
    oblique = uniform((0.0, 1.0), batch, generator) < 0.5
    tilt = torch.where(_is(kind, "bulge", "dent", "crater", "lump") & oblique, tilt, 0.0)
    tilt = torch.where(_is(kind, "shear"), math.pi / 2, tilt)
    direction = tilt.cos() * patch.outward + tilt.sin() * patch.tangent
    return direction[:, None]


def _find_patch(scan: ScanBatch, share: Range, generator: torch.Generator) -> _PatchFrames:
    """A center among the points that are left, and a radius that holds a share of them."""
    batch, num, _ = scan.points.shape
    draws = gumbel((batch, num), generator).masked_fill(~scan.alive, -torch.inf)
    rows = torch.arange(batch, device=draws.device)
    center = draws.argmax(1)
    offset = scan.points - scan.points[rows, center][:, None]
    squared = offset.square().sum(-1)
    probe = min(_PROBE, num)
    nearest = squared[:, :probe].masked_fill(~scan.alive[:, :probe], torch.inf).sort(1).values
    count = scan.alive[:, :probe].sum(1, keepdim=True)
    wanted = _log_uniform(share, (batch, 1), generator) * count
    place = wanted.long().clamp(min=2, max=probe - 1)
    radius = nearest.gather(1, torch.minimum(place, (count - 1).clamp_min(0))).sqrt()
    radius = radius.nan_to_num(0.1, posinf=0.1).clamp(0.03, 0.6)
    # The patch has its own surface: the other wall of a thin shell looks the other way.
    same_side = (scan.normals * scan.normals[rows, center][:, None]).sum(-1) > 0
    weight = ((squared < radius.square()) & same_side).float()
    outward = F.normalize((weight[..., None] * scan.normals).sum(1), dim=-1)
    tangent = F.normalize(torch.linalg.cross(outward, normal((batch, 3), generator)), dim=-1)
    other = torch.linalg.cross(outward, tangent)
    u, v, w = (offset @ torch.stack((tangent, other, outward), -1)).unbind(-1)
    both = uniform((0.0, 1.0), (batch, 1), generator) < 0.2
    front = ((scan.normals * outward[:, None]).sum(-1) > -0.1) | (both & (w.abs() < radius))
    return _PatchFrames(u, v, w, front, radius, outward, tangent)


def _break_off(scan: ScanBatch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """What lies beyond a rough plane, and the rim of the break."""
    batch, num, _ = scan.points.shape
    direction = F.normalize(normal((batch, 3, 1), generator), dim=1)
    beyond = (scan.points @ direction).squeeze(-1)
    probe = min(_PROBE, num)
    ordered = beyond[:, :probe].masked_fill(~scan.alive[:, :probe], -torch.inf).sort(1).values
    count = scan.alive[:, :probe].sum(1, keepdim=True)
    share = uniform((0.03, 0.2), (batch, 1), generator)
    place = (probe - 1 - (share * count).long()).clamp(0, probe - 1)
    beyond = beyond - ordered.gather(1, place)
    waves = normal((batch, 3, 3), generator)
    waves = F.normalize(waves, dim=1) * uniform((5.0, 20.0), (batch, 1, 3), generator)
    phase = uniform(_TURN, (batch, 1, 3), generator)
    beyond = beyond + fracture(scan.points, waves, phase, 0.012)
    gone = beyond > 0
    return gone, ~gone & (beyond > -uniform((0.03, 0.07), (batch, 1), generator))


def _carve(
    kind: Tensor, patch: _PatchFrames, amplitude: Tensor, spacing: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Height of scratches and cracks, and what a crack loses."""
    batch = (len(kind), 1)
    crack = _is(kind, "crack")
    length = uniform((0.3, 1.1), batch, generator)
    wander = torch.where(crack, math.radians(28), math.radians(4))
    path = walk(wander * normal((len(kind), _STEPS), generator), length)
    path = path - path[:, _STEPS // 2 : _STEPS // 2 + 1]
    distance, along = distance_to_path(patch.u, patch.v, path)
    width = uniform((0.012, 0.05), batch, generator).clamp_min(spacing)
    near = patch.w.abs() < 0.5 * length
    cut = torch.where(
        crack, groove(distance, along, width, "linear"), groove(distance, along, width)
    )
    depth = amplitude.clamp(0.015, 0.08)
    gape = uniform((0.0, 1.0), tuple(distance.shape), generator) < 0.5
    lost = crack & (distance < 0.5 * width) & near & patch.front & gape
    return -depth * cut * near, lost


def _is(kind: Tensor, *names: str) -> Tensor:
    """Where the kind (B, 1) is one of these, (B, 1) bool."""
    found = kind == BATCHED_KINDS.index(names[0])
    for name in names[1:]:
        found = found | (kind == BATCHED_KINDS.index(name))
    return found


def _rows(patch: _PatchFrames, where: Tensor) -> _PatchFrames:
    return _PatchFrames(
        *(getattr(patch, name)[where] for name in _PatchFrames.__dataclass_fields__)
    )


def _log_uniform(limits: Range, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return uniform((math.log(limits[0]), math.log(limits[1])), shape, generator).exp()


def _on(array: np.ndarray, like: Tensor) -> Tensor:
    """A small array on the device, without waiting for it."""
    tensor = torch.from_numpy(array)
    if like.device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(like.device, non_blocking=True)

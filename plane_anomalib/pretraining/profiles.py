"""How far a defect moves the surface, over the local coordinates of its patch."""

from __future__ import annotations

import torch
from torch import Tensor

from plane_anomalib.pretraining.views import normal, uniform

_STEPS = 16


def falloff(q: Tensor, which: Tensor) -> Tensor:
    """One of four kernels per cloud: 1 in the middle, 0 from `q = 1` on.

    Args:
        q: Distance from the center in units of the support, (B, N).
        which: 0 cosine, 1 Gaussian, 2 polynomial, 3 hard, (B, 1).
    """
    inside = q < 1
    cosine = 0.5 + 0.5 * (torch.pi * q.clamp(max=1)).cos()
    gauss = (-4.5 * q.square()).exp()
    poly = (1 - q.square()).clamp_min(0).square()
    # A plateau with a steep edge; a vertical wall would leave no point on it.
    hard = ((1 - q) / 0.2).clamp(0, 1)
    kernel = torch.where(which == 0, cosine, torch.where(which == 1, gauss, poly))
    return torch.where(which == 3, hard, kernel) * inside


def crater(q: Tensor) -> Tensor:
    """A pit with a raised rim."""
    pit = -(1 - (q / 0.75).square()).clamp_min(0)
    rim = 0.45 * (-((q - 0.85) / 0.14).square()).exp()
    return (pit + rim) * (q < 1.3)


def ripple(q: Tensor, generator: torch.Generator) -> Tensor:
    """Concentric waves that die away."""
    batch = (len(q), 1)
    crests = uniform((1.5, 4.0), batch, generator)
    phase = uniform((0.0, 2 * torch.pi), batch, generator)
    envelope = 0.5 + 0.5 * (torch.pi * q.clamp(max=1)).cos()
    return 0.6 * envelope * (2 * torch.pi * crests * q + phase).cos()


def rough(q: Tensor, generator: torch.Generator) -> Tensor:
    """A lump with noise of its own on each point."""
    grain = normal(tuple(q.shape), generator).clamp(-2, 2)
    raised = uniform((-0.2, 0.6), (len(q), 1), generator)
    return (raised + 0.4 * grain) * falloff(q, torch.full_like(q[:, :1], 3))


def walk_distance(
    u: Tensor, v: Tensor, length: Tensor, wander: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Distance to a random walk through the middle of the patch, and the position along it.

    Args:
        u: First tangential coordinate, (R, N).
        v: Second.
        length: Of the walk, (R, 1).
        wander: Standard deviation of the change of heading per step in radians, (R, 1).
        generator: The only source of randomness.

    Returns:
        Distance (R, N) and position (R, N) from 0 to 1.
    """
    heading = (wander * normal((len(u), _STEPS), generator)).cumsum(1)
    # Pulled back to its first direction: a walk, not a ball of wool.
    share = torch.arange(_STEPS, device=u.device) / (_STEPS - 1)
    heading = heading - share * heading[:, -1:]
    steps = torch.stack((heading.cos(), heading.sin()), -1) * (length / _STEPS)[..., None]
    path = torch.cat((torch.zeros_like(steps[:, :1]), steps.cumsum(1)), 1)
    path = path - path[:, _STEPS // 2 : _STEPS // 2 + 1]
    nearest, along = torch.full_like(u, torch.inf), torch.zeros_like(u)
    for step in range(_STEPS):
        du, dv = u - path[:, step, 0, None], v - path[:, step, 1, None]
        eu, ev = steps[:, step, 0, None], steps[:, step, 1, None]
        place = ((du * eu + dv * ev) / (eu * eu + ev * ev)).clamp(0, 1)
        squared = (du - place * eu).square() + (dv - place * ev).square()
        along = torch.where(squared < nearest, (step + place) / _STEPS, along)
        nearest = torch.minimum(nearest, squared)
    return nearest.sqrt(), along

"""What tests of batched defects and scans share."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture
def sphere() -> tuple[torch.Tensor, torch.Tensor]:
    """Four spheres of 4,000 points: points and normals, which are the same, (4, 4000, 3)."""
    generator = torch.Generator().manual_seed(1)
    points = torch.randn(4, 4000, 3, generator=generator)
    points = points / points.norm(dim=-1, keepdim=True)
    return points, points.clone()

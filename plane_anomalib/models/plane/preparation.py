"""What PLANE takes from the training data before its first step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from plane_anomalib.data.clouds import Draw
from plane_anomalib.data.dataset import PointCloudDataset
from plane_anomalib.geometry.points import UnitSphere, unit_sphere
from plane_anomalib.models.plane.inputs import Frame

_VIEWS = 24


def category_frames(data: PointCloudDataset) -> dict[str, Frame]:
    """Center and radius of each category, the mean over its training clouds.

    Args:
        data: The training clouds.
    """
    return {
        category: _frame([unit_sphere(item.points.numpy()) for item in items])
        for category, items in data.by_category()
    }


def _frame(spheres: Sequence[UnitSphere]) -> Frame:
    return Frame(
        np.mean([sphere.center for sphere in spheres], 0).astype(np.float32),
        float(np.mean([sphere.scale for sphere in spheres])),
    )


def sample_features(data: PointCloudDataset, seed: int) -> Tensor:
    """Features of some training views, `(N, C)`, the same for the same seed.

    Args:
        data: The training clouds, their transform set.
        seed: Chooses the views' defects.
    """
    rows = np.linspace(0, len(data) - 1, _VIEWS).astype(int)
    # Epochs count up from 0: these draws are none that training will see.
    views = [data[Draw(int(row), epoch=2**32 + seed, repeat=i)] for i, row in enumerate(rows)]
    return torch.cat([view.features for view in views if view.features is not None])

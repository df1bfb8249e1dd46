"""From a normal training cloud to a view with a synthetic defect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from plane_anomalib.data.point_cloud import PointCloudItem
from plane_anomalib.geometry.normalise import unit_sphere
from plane_anomalib.models.plane.inputs import InputSettings
from plane_anomalib.synthesis.base import AnomalyTransform


@dataclass(frozen=True)
class TrainingView:
    """The transform of PLANE's training clouds; runs in the loader's workers.

    The defect is made on the full cloud, which is renormalised after it (otherwise the radius
    gives the label away), and then some of its points are shown.

    Attributes:
        inputs: What PLANE sees of a cloud.
        synthesis: Makes the defect.
        extra_points: Further points, from the defect where there is one, that the loss sees and
            the encoder does not: seen, their density would give the defect away.
    """

    inputs: InputSettings
    synthesis: AnomalyTransform
    extra_points: int = 0

    def __call__(self, item: PointCloudItem, generator: np.random.Generator) -> PointCloudItem:
        """Corrupt and cut.

        Args:
            item: A normal cloud of any size.
            generator: The only source of randomness.

        Returns:
            `inputs.num_points` points in the unit sphere and then the extra ones, with labels and
            geometry channels.
        """
        cloud = self.synthesis(item.points.numpy(), generator)
        mask, unit = cloud.mask, unit_sphere(cloud.points).points
        chosen = self._choose(mask, generator)
        view = self.inputs.view(unit, chosen)
        return PointCloudItem(
            points=torch.from_numpy(view.points),
            features=torch.from_numpy(view.features),
            gt_mask=torch.from_numpy(mask[chosen]),
            gt_label=torch.tensor(bool(mask.any())),
            category=item.category,
            path=item.path,
            defect=item.defect,
        )

    def _choose(
        self, mask: NDArray[np.bool_], generator: np.random.Generator
    ) -> NDArray[np.int64]:
        seen = np.resize(generator.permutation(len(mask)), self.inputs.num_points)
        pool = np.flatnonzero(mask) if mask.any() else np.arange(len(mask))
        return np.concatenate([seen, generator.choice(pool, self.extra_points)])

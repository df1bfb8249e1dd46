"""From a normal training cloud to views of it with a synthetic defect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from plane_anomalib.data.point_cloud import PointCloudItem
from plane_anomalib.generation.defects.corruption import (
    AnomalyTransform,
    RotationMode,
    random_rotation,
)
from plane_anomalib.generation.scans import another_specimen, nearly_registered
from plane_anomalib.models.plane.inputs import Frame, InputSettings
from plane_anomalib.models.plane.template_context import Rehearsal


@dataclass(frozen=True)
class TrainingView:
    """The transform of PLANE's training clouds; runs in the loader's workers.

    The defect is made on the full cloud, which is renormalised after it (otherwise the radius
    gives the label away), and then some of its points are shown: to damage and to measure a cloud
    costs several times what a view of it does.

    Attributes:
        inputs: What PLANE sees of a cloud.
        synthesis: Makes the defect.
        views: How many views of the same damaged cloud, of different points as far as it has them.
        extra_points: Further points of each view, from the defect where there is one, that the loss
            sees and the encoder does not: seen, their density would give the defect away.
        frames: Where the clouds of each category lie, if they all lie the same way.
        rehearsals: By path of a training cloud, what measures it as a new specimen; that cloud is
            used in place of the item's.
        rotation: Of clouds with a rehearsal, after they were measured.
    """

    inputs: InputSettings
    synthesis: AnomalyTransform
    views: int = 1
    extra_points: int = 0
    frames: Mapping[str, Frame] = field(default_factory=dict)
    rehearsals: Mapping[str, Rehearsal] = field(default_factory=dict)
    rotation: RotationMode = "none"

    def __call__(self, item: PointCloudItem, generator: np.random.Generator) -> PointCloudItem:
        """Corrupt and cut.

        Args:
            item: A normal cloud of any size.
            generator: The only source of randomness.

        Returns:
            For each view `inputs.num_points` points in the unit sphere and then the extra ones,
            with labels and geometry channels.
        """
        rehearsal = self.rehearsals.get(item.path)
        if rehearsal is None:
            normal = item.points.numpy()
        else:
            deviation = float(rehearsal.detector.deviation)
            normal = another_specimen(rehearsal.cloud, deviation, generator)
        cloud = self.synthesis(normal, generator)
        mask, points = cloud.mask, cloud.points
        chosen = self._choose(mask, generator)
        context = None
        if rehearsal is not None:
            detector = rehearsal.detector
            laid = points if bool(detector.posed) else nearly_registered(points, generator)
            context = detector.context(laid, in_place=True)[chosen]
            if self.rotation != "none":
                points = points @ random_rotation(self.rotation, generator).T
        view = self.inputs.view(points, chosen, self.frames.get(item.category), context)
        return PointCloudItem(
            points=torch.from_numpy(view.points),
            features=torch.from_numpy(view.features),
            gt_mask=torch.from_numpy(mask[chosen]),
            gt_label=torch.tensor(bool(mask.any())),
            category=item.category,
            path=item.path,
            defect=item.defect,
        )

    def _choose(self, mask: NDArray[np.bool_], generator: np.random.Generator) -> NDArray[np.int64]:
        size = (self.views, self.inputs.num_points)
        seen = np.resize(generator.permutation(len(mask)), size)
        pool = np.flatnonzero(mask) if mask.any() else np.arange(len(mask))
        extra = generator.choice(pool, (self.views, self.extra_points))
        return np.concatenate([seen, extra], axis=1).ravel()

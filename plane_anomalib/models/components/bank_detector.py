"""A detector made of memory banks: BTF, PatchCore, M3DM and Reg3DAD differ in its parts only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from plane_anomalib.backbones.encoders import create_point_encoder
from plane_anomalib.backbones.point_transformer import PointTransformer
from plane_anomalib.geometry.neighbours import interpolate_to_points
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.models.components.alignment import Centered, Registered
from plane_anomalib.models.components.coreset import chosen_rows
from plane_anomalib.models.components.descriptors import (
    Coordinates,
    Described,
    Descriptor,
    Fpfh,
    TransformerFeatures,
)
from plane_anomalib.models.components.fitted_model import CloudAligner, CloudDetector, FittedModel
from plane_anomalib.models.components.memory_bank import MemoryBank
from plane_anomalib.models.components.recipe import (
    BankConfig,
    Coreset,
    DescriptorName,
    Fusion,
    ObjectScore,
    Recipe,
)
from plane_anomalib.models.components.scores import CloudScores

_LONG = 100_000
"""Rows from which on picking a coreset takes long enough to show how far it is."""


@dataclass(frozen=True, eq=False)
class Branch:
    """One memory bank and what it is filled with.

    Attributes:
        descriptor: Makes the rows.
        coreset: Which rows are kept; None keeps all.
        neighbours: Described places that share in the score of a point between them: 1 takes the
            nearest's.
    """

    descriptor: Descriptor
    coreset: Coreset | None = None
    neighbours: int = 3


class BankDetector(CloudDetector):
    """Scores a point by the distance of its descriptor to the nearest one of normal clouds.

    Args:
        branches: The banks; the scores of several are brought to one scale and averaged.
        object_score: `"max"` of the distances, or `"reweighted"` as in PatchCore (eq. 7).
        fusion: What says how large the scores of a branch usually are: `"training"`, the distances
            of each normal cloud to the rows of the others (mean 0, deviation 1), or `"test"`, the
            least and largest of the test set (0 to 1), as the reference code does; those must be
            observed before.
        seed: Of the coreset.
    """

    def __init__(
        self,
        branches: Sequence[Branch],
        *,
        object_score: ObjectScore,
        fusion: Fusion = "training",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.branches = tuple(branches)
        self.object_score = object_score
        self.fusion = fusion
        self.seed = seed
        self.banks = nn.ModuleList(MemoryBank() for _ in branches)
        self.scale: Tensor
        # Per branch, of points and of objects: what is subtracted, what divides.
        self.register_buffer("scale", torch.tensor([0.0, 1.0]).repeat(len(branches), 2, 1))

    def fit(self, clouds: Sequence[FloatArray]) -> None:
        """Fill the banks."""
        for index, branch in enumerate(self.branches):
            describe = branch.descriptor
            described = [describe(cloud, fitting=True) for cloud in clouds]
            rows = torch.cat([values for _, values in described])
            owners = torch.cat([torch.full((len(d.values),), i) for i, d in enumerate(described)])
            if branch.coreset is not None:
                long = len(rows) > _LONG
                kept = chosen_rows(rows, branch.coreset, seed=self.seed, progress=long)
                rows, owners = rows[kept], owners[kept]
            self._bank(index).fill(rows)
            if len(self.branches) > 1 and self.fusion == "training":
                self.scale[index] = _training_scale(described, rows, owners)

    def forward(self, cloud: FloatArray) -> CloudScores:
        """See `CloudDetector`."""
        found = self._branch_scores(cloud)
        if len(found) == 1:
            return found[0]
        low, width = self.scale.cpu().numpy().transpose(2, 1, 0)
        maps = np.stack([scores.anomaly_map for scores in found], 1)
        objects = np.array([scores.pred_score for scores in found])
        return CloudScores(
            ((maps - low[0]) / width[0]).mean(1, dtype=np.float32),
            float(((objects - low[1]) / width[1]).mean()),
        )

    def _bank(self, index: int) -> MemoryBank:
        return cast("MemoryBank", self.banks[index])

    def _branch_scores(self, cloud: FloatArray) -> list[CloudScores]:
        found = []
        for index, branch in enumerate(self.branches):
            bank = self._bank(index)
            described = branch.descriptor(cloud, fitting=False)
            distances, indices = bank.nearest(described.values)
            score = (
                bank.reweighted(described.values, distances, indices)
                if self.object_score == "reweighted"
                else float(distances.max())
            )
            values = distances[:, 0].cpu().numpy()
            spread = interpolate_to_points(described.places, values, cloud, branch.neighbours)
            found.append(CloudScores(spread, score))
        return found

    @property
    def transductive(self) -> bool:
        """Whether the scale of the branches comes from the test set."""
        return self.fusion == "test" and len(self.branches) > 1

    def observe(self, clouds: Iterable[FloatArray]) -> None:
        """Take the least and the largest score of each branch over these clouds for its scale."""
        found = [self._branch_scores(cloud) for cloud in clouds]
        for index in range(len(self.branches)):
            maps = np.concatenate([scores[index].anomaly_map for scores in found])
            objects = np.array([scores[index].pred_score for scores in found])
            for level, values in enumerate((maps, objects)):
                low, high = float(values.min()), float(values.max())
                self.scale[index, level] = torch.tensor([low, max(high - low, 1e-12)])


def _training_scale(described: Sequence[Described], rows: Tensor, owners: Tensor) -> Tensor:
    """Mean and deviation of the distances of normal clouds to the rows of the others, `(2, 2)`."""
    bank, distances = MemoryBank(), []
    for index, (_, values) in enumerate(described):
        others = rows[owners != index] if len(described) > 1 else rows
        if len(others):
            bank.fill(others)
            distances.append(bank.nearest(values[:2048])[0][:, 0])
    known = torch.cat(distances) if distances else torch.zeros(1)
    deviation = float(known.std()) if len(known) > 1 else 0.0
    return torch.tensor([float(known.mean()), deviation or 1.0]).expand(2, 2)


def compose(config: BankConfig, encoder: PointTransformer | None = None) -> FittedModel:
    """Make a method of memory banks.

    Args:
        config: All choices.
        encoder: The point transformer, where the config wants one; by default the one it names.

    Raises:
        WeightsError: The encoder's weights are missing or damaged.
    """
    recipe = config.recipe()
    if encoder is None and recipe.backbone is not None:
        encoder = create_point_encoder(recipe.backbone)
    branches = [
        Branch(described(name, recipe, encoder), recipe.coreset, recipe.neighbours)
        for name in recipe.descriptors
    ]
    make = partial(
        BankDetector,
        branches,
        object_score=recipe.object_score,
        fusion=recipe.fusion,
        seed=config.seed,
    )
    align: Callable[[], CloudAligner] = partial(Centered, unit=recipe.unit)
    if recipe.registration is not None:
        align = partial(Registered, recipe.registration, unit=recipe.unit, seed=config.seed)
    return FittedModel(make, align, scope=config.scope, encoder=encoder)


def described(name: DescriptorName, recipe: Recipe, encoder: PointTransformer | None) -> Descriptor:
    """The descriptor that a recipe has by this name."""
    if name == "transformer":
        assert encoder is not None  # noqa: S101 (for the type checker)
        return TransformerFeatures(
            encoder,
            num_groups=recipe.num_groups,
            group_size=recipe.group_size,
            layers=recipe.layers,
            most_points=recipe.most_points,
            training_mode=recipe.training_mode,
        )
    if name == "coordinates":
        return Coordinates(recipe.fit, recipe.query)
    return Fpfh(
        recipe.fit,
        recipe.query,
        normal_radius=recipe.normal_radius,
        radius=recipe.radius,
        oriented=recipe.oriented,
    )

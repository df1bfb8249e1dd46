"""ProceduralShapes: the built-in dataset, made on first use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from plane_anomalib.data.base import ValidationSplit
from plane_anomalib.data.benchmark import BenchmarkDataModule
from plane_anomalib.data.categories import select_categories
from plane_anomalib.data.dataset import GeometrySource
from plane_anomalib.generation.procedural_shapes import (
    ProceduralSpec,
    ensure_dataset,
    finished_categories,
)
from plane_anomalib.generation.shapes.nominal_objects import NOMINAL_OBJECTS


class ProceduralShapes(BenchmarkDataModule):
    """Nineteen machine parts and household objects with seven kinds of defect, no download.

    The files are written once, in Anomaly-ShapeNet's layout and deterministically, by implicit
    solids whose surface is changed before it is sampled: every cloud is its own sample, defects are
    as densely sampled as the rest, and Ano3D has no part in them. Only the requested categories are
    made. A root that holds files made with other arguments is left alone; a neighbour named by the
    arguments' hash is used instead.

    Args:
        root: The dataset's folder.
        category: `"all"`, a name such as `vase0` or `vase`, names separated by commas, or a list.
        num_points: Mean number of points of a cloud; each has 0.8 to 1.2 times as many.
        num_good: Good test clouds per category.
        num_per_defect: Test clouds per category and kind of defect.
        variation: Standard deviation of each cloud's scale along each axis.
        noise: Standard deviation of the sensor noise, in extents of the object.
        data_seed: Of the files; `seed` is that of the loaders.
        geometry_source: See `AnomalyShapeNet`.
        train_batch_size: Clouds per training batch.
        eval_batch_size: Clouds per evaluation batch.
        num_workers: Loader processes.
        val_split_mode: See `PointCloudDataModule`.
        val_split_ratio: Share of each category's training clouds held out for validation.
        val_variants: Draws per held-out cloud and label.
        samples_per_epoch: Training clouds per epoch.
        seed: Of the order, the split and the synthetic anomalies.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
    """

    common_pose = True
    aliases: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        root: Path | str = "./datasets/procedural_shapes",
        category: str | list[str] = "all",
        num_points: int = 10_000,
        num_good: int = 4,
        num_per_defect: int = 1,
        variation: float = 0.002,
        noise: float = 0.0005,
        data_seed: int = 0,
        geometry_source: GeometrySource = "pcd",
        train_batch_size: int = 4,
        eval_batch_size: int = 1,
        num_workers: int = 0,
        val_split_mode: ValidationSplit = "synthetic",
        val_split_ratio: float = 0.25,
        val_variants: int | None = None,
        samples_per_epoch: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            root,
            category,
            geometry_source,
            train_batch_size=train_batch_size,
            eval_batch_size=eval_batch_size,
            num_workers=num_workers,
            val_split_mode=val_split_mode,
            val_split_ratio=val_split_ratio,
            val_variants=val_variants,
            samples_per_epoch=samples_per_epoch,
            seed=seed,
        )
        self.spec = ProceduralSpec(
            data_seed, num_points, num_good, num_per_defect, variation, noise
        )

    @property
    def official_categories(self) -> tuple[str, ...]:
        """Every category there is."""
        return tuple(NOMINAL_OBJECTS)

    @property
    def is_on_disk(self) -> bool:
        """Whether every requested category has been made."""
        return set(self._wanted()) <= set(finished_categories(self.root, self.spec))

    def prepare_data(self) -> None:
        """Make the files that are missing."""
        self.root = ensure_dataset(self.root, self.spec, self._wanted())

    def _wanted(self) -> list[str]:
        return select_categories(
            self.requested,
            self.official_categories,
            where="the procedural shapes",
            official=self.official_categories,
        )

    def _category_folders(self) -> tuple[dict[str, Path], str | None]:
        self.prepare_data()
        made = {name: self.root / name for name in self.official_categories}
        return {name: folder for name, folder in made.items() if folder.is_dir()}, None

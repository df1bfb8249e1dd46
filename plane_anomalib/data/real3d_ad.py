"""Real3D-AD: high-resolution scans of toys, complete for training and one-sided for testing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from plane_anomalib.data.base import ValidationSplit
from plane_anomalib.data.benchmark import BenchmarkDataModule
from plane_anomalib.data.dataset import GeometrySource

CATEGORIES = (
    *("airplane", "candybar", "car", "chicken", "diamond", "duck", "fish", "gemstone"),
    *("seahorse", "shell", "starfish", "toffees"),
)


class Real3DAD(BenchmarkDataModule):
    """The Real3D-AD dataset (the `.pcd` release).

    Folders: `<root>/<category>/{train,test,gt}`; the root may be a level above or below. Units are
    millimetres; training scans see every side of the object, test scans one. Five anomalous clouds
    are published with broken point labels; where they are, they count as objects only.

    Args:
        root: The dataset's folder.
        category: `"all"`, a name, names separated by commas, or a list; `candy` is `candybar`.
        geometry_source: `"pcd"`, or `"gt"` for parity with published code (it leaks the label).
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

    one_sided_tests = True
    archive_folder: ClassVar[str] = "real3d-ad-pcd"
    where_to_get: ClassVar[str] = "Unpack Real3D-AD-PCD.zip there."
    aliases: ClassVar[Mapping[str, str]] = {"candy": "candybar", "candy bar": "candybar"}
    unreliable: ClassVar[frozenset[str]] = frozenset(
        {
            "chicken/705_bulge",
            "chicken/706_sink",
            "seahorse/265_bulge",
            "seahorse/265_bulge_cut",
            "starfish/433_bulge",
        }
    )

    def __init__(
        self,
        root: Path | str = "./datasets/Real3D-AD",
        category: str | list[str] = "all",
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

    @property
    def official_categories(self) -> tuple[str, ...]:
        """The published categories."""
        return CATEGORIES

"""Anomaly-ShapeNet (version 2): clouds of synthetic objects with defects, CC BY 4.0."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from plane_anomalib.core.errors import ConfigurationError, DatasetError
from plane_anomalib.data.base import ValidationSplit
from plane_anomalib.data.benchmark import BenchmarkDataModule
from plane_anomalib.data.category_names import CATEGORIES_40, CATEGORIES_NEW
from plane_anomalib.data.dataset import GeometrySource
from plane_anomalib.data.layout import list_categories, only_collection


class AnomalyShapeNet(BenchmarkDataModule):
    """The Anomaly-ShapeNet dataset.

    Folders: `<root>/<category>/{train,test,GT}`; the root may be three levels above (where the
    archive was unpacked) or a category itself. Any subset of the categories may be on disk.

    Args:
        root: The dataset's folder.
        category: `"all"`, a name, names separated by commas, or a list; `phone0` of the papers is
            `microphone0`, `jar` is `jar0`.
        subset: `"40"` loads the categories of the papers' tables, `"52"` the twelve new ones too.
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

    common_pose = True
    where_to_get: ClassVar[str] = (
        "Unpack Anomaly-ShapeNet-v2.rar (dataset Chopper233/Anomaly-ShapeNet on the Hugging Face "
        "hub) there."
    )
    aliases: ClassVar[Mapping[str, str]] = {"phone0": "microphone0", "phone": "microphone0"}

    def __init__(
        self,
        root: Path | str = "./datasets/Anomaly-ShapeNet",
        category: str | list[str] = "all",
        subset: Literal["40", "52"] = "40",
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
        if str(subset) not in {"40", "52"}:
            msg = f"subset must be '40' or '52', not {subset!r}."
            raise ConfigurationError(msg)
        self.subset = str(subset)
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
        """The published categories of the subset."""
        return CATEGORIES_40 if self.subset == "40" else (*CATEGORIES_40, *CATEGORIES_NEW)

    def _category_folders(self) -> tuple[dict[str, Path], str | None]:
        found, pointed_at = self._collections()
        new = [path for path in found if path.name.lower() == "new_pcd"]
        old = [path for path in found if path not in new]
        collections = [only_collection(old or found, "pcd", self.root)]
        if self.subset == "52":
            new = new or [collections[0].parent / "new_pcd"]
            collections.append(only_collection(new, "new_pcd", self.root))
        folders: dict[str, Path] = {}
        for collection in collections:
            if collection.is_dir():
                folders = {**list_categories(collection, self.layout), **folders}
        if self.subset == "40":
            folders = {k: v for k, v in folders.items() if k.lower() not in CATEGORIES_NEW}
            pointed_at = pointed_at if pointed_at in folders else None
        if not folders:
            msg = f"{self.root} holds only categories of subset '52'; set subset to '52'."
            raise DatasetError(msg)
        return folders, pointed_at

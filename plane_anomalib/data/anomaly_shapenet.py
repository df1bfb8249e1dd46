"""Anomaly-ShapeNet (version 2): clouds of synthetic objects with defects, CC BY 4.0."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from plane_anomalib.core.configured import configured
from plane_anomalib.core.errors import DatasetError
from plane_anomalib.data.datamodule import BenchmarkDataModule
from plane_anomalib.data.settings import AnomalyShapeNetSettings
from plane_anomalib.formats.folders import (
    CATEGORIES_40,
    CATEGORIES_NEW,
    list_categories,
    only_collection,
)


@configured(AnomalyShapeNetSettings)
class AnomalyShapeNet(BenchmarkDataModule):
    """The Anomaly-ShapeNet dataset.

    Folders: `<root>/<category>/{train,test,GT}`; the root may be three levels above (where the
    archive was unpacked) or a category itself. Any subset of the categories may be on disk.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
    """

    config: AnomalyShapeNetSettings

    common_pose = True
    where_to_get: ClassVar[str] = (
        "Unpack Anomaly-ShapeNet-v2.rar (dataset Chopper233/Anomaly-ShapeNet on the Hugging Face "
        "hub) there."
    )
    aliases: ClassVar[Mapping[str, str]] = {"phone0": "microphone0", "phone": "microphone0"}

    def build(self) -> None:
        """Take what the settings say."""
        self.geometry_source = self.config.geometry_source

    @property
    def subset(self) -> str:
        """`"40"` or `"52"`."""
        return str(self.config.subset)

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

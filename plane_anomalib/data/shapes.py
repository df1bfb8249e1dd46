"""ProceduralShapes: the built-in dataset, made on first use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from plane_anomalib.core.configured import configured
from plane_anomalib.data.datamodule import BenchmarkDataModule
from plane_anomalib.data.settings import ProceduralShapesSettings
from plane_anomalib.generation.manifests import PROCEDURAL_CATEGORIES
from plane_anomalib.generation.procedural_shapes import ensure_dataset


@configured(ProceduralShapesSettings)
class ProceduralShapes(BenchmarkDataModule):
    """Nineteen machine parts and household objects with seven kinds of defect, no download.

    The files are written once, in Anomaly-ShapeNet's layout and deterministically, by implicit
    solids whose surface is changed before it is sampled: every cloud is its own sample, defects are
    as densely sampled as the rest, and Ano3D has no part in them. Only the requested categories are
    made. A root that holds files made with other arguments is left alone; a neighbour named by the
    arguments' hash is used instead.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
    """

    config: ProceduralShapesSettings

    common_pose = True
    aliases: ClassVar[Mapping[str, str]] = {}

    def build(self) -> None:
        """Take what the settings say."""
        self.geometry_source = self.config.geometry_source
        self.spec = self.config.spec()

    @property
    def official_categories(self) -> tuple[str, ...]:
        """Every category there is."""
        return PROCEDURAL_CATEGORIES

    @property
    def is_on_disk(self) -> bool:
        """Whether every requested category has been made."""
        return self.config.is_on_disk

    def prepare_data(self) -> None:
        """Make the files that are missing."""
        self.root = ensure_dataset(self.root, self.spec, self.config.wanted)

    def _category_folders(self) -> tuple[dict[str, Path], str | None]:
        self.prepare_data()
        made = {name: self.root / name for name in self.official_categories}
        return {name: folder for name, folder in made.items() if folder.is_dir()}, None

"""What the public benchmarks share: categories found on disk, and rows made of each."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from plane_anomalib.core.configured import configured
from plane_anomalib.core.errors import DatasetError, PointCloudFileError
from plane_anomalib.data.categories import ALL, canonical, category_label, select_categories
from plane_anomalib.data.clouds import CloudReader, sample_row
from plane_anomalib.data.datamodule import PointCloudDataModule
from plane_anomalib.data.settings import GeometrySource, LoaderSettings
from plane_anomalib.formats.folders import (
    PCD_LAYOUT,
    CategoryLayout,
    child_directory,
    defect_from_stem,
    find_collections,
    list_categories,
    list_files,
    only_collection,
)

logger = logging.getLogger(__name__)

_TRUTH_SUFFIXES = frozenset({".txt"})


@configured(LoaderSettings)
class BenchmarkDataModule(PointCloudDataModule):
    """A public benchmark on disk: a folder of categories.

    Listings are sorted. Unless a subclass says otherwise, a category is `{train,test,gt}`, labels
    come from file names, and point labels are carried over from the text to the cloud by nearest
    point, so no order of rows is assumed.

    Args:
        root: The dataset's folder, or one near it in the tree.
        category: See `PointCloudDataModule`; the papers' names are understood.
    """

    layout: ClassVar[CategoryLayout] = PCD_LAYOUT
    """What a category's folder looks like."""

    archive_folder: ClassVar[str] = ""
    """The folder of categories in the published archive, in lower case."""

    where_to_get: ClassVar[str] = ""
    """A sentence for who has no such folder."""

    aliases: ClassVar[Mapping[str, str]] = {}
    unreliable: ClassVar[frozenset[str]] = frozenset()

    geometry_source: GeometrySource = "pcd"

    def __init__(self, root: Path | str, category: str | list[str] = "all", **loading: Any) -> None:
        super().__init__(root, category, **loading)
        official = self.official_categories
        self.category = category_label(
            [canonical(c, self.aliases, official) for c in self.requested]
        )

    @property
    @abstractmethod
    def official_categories(self) -> tuple[str, ...]:
        """The categories of the published dataset."""

    def _category_folders(self) -> tuple[dict[str, Path], str | None]:
        """Category folders by name, and the one that the root points at, if it points at one."""
        found, pointed_at = self._collections()
        collection = only_collection(found, self.archive_folder, self.root)
        return list_categories(collection, self.layout), pointed_at

    def _collections(self) -> tuple[list[Path], str | None]:
        try:
            return find_collections(self.root, self.layout)
        except DatasetError as error:
            raise DatasetError(f"{error} {self.where_to_get}".strip()) from error

    def _category_rows(self, category: str, folder: Path) -> Iterator[dict[str, object]]:
        """The rows of a category: `dataset.sample_row` of each cloud.

        Raises:
            DatasetError: A split is missing.
            PointCloudFileError: A file's name, place or ground truth is not what it should be.
        """
        return _rows_by_file_name(category, folder, self.layout)

    def _reader(self) -> CloudReader:
        return CloudReader(geometry_source=self.geometry_source, unreliable=self.unreliable)

    def _scan(self) -> pd.DataFrame:
        folders, pointed_at = self._category_folders()
        requested = self.requested
        if pointed_at and requested == [ALL]:
            logger.info("%s is one category; the others beside it are left out.", self.root)
            requested = [pointed_at]
        chosen = select_categories(
            requested,
            list(folders),
            where=str(self.root),
            aliases=self.aliases,
            official=self.official_categories,
        )
        rows = [row for name in chosen for row in self._category_rows(name, folders[name])]
        official = len(set(chosen) & set(self.official_categories))
        logger.info(
            "%s: %d clouds of %d categories (%d of the official %d) in %s.",
            *(self.name, len(rows), len(chosen), official),
            *(len(self.official_categories), self.root),
        )
        samples = pd.DataFrame(rows)
        samples.attrs["task"] = "segmentation"
        return samples


def _rows_by_file_name(
    category: str, folder: Path, layout: CategoryLayout
) -> Iterator[dict[str, object]]:
    train = _clouds(folder, "train", layout)
    test = _clouds(folder, "test", layout)
    truth_folder = child_directory(folder, "gt")
    truth = {
        path.stem.lower(): path
        for path in list_files(truth_folder or folder / "GT", _TRUTH_SUFFIXES, inside=folder)
    }
    for path in train:
        if (defect := defect_from_stem(path)) != "good":
            raise PointCloudFileError(
                path,
                f"is named a {defect} and lies among the normal clouds of train",
                "move it to test and give it a ground truth, or take it out",
            )
        yield sample_row(path, split="train", category=category, defect="good")
    for path in test:
        defect = defect_from_stem(path)
        mask = None if defect == "good" else truth.get(path.stem.lower())
        if defect != "good" and mask is None:
            expected = (truth_folder or folder / "GT") / f"{path.stem}.txt"
            raise PointCloudFileError(
                path,
                f"anomalous, but its ground truth {expected} is missing",
                "unpack the category again",
            )
        yield sample_row(path, split="test", category=category, defect=defect, mask=mask)


def _clouds(folder: Path, split: str, layout: CategoryLayout) -> list[Path]:
    directory = child_directory(folder, split)
    files = [] if directory is None else list_files(directory, layout.suffixes, inside=folder)
    if not files:
        msg = f"{folder} has no usable .pcd cloud in a {split} folder; unpack the category again."
        raise DatasetError(msg)
    return files

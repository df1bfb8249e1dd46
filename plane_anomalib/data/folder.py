"""Own scans in folders."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from plane_anomalib.core.configured import configured
from plane_anomalib.core.errors import ConfigurationError, DatasetError, PointCloudFileError
from plane_anomalib.data.categories import select_categories
from plane_anomalib.data.clouds import sample_row
from plane_anomalib.data.datamodule import PointCloudDataModule
from plane_anomalib.data.dataset import CloudReader
from plane_anomalib.data.settings import PointCloudFolderSettings
from plane_anomalib.formats.folders import (
    NORMAL_NAMES,
    child_directories,
    child_directory,
    contents,
    list_files,
)
from plane_anomalib.formats.io import MESH_SUFFIXES, POINT_SUFFIXES

logger = logging.getLogger(__name__)

_SUFFIXES = POINT_SUFFIXES | MESH_SUFFIXES


@configured(PointCloudFolderSettings)
class PointCloudFolder(PointCloudDataModule):
    """Own scans: clouds or meshes of any readable format.

    Folders:

    - `train/` (or `train/good/`): normal clouds.
    - `test/good/` and `test/<defect>/`: without them the model can be fitted, not tested.
    - `ground_truth/<defect>/<name of the cloud>.txt` (rows `x y z label`; `.csv`, `.npy`, `.pcd`
      and `.ply` with labels work too): optional. Without it clouds have an object label only and
      point metrics are left out; with it every anomalous cloud needs its file.

    For many categories, `<root>/<category>/` holds these folders.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
    """

    config: PointCloudFolderSettings

    def build(self) -> None:
        """Take what the settings say."""
        self.common_pose = self.config.common_pose
        self.one_sided_tests = self.config.one_sided
        self._name = self.config.name or os.path.basename(os.path.abspath(self.root)) or "scans"
        if Path(self._name).name != self._name:
            msg = f"name must be usable as a folder's name, not {self.config.name!r}."
            raise ConfigurationError(msg)
        self._point_truth = False

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self._name

    def _reader(self) -> CloudReader:
        return CloudReader(point_truth=self._point_truth)

    def _scan(self) -> pd.DataFrame:
        folders = self._category_folders()
        chosen = select_categories(self.requested, list(folders), where=str(self.root))
        self._point_truth = any(child_directory(folders[c], "ground_truth") for c in chosen)
        rows = [
            row for category in chosen for row in self._category_rows(category, folders[category])
        ]
        samples = pd.DataFrame(rows)
        samples.attrs["task"] = "segmentation" if self._point_truth else "classification"
        if not (samples.split == "test").any():
            logger.warning("%s has no test clouds: the model can be fitted, not tested.", self.root)
        return samples

    def _category_folders(self) -> dict[str, Path]:
        if not self.root.is_dir():
            what = "is a file, not a folder" if self.root.exists() else "does not exist"
            msg = f"the root {self.root} {what}; give the folder that holds train and test."
            raise DatasetError(msg)
        if child_directory(self.root, "train"):
            return {self.name: self.root}
        found = {c.name: c for c in child_directories(self.root) if child_directory(c, "train")}
        if not found:
            hint = " (give the folder above it)" if self.root.name.lower() == "train" else ""
            held = contents(self.root)
            msg = f"{self.root} has no train folder, nor has a folder in it{hint}: {held}."
            raise DatasetError(msg)
        return found

    def _category_rows(self, category: str, folder: Path) -> Iterator[dict[str, object]]:
        train = child_directory(folder, "train") or folder
        normal = [*self._clouds(train)]
        for child in child_directories(train):
            if child.name.lower() not in NORMAL_NAMES:
                msg = f"{child} lies in train, which may hold normal clouds only; move it to test."
                raise DatasetError(msg)
            normal += self._clouds(child)
        if not normal:
            known = ", ".join(sorted(_SUFFIXES))
            msg = f"{train} holds no cloud; put normal ones there ({known})."
            raise DatasetError(msg)
        for path in normal:
            yield sample_row(path, split="train", category=category, defect="good")
        if test := child_directory(folder, "test"):
            yield from self._test_rows(category, test, child_directory(folder, "ground_truth"))

    def _test_rows(
        self, category: str, test: Path, truth: Path | None
    ) -> Iterator[dict[str, object]]:
        if loose := self._clouds(test):
            raise PointCloudFileError(
                loose[0], "lies in test itself", "put it in test/good or test/<name of the defect>"
            )
        for kind in child_directories(test):
            defect = "good" if kind.name.lower() in NORMAL_NAMES else kind.name
            for path in self._clouds(kind):
                mask = None
                if defect != "good" and self._point_truth:
                    mask = self._truth(path, truth, defect)
                yield sample_row(path, split="test", category=category, defect=defect, mask=mask)

    def _truth(self, path: Path, truth: Path | None, defect: str) -> Path:
        folder = truth and child_directory(truth, defect.lower())
        files = list_files(folder, POINT_SUFFIXES, inside=self.root) if folder else []
        fitting = [file for file in files if file.stem == path.stem]
        if not fitting:
            raise PointCloudFileError(
                path,
                "has no ground truth, though other clouds have",
                "every anomalous cloud needs a file in ground_truth/<defect>, or none",
            )
        if len(fitting) > 1:
            listing = " and ".join(file.name for file in fitting)
            raise PointCloudFileError(
                path, f"has more than one ground truth: {listing}", "keep one of them"
            )
        return fitting[0]

    def _clouds(self, directory: Path) -> list[Path]:
        return list_files(directory, _SUFFIXES, inside=self.root)

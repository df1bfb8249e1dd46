"""Own scans in folders."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from plane_anomalib.core.errors import ConfigurationError, DatasetError, PointCloudFileError
from plane_anomalib.data.base import PointCloudDataModule, ValidationSplit
from plane_anomalib.data.categories import select_categories
from plane_anomalib.data.dataset import CloudReader, sample_row
from plane_anomalib.data.layout import (
    NORMAL_NAMES,
    child_directories,
    child_directory,
    contents,
    list_files,
)
from plane_anomalib.formats.io import MESH_SUFFIXES, POINT_SUFFIXES

logger = logging.getLogger(__name__)

_SUFFIXES = POINT_SUFFIXES | MESH_SUFFIXES


class PointCloudFolder(PointCloudDataModule):
    """Own scans: clouds or meshes of any readable format.

    Folders:

    - `train/` (or `train/good/`): normal clouds.
    - `test/good/` and `test/<defect>/`: without them the model can be fitted, not tested.
    - `ground_truth/<defect>/<name of the cloud>.txt` (rows `x y z label`; `.csv`, `.npy`, `.pcd`
      and `.ply` with labels work too): optional. Without it clouds have an object label only and
      point metrics are left out; with it every anomalous cloud needs its file.

    For many categories, `<root>/<category>/` holds these folders.

    Args:
        root: The folder.
        name: The dataset's name in paths of results, and the category if there is one only; by
            default the root folder's name.
        common_pose: Whether all scans of a category lie the same way (a fixture holds them), which
            a model may then rely on.
        one_sided: Whether test scans show one side of objects whose training scans are complete.
        category: `"all"`, a name, names separated by commas, or a list of names.
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

    def __init__(
        self,
        root: Path | str,
        name: str | None = None,
        common_pose: bool = False,
        one_sided: bool = False,
        category: str | list[str] = "all",
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
            train_batch_size=train_batch_size,
            eval_batch_size=eval_batch_size,
            num_workers=num_workers,
            val_split_mode=val_split_mode,
            val_split_ratio=val_split_ratio,
            val_variants=val_variants,
            samples_per_epoch=samples_per_epoch,
            seed=seed,
        )
        self.common_pose = common_pose
        self.one_sided_tests = one_sided
        self._name = name or os.path.basename(os.path.abspath(self.root)) or "scans"
        if Path(self._name).name != self._name:
            msg = f"name must be usable as a folder's name, not {name!r}."
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

"""Clouds without labels: one file, or every file under a folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch.utils.data import Dataset

from plane_anomalib.core.errors import DatasetError, PointCloudFileError
from plane_anomalib.data.point_cloud import PointCloudBatch, PointCloudItem
from plane_anomalib.formats.io import MESH_SUFFIXES, POINT_SUFFIXES, read_points

logger = logging.getLogger(__name__)

SUFFIXES = POINT_SUFFIXES | MESH_SUFFIXES
_TRUTH_FOLDERS = frozenset({"gt", "ground_truth"})


class PointCloudPredictDataset(Dataset[PointCloudItem]):
    """The clouds that `anomalib predict --data <path>` scores.

    Folders are searched with everything below them, sorted; ground-truth folders, hidden files and
    links that lead out are left out (the latter with a warning).

    Args:
        path: A cloud or mesh, or a folder.
        category: The class of the objects, where the model makes use of it.

    Raises:
        DatasetError: The path does not exist or holds no cloud.
        PointCloudFileError: The file is of a kind that cannot be read.
    """

    name = "predict"

    def __init__(self, path: Path | str, category: str = "") -> None:
        self.path = Path(path).expanduser()
        self.category = category
        if self.path.is_file():
            if self.path.suffix.lower() not in SUFFIXES:
                known = f"supported: {', '.join(sorted(SUFFIXES))}"
                raise PointCloudFileError(self.path, "is not a point cloud or mesh", known)
            self.files = [self.path]
        elif self.path.is_dir():
            self.files = clouds_below(self.path)
        else:
            msg = f"{self.path} does not exist; give a cloud, a mesh or a folder of them."
            raise DatasetError(msg)
        if not self.files:
            msg = f"{self.path} holds no cloud or mesh; supported: {', '.join(sorted(SUFFIXES))}."
            raise DatasetError(msg)

    def __len__(self) -> int:
        """The number of clouds."""
        return len(self.files)

    def __getitem__(self, index: int) -> PointCloudItem:
        """Read a cloud.

        Raises:
            PointCloudFileError: It cannot be read.
        """
        path = self.files[index]
        points = torch.from_numpy(read_points(path).points)
        return PointCloudItem(points=points, category=self.category, path=str(path))

    @property
    def collate_fn(self) -> Callable[[list[PointCloudItem]], PointCloudBatch]:
        """Packs items of any sizes end to end."""
        return PointCloudBatch.collate


def _files_below(folder: Path) -> Iterator[Path]:
    for directory, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        yield from (Path(directory) / name for name in sorted(names) if not name.startswith("."))


def clouds_below(folder: Path) -> list[Path]:
    """The clouds and meshes in a folder and below it, sorted, as the dataset above finds them."""
    return only_clouds(folder, _files_below(folder))


def only_clouds(folder: Path, files: Iterable[Path]) -> list[Path]:
    """Of files below a folder, the clouds and meshes that are no ground truth, sorted.

    Links that lead out of the folder are left out, with a warning.

    Args:
        folder: What was asked for.
        files: Files below it, each path beginning with the folder's.
    """
    home = folder.resolve()
    found = sorted(file for file in files if _is_wanted(file.relative_to(folder)))
    kept = [file for file in found if file.resolve().is_relative_to(home)]
    if len(kept) < len(found):
        logger.warning(
            "%s: %d links that lead out of it are not followed; copy the files instead.",
            folder,
            len(found) - len(kept),
        )
    return kept


def _is_wanted(file: Path) -> bool:
    folders = {part.lower() for part in file.parts[:-1]}
    return file.suffix.lower() in SUFFIXES and not folders & _TRUTH_FOLDERS

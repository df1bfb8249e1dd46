"""Clouds as anomalib's datasets: a table of labelled ones, and files to be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from anomalib.data import AnomalibDataset
from torch.utils.data import Dataset

from plane_anomalib.core.errors import DatasetError, PointCloudFileError
from plane_anomalib.data.clouds import CloudCache, CloudReader, Draw, SampleRow, load_cloud
from plane_anomalib.data.point_cloud import PointCloudBatch, PointCloudItem
from plane_anomalib.data.validation import synthetic_draws
from plane_anomalib.formats.folders import SUFFIXES, clouds_below
from plane_anomalib.formats.io import read_points

ItemTransform = Callable[[PointCloudItem, np.random.Generator], PointCloudItem]
"""Changes a training cloud; must be picklable if the loader has workers."""

_FIELDS = [field.name for field in fields(SampleRow)]


class PointCloudDataset(AnomalibDataset):
    """Clouds of one split, read lazily and kept in a bounded cache.

    Args:
        samples: One row per cloud: `image_path`, `split`, `label_index`, `category`, `defect`,
            `mask_path`, `variant`; `attrs["task"]` is set.
        reader: Reads a row.
        name: The dataset's name, as it appears in paths of results.
        category: The categories as one string.
        seed: Seed of every random choice made here.
        cache: Where clouds read are kept; by default nowhere.
        transform: Called with each item and a generator that depends on the seed, the epoch and
            the cloud alone.
    """

    def __init__(
        self,
        samples: pd.DataFrame,
        *,
        reader: CloudReader,
        name: str,
        category: str = "",
        seed: int = 0,
        cache: CloudCache | None = None,
        transform: ItemTransform | None = None,
    ) -> None:
        super().__init__()
        self.samples = samples
        self.reader = reader
        self.category = category
        self.seed = seed
        self.cache = cache or CloudCache(0)
        self.transform = transform
        self._name = name

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self._name

    @property
    def samples(self) -> pd.DataFrame:
        """One row per cloud, sorted by file."""
        return AnomalibDataset.samples.fget(self)

    @samples.setter
    def samples(self, samples: pd.DataFrame) -> None:
        AnomalibDataset.samples.fset(self, samples)
        # anomalib's own sort is unstable, and validation clouds share their file.
        order = ["image_path", "label_index", "variant"]
        self._samples = samples.sort_values(order, ignore_index=True)

    def row(self, index: int) -> SampleRow:
        """The table's row of a cloud."""
        found = self.samples.iloc[index]
        return SampleRow(**{field: found[field] for field in _FIELDS if field in found})

    def __getitem__(self, index: int | Draw) -> PointCloudItem:
        """Read a cloud.

        Args:
            index: Its row, or a draw of it by `EpochSampler`.

        Raises:
            PointCloudFileError: The cloud or its ground truth cannot be used.
        """
        draw = index if isinstance(index, Draw) else Draw(int(index))
        item = self.untransformed(draw.row)
        return item if self.transform is None else self.transform(item, draw.generator(self.seed))

    def untransformed(self, index: int) -> PointCloudItem:
        """Read the cloud of a row as its file has it.

        Raises:
            PointCloudFileError: The cloud or its ground truth cannot be used.
        """
        row = self.row(index)
        points, mask, defect = load_cloud(row, self.reader, self.seed, self.cache)
        return PointCloudItem(
            points=torch.from_numpy(points.copy()),
            gt_mask=None if mask is None else torch.from_numpy(mask.copy()),
            gt_label=torch.tensor(bool(row.label_index)),
            category=row.category,
            path=row.image_path,
            defect=defect,
            mask_path=row.mask_path,
        )

    def by_category(self) -> Iterator[tuple[str, Iterator[PointCloudItem]]]:
        """Each category, in the order of names, with its clouds as their files have them.

        A cloud is read when its turn comes, so that those of all categories need not be held.
        """
        for category, rows in self.samples.groupby("category", sort=True).indices.items():
            yield str(category), (self.untransformed(int(row)) for row in rows)

    @property
    def collate_fn(self) -> Callable[[list[PointCloudItem]], PointCloudBatch]:
        """Packs items of any sizes end to end."""
        return PointCloudBatch.collate


def synthetic_rows(held_out: pd.DataFrame, variants: int | None) -> pd.DataFrame:
    """List the validation clouds to be made from the held-out ones.

    Args:
        held_out: Rows of normal clouds.
        variants: See `plane_anomalib.data.validation.synthetic_draws`.

    Returns:
        Rows with `variant` 0.. and `label_index` 0 or 1.
    """
    parts = [
        held_out.assign(
            variant=variant,
            label_index=label,
            defect="synthetic" if label else "good",
            split="val",
        )
        for variant, label in synthetic_draws(len(held_out), variants)
    ]
    rows = pd.concat(parts, ignore_index=True)
    rows.attrs = {**held_out.attrs, "task": "segmentation"}
    return rows


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

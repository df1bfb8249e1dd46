"""A table of clouds, read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol, cast

import numpy as np
import pandas as pd
import torch
from anomalib.data import AnomalibDataset
from numpy.typing import NDArray

from plane_anomalib.core.errors import PointCloudFileError
from plane_anomalib.data.cache import Arrays, CloudCache
from plane_anomalib.data.labels import TOLERANCE, TruthForm, read_mask
from plane_anomalib.data.point_cloud import PointCloudBatch, PointCloudItem
from plane_anomalib.data.sampler import Draw
from plane_anomalib.data.validation import (
    NOT_SYNTHETIC,
    default_anomaly,
    draw_variant,
    variant_generator,
)
from plane_anomalib.formats.io import CloudKind, read_labelled_points, read_points

ItemTransform = Callable[[PointCloudItem, np.random.Generator], PointCloudItem]
"""Changes a training cloud; must be picklable if the loader has workers."""

GeometrySource = Literal["pcd", "gt"]


class SampleRow(Protocol):
    """One row of `PointCloudDataset.samples`."""

    image_path: str
    split: str
    label_index: int
    category: str
    defect: str
    mask_path: str
    variant: int


def sample_row(
    path: Path,
    *,
    split: str,
    category: str,
    defect: str,
    mask: Path | None = None,
    labels: Path | None = None,
) -> dict[str, object]:
    """One row of a dataset's table.

    Args:
        path: The cloud.
        split: "train" or "test".
        category: The object's class.
        defect: "good" or the kind of defect.
        mask: The ground-truth file of an anomalous cloud.
        labels: The file that says whether the cloud is anomalous, where names and folders do not;
            it counts as part of the data.
    """
    return {
        "image_path": str(path),
        "split": split,
        "label_index": int(defect != "good"),
        "category": category,
        "defect": defect,
        "mask_path": "" if mask is None else str(mask),
        "label_path": "" if labels is None else str(labels),
        "variant": NOT_SYNTHETIC,
    }


@dataclass(frozen=True)
class CloudReader:
    """Reads the points and labels of one row.

    Attributes:
        geometry_source: `"pcd"` reads every cloud from its own file. `"gt"` takes anomalous clouds
            from the ground-truth text, as most published code does: rounding and row order then
            differ between good and anomalous clouds and can give the label away.
        tolerance: See `plane_anomalib.data.labels.transfer_labels`.
        point_truth: Whether the dataset has point labels.
        kind: What the files of clouds are taken for; see `plane_anomalib.formats.io.read_points`.
        truth_form: What ground-truth files hold; see `plane_anomalib.data.labels.read_mask`.
        unreliable: Stems whose truth is known to be broken: they fall back to the object's label.
    """

    geometry_source: GeometrySource = "pcd"
    tolerance: float = TOLERANCE
    point_truth: bool = True
    kind: CloudKind = "auto"
    truth_form: TruthForm = "labelled_points"
    unreliable: frozenset[str] = frozenset()

    def __call__(self, row: SampleRow) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
        """Points `(N, 3)` and labels `(N,)`, `None` without point truth.

        Raises:
            PointCloudFileError: A file is damaged or does not fit the other.
        """
        path = Path(row.image_path)
        try:
            if self.geometry_source == "gt" and row.mask_path:
                return self._truth_as_geometry(Path(row.mask_path))
            points = read_points(path, kind=self.kind).points
            return points, self._mask(row.mask_path, points)
        except PointCloudFileError as error:
            known = f"{path.parent.parent.name}/{path.stem}" in self.unreliable
            if not known or error.path != Path(row.mask_path):
                raise
            return read_points(path, kind=self.kind).points, None

    def _truth_as_geometry(self, truth: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        cloud = read_labelled_points(truth)
        if cloud.labels is None or not cloud.labels.any():
            raise PointCloudFileError(
                truth, "no point is labelled anomalous", "set geometry_source to pcd"
            )
        return cloud.points, cloud.labels

    def _mask(self, truth: str, points: NDArray[np.float32]) -> NDArray[np.bool_] | None:
        if not self.point_truth:
            return None
        if not truth:
            return np.zeros(len(points), np.bool_)
        return read_mask(Path(truth), points, tolerance=self.tolerance, form=self.truth_form)


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
        return cast("SampleRow", self.samples.iloc[index])

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
        key = (row.image_path, row.variant, row.label_index)
        points, mask, defect = self.cache.get(key, partial(self._load, row))
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

    def _load(self, row: SampleRow) -> Arrays:
        points, mask = self.reader(row)
        if row.variant == NOT_SYNTHETIC:
            return points, mask, row.defect
        name = f"{row.category}/{Path(row.image_path).name}"
        generator = variant_generator(self.seed, name, row.variant, row.label_index)
        anomaly = default_anomaly() if row.label_index else None
        return draw_variant(points, anomaly, generator)

    @property
    def collate_fn(self) -> Callable[[list[PointCloudItem]], PointCloudBatch]:
        """Packs items of any sizes end to end."""
        return PointCloudBatch.collate

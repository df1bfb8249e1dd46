"""Clouds in a table, read when asked for: plain numpy and torch, without anomalib."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray
from torch import distributed as dist
from torch.utils.data import DistributedSampler

from plane_anomalib.core.errors import PointCloudFileError
from plane_anomalib.data.settings import GeometrySource
from plane_anomalib.data.validation import (
    NOT_SYNTHETIC,
    draw_variant,
    split_rows,
    synthetic_draws,
    variant_generator,
)
from plane_anomalib.formats.io import CloudKind, read_labelled_points, read_points
from plane_anomalib.formats.labels import TOLERANCE, TruthForm, read_mask
from plane_anomalib.generation.defects.ano3d import validation_defects

Arrays = tuple[NDArray[np.float32], NDArray[np.bool_] | None, str]
"""Points `(N, 3)`, labels `(N,)` or None without point truth, and the kind of defect."""


@dataclass(frozen=True)
class SampleRow:
    """One cloud of a dataset.

    Attributes:
        image_path: Its file, under the name that anomalib looks for.
        split: "train", "val" or "test".
        label_index: 1 for an anomalous cloud, else 0.
        category: The object's class.
        defect: "good" or the kind of defect.
        mask_path: The ground-truth file of an anomalous cloud, or nothing.
        label_path: The file that says whether it is anomalous, where names and folders do not.
        variant: Number of a synthetic draw, `NOT_SYNTHETIC` for the file as it is.
    """

    image_path: str
    split: str
    label_index: int
    category: str
    defect: str
    mask_path: str = ""
    label_path: str = ""
    variant: int = NOT_SYNTHETIC


def sample_row(
    path: Path,
    *,
    split: str,
    category: str,
    defect: str,
    mask: Path | None = None,
    labels: Path | None = None,
) -> dict[str, object]:
    """One row of a dataset's table: the fields of a `SampleRow`.

    Args:
        path: The cloud.
        split: "train" or "test".
        category: The object's class.
        defect: "good" or the kind of defect.
        mask: The ground-truth file of an anomalous cloud.
        labels: The file that says whether the cloud is anomalous, where names and folders do not;
            it counts as part of the data.
    """
    label = int(defect != "good")
    truths = (str(mask or ""), str(labels or ""))
    return asdict(SampleRow(str(path), split, label, category, defect, *truths))


@dataclass(frozen=True)
class CloudReader:
    """Reads the points and labels of one row.

    Attributes:
        geometry_source: `"pcd"` reads every cloud from its own file. `"gt"` takes anomalous clouds
            from the ground-truth text, as most published code does: rounding and row order then
            differ between good and anomalous clouds and can give the label away.
        tolerance: See `plane_anomalib.formats.labels.transfer_labels`.
        point_truth: Whether the dataset has point labels.
        kind: What the files of clouds are taken for; see `plane_anomalib.formats.io.read_points`.
        truth_form: What ground-truth files hold; see `plane_anomalib.formats.labels.read_mask`.
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


class CloudCache:
    """The clouds read last, up to a number of bytes.

    Copies of a dataset share one cache; a loader's worker process starts with an empty one.

    Args:
        max_bytes: What the arrays may take together; 0 keeps nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._entries: LRUCache[Hashable, Arrays] = LRUCache(max_bytes, getsizeof=_size)

    def get(self, key: Hashable, load: Callable[[], Arrays]) -> Arrays:
        """The entry of `key`, loaded if it is not held.

        The arrays are shared: callers copy before they change anything.
        """
        if key in self._entries:
            return self._entries[key]
        entry = load()
        if _size(entry) <= self.max_bytes:
            self._entries[key] = entry
        return entry

    def __deepcopy__(self, memo: dict[int, object]) -> CloudCache:
        """Share the clouds: anomalib copies datasets to split them."""
        return self

    def __reduce__(self) -> tuple[type[CloudCache], tuple[int]]:
        """Travel to another process without the clouds."""
        return CloudCache, (self.max_bytes,)


def _size(entry: Arrays) -> int:
    points, mask, _ = entry
    return points.nbytes + (0 if mask is None else mask.nbytes)


def load_cloud(row: SampleRow, reader: CloudReader, seed: int, cache: CloudCache) -> Arrays:
    """Read the cloud of a row, or draw it where it is synthetic.

    Args:
        row: Which cloud.
        reader: Reads its file.
        seed: Of a synthetic draw.
        cache: Where clouds read are kept.

    Returns:
        Points, labels and the kind of defect. They are shared with the cache: copy them before
        changing anything.

    Raises:
        PointCloudFileError: The cloud or its ground truth cannot be used.
    """
    key = (row.image_path, row.variant, row.label_index)
    return cache.get(key, partial(_loaded, row, reader, seed))


def _loaded(row: SampleRow, reader: CloudReader, seed: int) -> Arrays:
    points, mask = reader(row)
    if row.variant == NOT_SYNTHETIC:
        return points, mask, row.defect
    name = f"{row.category}/{Path(row.image_path).name}"
    generator = variant_generator(seed, name, row.variant, row.label_index)
    anomaly = validation_defects() if row.label_index else None
    return draw_variant(points, anomaly, generator)


@dataclass(frozen=True)
class LabelledCloud:
    """One cloud and what is known of it.

    Attributes:
        points: `(N, 3) float32`, in the object's own units.
        mask: `(N,) bool`, true on anomalous points; None where unknown.
        anomalous: Whether the cloud is anomalous.
        category: The object's class.
        path: The file that the cloud came from.
        defect: The kind of defect, "good" without one.
    """

    points: NDArray[np.float32]
    mask: NDArray[np.bool_] | None
    anomalous: bool
    category: str
    path: str
    defect: str


class CloudTable(Sequence[LabelledCloud]):
    """Clouds of one split for those who train or judge without anomalib.

    The same rows, seed and reader give the clouds that `PointCloudDataset` gives, in its order.

    Args:
        rows: What there is, in any order.
        reader: Reads a row.
        seed: Of the split and of synthetic draws.
        cache: Where clouds read are kept; by default nowhere.
    """

    def __init__(
        self,
        rows: Sequence[SampleRow],
        reader: CloudReader,
        *,
        seed: int = 0,
        cache: CloudCache | None = None,
    ) -> None:
        self.rows = sorted(rows, key=lambda row: (row.image_path, row.label_index, row.variant))
        self.reader = reader
        self.seed = seed
        self.cache = cache or CloudCache(0)

    def __len__(self) -> int:
        """The number of clouds."""
        return len(self.rows)

    def __getitem__(self, index: int) -> LabelledCloud:  # type: ignore[override]
        """Read a cloud; the arrays are its own.

        Raises:
            PointCloudFileError: The cloud or its ground truth cannot be used.
        """
        row = self.rows[index]
        points, mask, defect = load_cloud(row, self.reader, self.seed, self.cache)
        return LabelledCloud(
            points=points.copy(),
            mask=None if mask is None else mask.copy(),
            anomalous=bool(row.label_index),
            category=row.category,
            path=row.image_path,
            defect=defect,
        )

    def by_category(self) -> Iterator[tuple[str, Iterator[LabelledCloud]]]:
        """Each category, in the order of names, with its clouds.

        A cloud is read when its turn comes, so that those of all categories need not be held.
        """
        for category in sorted({row.category for row in self.rows}):
            numbers = [i for i, row in enumerate(self.rows) if row.category == category]
            yield category, (self[number] for number in numbers)

    def split(self, share: float) -> tuple[CloudTable, CloudTable]:
        """Hold clouds out of training; see `plane_anomalib.data.validation.split_rows`.

        Args:
            share: Of each category's clouds.

        Returns:
            What trains, and what was held out.
        """
        parts = split_rows([row.category for row in self.rows], share, self.seed)
        kept, held = (self._with([self.rows[i] for i in part]) for part in parts)
        return kept, held

    def synthetic(self, variants: int | None = None) -> CloudTable:
        """Good draws and synthetic defects of these clouds, which are held out and normal.

        Args:
            variants: Draws per cloud and label; by default as many as give at least 16 of each.
        """
        rows = [
            replace(
                row,
                variant=variant,
                label_index=label,
                defect="synthetic" if label else "good",
                split="val",
            )
            for variant, label in synthetic_draws(len(self.rows), variants)
            for row in self.rows
        ]
        table = self._with(rows)
        # Good clouds as they are read; their corrupted draws have labels in any case.
        table.reader = replace(self.reader, point_truth=True)
        return table

    def _with(self, rows: Sequence[SampleRow]) -> CloudTable:
        return CloudTable(rows, self.reader, seed=self.seed, cache=self.cache)


class Draw(NamedTuple):
    """One draw of a training cloud.

    It reaches the dataset in place of a plain index, so that a loader's worker processes know the
    epoch, and the transform's randomness depends on neither their number nor their lifetime.

    Attributes:
        row: Number of the dataset's row.
        epoch: Number of the epoch.
        repeat: How often the cloud came up before in this epoch.
    """

    row: int
    epoch: int = 0
    repeat: int = 0

    def generator(self, seed: int) -> np.random.Generator:
        """The generator of this draw's transform."""
        return np.random.default_rng([seed, self.epoch, self.repeat, self.row])


class EpochSampler(DistributedSampler[Draw]):
    """Shuffles a dataset anew each epoch, and repeats it for a fixed number of draws.

    The epoch counts the passes; Lightning sets it before each. A resumed run draws what the
    uninterrupted one would have drawn if epochs limit training and the loader has no workers. Else
    it goes on with other draws: workers start before Lightning tells a resumed run its epoch (they
    begin with those of epoch 0), and where steps limit training Lightning lets one epoch pass idle.

    In distributed training every process takes its share of the same draws, each draw with
    randomness of its own. Where they do not divide evenly, a few more are drawn; none is taken
    twice. (Being a `DistributedSampler`, it is not wrapped in another one by Lightning.)

    Args:
        size: Clouds in the dataset.
        draws: Clouds per epoch, over all processes; by default each once.
        seed: Seed of the order.
        num_replicas: Processes; as the process group has it, 1 without one.
        rank: This process, likewise.
    """

    def __init__(
        self,
        size: int,
        draws: int | None,
        seed: int,
        *,
        num_replicas: int | None = None,
        rank: int | None = None,
    ) -> None:
        together = dist.is_available() and dist.is_initialized()
        super().__init__(
            range(draws or size),  # type: ignore[arg-type]
            num_replicas=num_replicas or (dist.get_world_size() if together else 1),
            rank=rank if rank is not None else dist.get_rank() if together else 0,
            shuffle=False,
            seed=seed,
        )
        self.size = size

    def __iter__(self) -> Iterator[Draw]:
        """This process's draws: over all of them, clouds come up equally often, up to one."""
        epoch = self.epoch
        self.epoch += 1
        return itertools.islice(self._drawn(epoch), self.rank, None, self.num_replicas)

    def _drawn(self, epoch: int) -> Iterator[Draw]:
        generator = np.random.default_rng([self.seed, epoch])
        for start in range(0, self.total_size, self.size):
            order = generator.permutation(self.size)[: self.total_size - start]
            yield from (Draw(int(row), epoch, start // self.size) for row in order)

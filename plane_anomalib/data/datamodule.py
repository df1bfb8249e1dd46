"""What all our datamodules share, and what those of public benchmarks share besides.

Categories, splits, seeded loaders and synthetic validation; a benchmark is a folder of categories,
found near the root, whose rows are made of the names of its files.
"""

from __future__ import annotations

import copy
import logging
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import torch
from anomalib.data import AnomalibDataModule
from anomalib.data.utils import TestSplitMode, ValSplitMode
from torch.utils.data import DataLoader, Sampler

from plane_anomalib.core.configured import configured
from plane_anomalib.core.errors import DatasetError, PointCloudFileError
from plane_anomalib.data.categories import (
    ALL,
    canonical,
    category_label,
    parse_categories,
    select_categories,
)
from plane_anomalib.data.clouds import CloudCache, CloudReader, EpochSampler, sample_row
from plane_anomalib.data.dataset import ItemTransform, PointCloudDataset, synthetic_rows
from plane_anomalib.data.settings import GeometrySource, LoaderSettings
from plane_anomalib.data.validation import split_rows
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

CACHE_BYTES = 512 * 2**20

logger = logging.getLogger(__name__)
_TRUTH_SUFFIXES = frozenset({".txt"})


@configured(LoaderSettings)
class PointCloudDataModule(AnomalibDataModule):
    """Base of the datamodules: a subclass says which files there are, in `_scan`.

    The test set is what the folders hold; what validates, `LoaderSettings` says.

    Args:
        root: The dataset's folder.
        category: `"all"`, a name, names separated by commas, or a list of names.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
    """

    one_sided_tests = False
    """Whether test scans show one side of an object whose training scans are complete."""

    common_pose = False
    """Whether all clouds of a category, training and test, lie the same way."""

    train_data: PointCloudDataset
    val_data: PointCloudDataset
    test_data: PointCloudDataset

    def __init__(self, root: Path | str, category: str | list[str] = "all", **loading: Any) -> None:
        settings = LoaderSettings(**loading)
        super().__init__(
            train_batch_size=settings.train_batch_size,
            eval_batch_size=settings.eval_batch_size,
            num_workers=settings.num_workers,
            val_split_mode=ValSplitMode(settings.val_split_mode),
            val_split_ratio=settings.val_split_ratio,
            test_split_mode=TestSplitMode.FROM_DIR,
            seed=settings.seed,
        )
        self.root = Path(root).expanduser()
        self.requested = parse_categories(category)
        self.category = category_label(self.requested)
        self.val_variants = settings.val_variants
        self.samples_per_epoch = settings.samples_per_epoch
        self._train_transform: ItemTransform | None = None

    @abstractmethod
    def _scan(self) -> pd.DataFrame:
        """List every training and test cloud: rows of `dataset.sample_row`, `attrs["task"]` set.

        Raises:
            DatasetError: The folders are not what they should be.
        """

    def _reader(self) -> CloudReader:
        """How a row is read."""
        return CloudReader()

    @property
    def is_on_disk(self) -> bool:
        """Whether the files are there; only a dataset that makes its own can be without."""
        return True

    @property
    def categories(self) -> list[str]:
        """The categories that are loaded, sorted; known after `setup`."""
        return sorted(set(self.train_data.samples.category) | set(self.test_data.samples.category))

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Per category the number of clouds: train, val, test_good, test_anomalous."""
        result = {}
        val = getattr(self, "val_data", None)
        for category in self.categories:
            test = self.test_data.samples.query("category == @category")
            result[category] = {
                "train": int((self.train_data.samples.category == category).sum()),
                "val": 0 if val is None else int((val.samples.category == category).sum()),
                "test_good": int((test.label_index == 0).sum()),
                "test_anomalous": int((test.label_index == 1).sum()),
            }
        return result

    def set_train_transform(self, transform: ItemTransform | None) -> None:
        """Give training clouds a transform; call it before the loaders are built.

        Args:
            transform: `(item, generator) -> item`. The generator depends on the seed, the epoch
                and the cloud, not on the number of workers. It must be picklable.
        """
        self._train_transform = transform
        if hasattr(self, "train_data"):
            self.train_data.transform = transform

    def _setup(self, _stage: str | None = None) -> None:
        samples = self._scan()
        task = samples.attrs["task"]
        cache = CloudCache(CACHE_BYTES)
        for split in ("train", "test"):
            rows = samples[samples.split == split].reset_index(drop=True)
            rows.attrs["task"] = task
            data = PointCloudDataset(
                rows,
                reader=self._reader(),
                name=self.name,
                category=self.category,
                seed=self.seed,
                # Test clouds are read once.
                cache=cache if split == "train" else None,
            )
            setattr(self, f"{split}_data", data)
        if not len(self.train_data):
            msg = f"{self.root} holds no training cloud: put normal clouds into its train folder."
            raise DatasetError(msg)
        self.set_train_transform(self._train_transform)

    def _create_test_split(self) -> None:
        """Keep the test set as the folders have it; anomalib would fill it up from training."""

    def _create_val_split(self) -> None:
        mode = self.val_split_mode
        if mode == ValSplitMode.SAME_AS_TEST:
            self.val_data = copy.deepcopy(self.test_data)
        elif mode == ValSplitMode.FROM_TEST:
            self.test_data, self.val_data = self._split(self.test_data)
        elif mode in {ValSplitMode.FROM_TRAIN, ValSplitMode.SYNTHETIC}:
            self.train_data, self.val_data = self._split(self.train_data)
            self.val_data.transform = None
            if mode == ValSplitMode.SYNTHETIC:
                self._corrupt_validation()

    def _split(self, data: PointCloudDataset) -> tuple[PointCloudDataset, PointCloudDataset]:
        """Hold some clouds out; a category's only cloud is on both sides, with a warning."""
        kept, held = split_rows(list(data.samples.category), self.val_split_ratio, self.seed)
        return data.subsample(kept), data.subsample(held)

    def _corrupt_validation(self) -> None:
        data = self.val_data
        data.samples = synthetic_rows(data.samples, self.val_variants)
        # Good clouds as the dataset reads them; their corrupted draws have labels in any case.
        data.reader = replace(self._reader(), point_truth=True)

    def _update_augmentations(self) -> None:
        """Leave the clouds alone; anomalib looks for an image `Resize` here."""

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled by the seed and the epoch."""
        sampler = EpochSampler(len(self.train_data), self.samples_per_epoch, self.seed)
        return self._loader(self.train_data, self.train_batch_size, sampler=sampler, persist=True)

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """In the order of the table; empty without validation."""
        if self.val_split_mode == ValSplitMode.NONE:
            return []
        return self._loader(self.val_data, self.eval_batch_size, persist=True)

    def test_dataloader(self) -> DataLoader[Any]:
        """In the order of the table.

        Raises:
            DatasetError: There is no test cloud.
        """
        if not len(self.test_data):
            msg = f"{self.root} holds no test cloud: use `fit` instead of `train`, or add some."
            raise DatasetError(msg)
        return self._loader(self.test_data, self.eval_batch_size)

    def _loader(
        self,
        data: PointCloudDataset,
        batch_size: int,
        *,
        sampler: Sampler[Any] | None = None,
        persist: bool = False,
    ) -> DataLoader[Any]:
        return DataLoader(
            data,
            batch_size=batch_size,
            sampler=sampler,
            shuffle=False if sampler is None else None,
            num_workers=self.num_workers,
            # A worker keeps its cache only as long as it lives.
            persistent_workers=persist and self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            collate_fn=self.external_collate_fn or data.collate_fn,
            generator=torch.Generator().manual_seed(self.seed),
        )


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

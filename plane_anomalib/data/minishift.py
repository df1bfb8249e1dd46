"""MiniShift: clouds of half a million points with subtle synthetic defects in three sizes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from plane_anomalib.core.configured import configured
from plane_anomalib.core.errors import DatasetError, PointCloudFileError
from plane_anomalib.data.clouds import sample_row
from plane_anomalib.data.datamodule import BenchmarkDataModule
from plane_anomalib.data.dataset import CloudReader
from plane_anomalib.data.settings import MiniShiftSettings
from plane_anomalib.formats.folders import (
    MINISHIFT_LAYOUT,
    CategoryLayout,
    child_directories,
    child_directory,
    contents,
    list_files,
)

CATEGORIES = (
    *("button_cell", "capsule", "cube", "flat_pad", "light", "nut", "piggy"),
    *("plastic_cylinder", "screen", "screw", "spring_pad", "toothbrush"),
)
LEVELS = ("easy", "medium", "hard")


@configured(MiniShiftSettings)
class MiniShift(BenchmarkDataModule):
    """The MiniShift dataset (2,577 clouds of 12 categories; under 1% of a cloud is anomalous).

    Folders: `<root>/<category>/train/good/*.txt`, `test/good/*.txt`,
    `test/<defect>/<easy|medium|hard>/*.txt` and, below `gt`, a file of the same place and name for
    each anomalous test cloud. The root may be up to three levels above or a category itself.
    Clouds are text, x y z per row; ground truth is text, one number per point in the cloud's order,
    anomalous above 0.5. Units and poses are not published, so no common pose is assumed.

    The layout is that of the loader which the authors' code (github.com/hustCYQ/MiniShift-Simple3D,
    `data/MiniShiftAD.py`) reads the data with. Y. Cheng, Y. Sun, H. Zhang, W. Shen and Y. Cao,
    "Towards High-Resolution 3D Anomaly Detection", AAAI 2026, arXiv 2507.07435. Terms of use: see
    the dataset's own page.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
    """

    config: MiniShiftSettings

    layout: ClassVar[CategoryLayout] = MINISHIFT_LAYOUT
    archive_folder: ClassVar[str] = "minishiftad"
    where_to_get: ClassVar[str] = (
        "Unpack MiniShift (dataset ChengYuQi99/MiniShift on the Hugging Face hub) there: "
        "<category>/train/good/*.txt and so on."
    )

    def build(self) -> None:
        """Take what the settings say."""
        self.level = self.config.level.lower()

    @property
    def official_categories(self) -> tuple[str, ...]:
        """The published categories."""
        return CATEGORIES

    def _reader(self) -> CloudReader:
        return CloudReader(truth_form="labels")

    def _category_rows(self, category: str, folder: Path) -> Iterator[dict[str, object]]:
        for split in ("train", "test"):
            for path in _good(folder, split):
                yield sample_row(path, split=split, category=category, defect="good")
        test = child_directory(folder, "test") or folder
        for defect in child_directories(test):
            if defect.name.lower() != "good":
                yield from self._anomalous(category, folder, defect)

    def _anomalous(self, category: str, folder: Path, defect: Path) -> Iterator[dict[str, object]]:
        suffixes = self.layout.suffixes
        if loose := list_files(defect, suffixes, inside=folder):
            raise PointCloudFileError(
                loose[0],
                f"lies in {defect} itself, where MiniShift has folders easy, medium and hard",
                "unpack the dataset again, or use PointCloudFolder for another one",
            )
        held = [level for level in LEVELS if child_directory(defect, level)]
        if not held:
            msg = (
                f"{defect} has no folder easy, medium or hard (it holds: {contents(defect)}); "
                "unpack the dataset again, or take the folder out of test."
            )
            raise DatasetError(msg)
        for level in held if self.level == "all" else [self.level]:
            for path in list_files(
                child_directory(defect, level) or defect / level, suffixes, inside=folder
            ):
                mask = _truth(path, folder, (defect.name, level))
                yield sample_row(
                    path, split="test", category=category, defect=defect.name, mask=mask
                )


def _good(folder: Path, split: str) -> list[Path]:
    parent = child_directory(folder, split)
    good = parent and child_directory(parent, "good")
    files = list_files(good, MINISHIFT_LAYOUT.suffixes, inside=folder) if good else []
    if not files:
        msg = f"{folder} has no usable .txt cloud in {split}/good; unpack the category again."
        raise DatasetError(msg)
    return files


def _truth(path: Path, folder: Path, place: tuple[str, str]) -> Path:
    """The ground truth of a cloud: the same place and name below `gt`."""
    truth: Path | None = folder
    for name in ("gt", *place):
        truth = truth and child_directory(truth, name.lower())
    files = list_files(truth, MINISHIFT_LAYOUT.suffixes, inside=folder) if truth else []
    fitting = [file for file in files if file.name == path.name]
    if not fitting:
        expected = folder.joinpath("gt", *place, path.name)
        raise PointCloudFileError(
            path,
            f"anomalous, but its ground truth {expected} is missing",
            "unpack the category's gt folder too",
        )
    return fitting[0]

"""MulSen-AD: laser scans of industrial parts; its images are left to others."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from plane_anomalib.core.configured import configured
from plane_anomalib.core.errors import DatasetError, PointCloudFileError
from plane_anomalib.data.clouds import sample_row
from plane_anomalib.data.datamodule import BenchmarkDataModule
from plane_anomalib.data.dataset import CloudReader
from plane_anomalib.data.settings import MulSenADSettings
from plane_anomalib.formats.folders import (
    MULSEN_LAYOUT,
    CategoryLayout,
    child_directories,
    child_directory,
    list_files,
)

CATEGORIES = (
    *("button_cell", "capsule", "cotton", "cube", "flat_pad", "light", "nut", "piggy"),
    *("plastic_cylinder", "screen", "screw", "solar_panel", "spring_pad", "toothbrush", "zipper"),
)
_LABELS = "data.csv"
# object, RGB, infrared, point cloud.
_COLUMNS = 4


@configured(MulSenADSettings)
class MulSenAD(BenchmarkDataModule):
    """The point clouds of the MulSen-AD dataset (15 categories), CC BY 4.0.

    Folders: `<root>/<category>/Pointcloud/{train,test/good,test/<defect>,GT/<defect>}` and
    `<root>/<category>/RGB/GT/<defect>/data.csv`; the root may be up to three levels above or a
    category itself. The other images are not read and need not be there.

    A cloud is the vertices of its `.stl`, each place once. Not every defect can be seen in every
    sensor: in the last column of `data.csv` (object, RGB, infrared, pointcloud) a cloud is
    anomalous (1) or not (0), and one that is not counts as good here, whatever its folder is
    called: the "single 3D" setting of the authors. `GT/<defect>/<name>.txt` lists the anomalous
    points alone; each labels its nearest vertex. Units and poses are not published, so no common
    pose is assumed.

    The layout and these rules are those of the authors' code (github.com/ZZZBBBZZZ/MulSen-AD,
    `dataset_3D.py` and the README). W. Li, B. Zheng, X. Xu et al., "Multi-Sensor Object Anomaly
    Detection: Unifying Appearance, Geometry, and Internal Properties", CVPR 2025, arXiv 2412.14592.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
    """

    config: MulSenADSettings

    layout: ClassVar[CategoryLayout] = MULSEN_LAYOUT
    archive_folder: ClassVar[str] = "mulsen_ad"
    where_to_get: ClassVar[str] = (
        "Unpack MulSen_AD (dataset orgjy314159/MulSen_AD on the Hugging Face hub) there: "
        "<category>/Pointcloud/train/*.stl and so on."
    )

    @property
    def official_categories(self) -> tuple[str, ...]:
        """The published categories."""
        return CATEGORIES

    def _reader(self) -> CloudReader:
        return CloudReader(kind="vertices", truth_form="anomalous_points")

    def _category_rows(self, category: str, folder: Path) -> Iterator[dict[str, object]]:
        train = _below(folder, "pointcloud", "train")
        test = _below(folder, "pointcloud", "test")
        normal = _clouds(train, folder) if train else []
        if not normal or not test:
            msg = (
                f"{folder} has no usable .stl cloud in Pointcloud/{'test' if normal else 'train'}; "
                "unpack the category again."
            )
            raise DatasetError(msg)
        for path in normal:
            yield sample_row(path, split="train", category=category, defect="good")
        for kind in child_directories(test):
            yield from _test_rows(category, folder, kind)


def _test_rows(category: str, folder: Path, kind: Path) -> Iterator[dict[str, object]]:
    clouds = _clouds(kind, folder)
    good = kind.name.lower() == "good" or not clouds
    labels = None if good else _labels_file(folder, kind)
    anomalous = [False] * len(clouds) if labels is None else _read_labels(labels, clouds)
    for path, is_anomalous in zip(clouds, anomalous, strict=True):
        yield sample_row(
            path,
            split="test",
            category=category,
            defect=kind.name if is_anomalous else "good",
            mask=_truth(path, folder) if is_anomalous else None,
            labels=labels,
        )


def _labels_file(folder: Path, kind: Path) -> Path:
    home = _below(folder, "rgb", "gt", kind.name.lower())
    files = list_files(home, {".csv"}, inside=folder) if home else []
    for file in files:
        if file.name.lower() == _LABELS:
            return file
    expected = folder / "RGB" / "GT" / kind.name / _LABELS
    msg = (
        f"{expected} is missing, which says what clouds of {kind} are anomalous; unpack the "
        "category's RGB/GT folder too."
    )
    raise DatasetError(msg)


def _read_labels(file: Path, clouds: list[Path]) -> list[bool]:
    """Whether each cloud is anomalous: by the object's name, or by order as the authors read it."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as handle:
            rows = [row for row in csv.reader(handle) if any(map(str.strip, row))][1:]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PointCloudFileError(file, f"cannot be read: {error}", "unpack it again") from error
    for row in rows:
        if len(row) != _COLUMNS or row[-1].strip() not in {"0", "1"}:
            raise PointCloudFileError(
                file,
                f"has the row {','.join(row)[:60]!r}",
                "object,RGB,infrared,pointcloud with 0 or 1 in the last column is needed",
            )
    if len(rows) != len(clouds):
        raise PointCloudFileError(
            file,
            f"has {len(rows)} rows for the {len(clouds)} clouds in {clouds[0].parent}",
            "unpack the category again",
        )
    by_name = {Path(row[0].strip()).stem: row[-1].strip() == "1" for row in rows}
    if set(by_name) == {path.stem for path in clouds}:
        return [by_name[path.stem] for path in clouds]
    return [row[-1].strip() == "1" for row in rows]


def _truth(path: Path, folder: Path) -> Path:
    home = _below(folder, "pointcloud", "gt", path.parent.name.lower())
    files = list_files(home, {".txt"}, inside=folder) if home else []
    for file in files:
        if file.stem == path.stem:
            return file
    expected = folder / "Pointcloud" / "GT" / path.parent.name / f"{path.stem}.txt"
    raise PointCloudFileError(
        path,
        f"anomalous, but its ground truth {expected} is missing",
        "unpack the category's Pointcloud/GT folder too",
    )


def _clouds(directory: Path, folder: Path) -> list[Path]:
    """The clouds of a folder by the number that ends their name: 2.stl before 10.stl."""

    def number(path: Path) -> tuple[float, str]:
        digits = re.search(r"\d+$", path.stem)
        return (float(digits.group()) if digits else float("inf"), path.name)

    return sorted(list_files(directory, MULSEN_LAYOUT.suffixes, inside=folder), key=number)


def _below(folder: Path, *names: str) -> Path | None:
    """The folder at a place, in any case."""
    found: Path | None = folder
    for name in names:
        found = found and child_directory(found, name)
    return found

"""Columns of a sweep from folders: every dataset in one of the public layouts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from plane_anomalib.benchmark.sweep_file import DataColumn
from plane_anomalib.core.errors import DatasetError
from plane_anomalib.formats.folders import (
    MINISHIFT_LAYOUT,
    MULSEN_LAYOUT,
    PCD_LAYOUT,
    CategoryLayout,
    child_directories,
    child_directory,
    is_category,
)


def columns_of(roots: Sequence[Path]) -> tuple[DataColumn, ...]:
    """A column for every folder of categories at or right below the roots, by the folder's name.

    Args:
        roots: Folders of `<category>/{train,test,GT}` (Anomaly-ShapeNet) or `gt` (Real3D-AD), of
            `<category>/Pointcloud` (MulSen-AD) or of `<category>/{train/good,test,gt}` with text
            (MiniShift), or folders of such folders.

    Raises:
        DatasetError: A root is no folder or holds no such folder, or two have one name.
    """
    columns = [column for root in roots for column in _columns(root.expanduser())]
    by_name = {column.column: column for column in columns}
    if len(by_name) < len(columns):
        names = sorted(column.column for column in columns)
        raise DatasetError(f"Two folders have one name ({', '.join(names)}): rename one of them.")
    return tuple(columns)


def _columns(root: Path) -> list[DataColumn]:
    if not root.is_dir():
        raise DatasetError(f"{root} is no folder: name a folder of categories.")
    places = [root] if _dataset(root) else child_directories(root)
    columns = [
        DataColumn(dataset, place.resolve().name, {"root": str(place)}, official=False)
        for place in places
        if (dataset := _dataset(place))
    ]
    if not columns:
        raise DatasetError(
            f"{root} holds no categories (folders with train, test, and GT or gt), and neither "
            "does a folder in it: name a folder in the layout of a public dataset."
        )
    return columns


def _dataset(folder: Path) -> str | None:
    """The dataset class for a folder of categories."""
    if categories := _categories(folder, PCD_LAYOUT):
        # Only the ground truth's folder is called differently.
        names = {child.name for category in categories for child in child_directories(category)}
        return "AnomalyShapeNet" if "GT" in names else "Real3DAD"
    if _categories(folder, MULSEN_LAYOUT):
        return "MulSenAD"
    if any(child_directory(c, "gt") for c in _categories(folder, MINISHIFT_LAYOUT)):
        return "MiniShift"
    return None


def _categories(folder: Path, layout: CategoryLayout) -> list[Path]:
    return [child for child in child_directories(folder) if is_category(child, layout)]

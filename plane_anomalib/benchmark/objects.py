"""Columns of a sweep from folders: every dataset in one of the two public layouts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from plane_anomalib.benchmark.sweep_file import DataColumn
from plane_anomalib.data.layout import child_directories, is_category
from plane_anomalib.errors import DatasetError

_SUFFIXES = frozenset({".pcd"})


def columns_of(roots: Sequence[Path]) -> tuple[DataColumn, ...]:
    """A column for every folder of categories at or right below the roots, by the folder's name.

    Args:
        roots: Folders of `<category>/{train,test,GT}` (Anomaly-ShapeNet) or `gt` (Real3D-AD), or
            folders of such folders.

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
        raise DatasetError(f"{root} is no folder.")
    places = [root] if _categories(root) else [c for c in child_directories(root) if _categories(c)]
    if not places:
        raise DatasetError(
            f"{root} holds no categories (folders with train, test, and GT or gt), and neither "
            "does a folder in it."
        )
    return [
        DataColumn(_layout(place), place.resolve().name, {"root": str(place)}, official=False)
        for place in places
    ]


def _categories(folder: Path) -> list[Path]:
    return [child for child in child_directories(folder) if is_category(child, _SUFFIXES)]


def _layout(folder: Path) -> str:
    """The dataset class, by how the folders of ground truth are called."""
    names = {
        child.name for category in _categories(folder) for child in child_directories(category)
    }
    return "AnomalyShapeNet" if "GT" in names else "Real3DAD"

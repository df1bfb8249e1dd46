"""Sweep files: which models meet which data, with which seeds, within which limits.

title: Baselines on bowls
models:
- {row: BTF raw, model: BTF, arguments: {descriptor: raw}}
- {row: PLANE, config: ../models/plane.yaml, scope: one-for-all}
data:
- {dataset: AnomalyShapeNet, arguments: {root: ./datasets/Anomaly-ShapeNet}}
categories: [bowl0, bowl1]
seeds: [0, 1]
limits: {timeout_minutes: 60, memory_gb: 8}
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from plane_anomalib.benchmark.schema import ONE_CLASS, ONE_FOR_ALL
from plane_anomalib.core.errors import ConfigurationError, DatasetError, what_was_meant
from plane_anomalib.core.registry import DATASETS, MODELS
from plane_anomalib.core.typed_data import read_yaml, read_yaml_mapping
from plane_anomalib.data.categories import parse_categories
from plane_anomalib.formats.folders import (
    MINISHIFT_LAYOUT,
    MULSEN_LAYOUT,
    PCD_LAYOUT,
    CategoryLayout,
    child_directories,
    child_directory,
    is_category,
)

BUNDLED = Path(__file__).resolve().parents[1] / "configs" / "sweeps"
"""The sweep files that come with the package: its `configs` is a link to the checkout's, which a
wheel holds as files."""
SUFFIXES = (".yaml", ".yml")
SCOPES = (ONE_CLASS, ONE_FOR_ALL)


@dataclass(frozen=True)
class ModelRow:
    """A row of the table.

    Attributes:
        model: A registered name, of this package or a plugin; not with `config`.
        row: The row's label; the model's name by default.
        config: A file of `class_path` and `init_args`, as `anomalib train --model` takes it,
            relative to the sweep file.
        arguments: Of the model; they take the place of those in `config`.
        data_arguments: Of the dataset, for this row alone, such as `val_split_mode: none`.
        scope: For this row alone: `one-class` or `one-for-all`.
        only: Columns, or names of datasets, that the row is for; all by default.
    """

    model: str = ""
    row: str = ""
    config: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    data_arguments: Mapping[str, Any] = field(default_factory=dict)
    scope: str | None = None
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataColumn:
    """A set of data.

    Attributes:
        dataset: A registered name.
        column: What the tables call it; the dataset's name by default.
        arguments: Of the dataset, `root` among them.
        categories: As in `SweepFile`, for this column alone.
        official: Whether the whole published dataset is expected, so that what is absent is said.
    """

    dataset: str
    column: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    categories: Any = None
    official: bool = True


@dataclass(frozen=True)
class JobLimits:
    """What a job may take.

    Attributes:
        timeout_minutes: Wall-clock time; None for any.
        memory_gb: Resident memory of the job's processes together, in GiB; None for any.
        processes: Jobs at a time; None for as many as fit the machine. Speed is measured with 1.
    """

    timeout_minutes: float | None = None
    memory_gb: float | None = None
    processes: int | None = None


@dataclass(frozen=True)
class SweepFile:
    """A whole sweep.

    Attributes:
        models: The rows.
        title: Of the report; the file's name by default.
        data: The columns; none where they are to be given on the command line.
        categories: `all` that are on disk, a name, or a list of names.
        seeds: Each job runs once with each.
        scope: `one-class`, a model per category and so a job per category, or `one-for-all`.
        limits: Of each job.
    """

    models: tuple[ModelRow, ...]
    title: str = ""
    data: tuple[DataColumn, ...] = ()
    categories: Any = "all"
    seeds: tuple[int, ...] = (0,)
    scope: str = ONE_CLASS
    limits: JobLimits = field(default_factory=JobLimits)


def find_sweep(name: str) -> Path:
    """The file of a name: a path, or one of the sweeps that come with the package.

    Raises:
        ConfigurationError: There is neither.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    bundled = {file.stem: file for file in sorted(BUNDLED.glob("*.yaml"))}
    if name in bundled:
        return bundled[name]
    if path.suffix in SUFFIXES or len(path.parts) > 1:
        raise ConfigurationError(
            f"There is no sweep file {name}: check the path, or name one of {', '.join(bundled)}."
        )
    meant = what_was_meant(name, bundled)
    raise ConfigurationError(f"No sweep is called {name!r} and there is no such file: {meant}")


def read_sweep(path: Path) -> SweepFile:
    """Read a sweep file; names are complete and models' configurations read afterwards.

    Args:
        path: The file.

    Raises:
        ConfigurationError: The file is missing, or something in it cannot be meant.
    """
    sweep = read_yaml(SweepFile, path)
    try:
        models = tuple(_complete_model(row, path.parent) for row in sweep.models)
        data = tuple(_complete_column(column) for column in sweep.data)
        sweep = replace(sweep, models=models, data=data, title=sweep.title or path.stem)
        _check(sweep)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    return sweep


def with_roots(sweep: SweepFile, roots: Sequence[str]) -> SweepFile:
    """The sweep with other roots.

    Args:
        sweep: The sweep.
        roots: `COLUMN=DIR`; a column is known by its own or its dataset's name.

    Raises:
        ConfigurationError: Not of that form, or no such column.
    """
    data = list(sweep.data)
    for given in roots:
        name, equals, folder = given.partition("=")
        if not equals or not folder:
            raise ConfigurationError(f"--root takes COLUMN=DIR, not {given!r}.")
        found = [i for i, c in enumerate(data) if name in (c.column, c.dataset)]
        if not found:
            raise ConfigurationError(f"--root {given}: {_no_column(name, sweep)}")
        for index in found:
            column = data[index]
            data[index] = replace(column, arguments={**column.arguments, "root": folder})
    return replace(sweep, data=tuple(data))


def _complete_model(row: ModelRow, folder: Path) -> ModelRow:
    if bool(row.model) == bool(row.config):
        raise ConfigurationError(f"a model needs either model or config: {row.row or row}.")
    name, arguments = row.model, dict(row.arguments)
    if row.config:
        config = read_yaml_mapping(folder / row.config)
        unknown = sorted(set(config) - {"class_path", "init_args"})
        if unknown or not isinstance(config.get("class_path"), str):
            raise ConfigurationError(f"{row.config} must hold class_path and init_args alone.")
        name = config["class_path"].rpartition(".")[2]
        arguments = {**(config.get("init_args") or {}), **arguments}
    entry = MODELS.entry(name)
    if row.scope is not None:
        _check_scope(row.scope)
    return replace(row, model=entry.name, config="", row=row.row or entry.name, arguments=arguments)


def _complete_column(column: DataColumn) -> DataColumn:
    name = DATASETS.entry(column.dataset).name
    if column.categories is not None:
        parse_categories(column.categories)
    if "category" in column.arguments:
        raise ConfigurationError(f"{column.column or name}: say categories beside arguments.")
    return replace(column, dataset=name, column=column.column or name)


def _check(sweep: SweepFile) -> None:
    _check_scope(sweep.scope)
    parse_categories(sweep.categories)
    if not sweep.models or not sweep.seeds:
        raise ConfigurationError("a sweep needs at least one of models, and of seeds.")
    names = [column.column for column in sweep.data]
    if len(set(names)) < len(names):
        raise ConfigurationError(f"two columns have one name: {', '.join(sorted(names))}.")
    if sweep.data:
        for row in sweep.models:
            for name in row.only:
                if not any(name in (c.column, c.dataset) for c in sweep.data):
                    raise ConfigurationError(f"{row.row}: only: {_no_column(name, sweep)}")
    for key in ("timeout_minutes", "memory_gb", "processes"):
        value = getattr(sweep.limits, key)
        if value is not None and not value > 0:
            raise ConfigurationError(f"limits.{key} must be above 0, not {value}.")


def _check_scope(scope: str) -> None:
    if scope not in SCOPES:
        close = difflib.get_close_matches(scope, SCOPES, n=1)
        meant = f" (did you mean {close[0]}?)" if close else ""
        raise ConfigurationError(f"scope must be {' or '.join(SCOPES)}, not {scope!r}{meant}.")


def _no_column(name: str, sweep: SweepFile) -> str:
    names = list(dict.fromkeys(n for c in sweep.data for n in (c.column, c.dataset)))
    return f"no column is called {name!r}: {what_was_meant(name, names)}"


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

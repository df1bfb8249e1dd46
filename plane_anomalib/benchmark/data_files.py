"""Which files a dataset has on this machine, and their hash; remembered while nothing changes.

To list a dataset, its class has to be imported, and to hash it, its files have to be read. Both are
done once: what was found lies in a cache with size and time of every file and folder it was made
from, and is taken again if all of them are the same.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plane_anomalib.core.configured import from_arguments
from plane_anomalib.core.errors import DatasetError
from plane_anomalib.core.files import replaced
from plane_anomalib.core.registry import DATASETS
from plane_anomalib.core.results import Component
from plane_anomalib.core.typed_data import TypedDataError, from_plain, load_strict, strict_json
from plane_anomalib.data.categories import ALL, parse_categories, select_categories

# How files are read and split; none of it changes which there are.
_LOADING = frozenset(
    {"train_batch_size", "eval_batch_size", "num_workers", "val_split_mode", "val_split_ratio"}
    | {"val_variants", "samples_per_epoch", "seed", "geometry_source"}
)


@dataclass(frozen=True)
class Listing:
    """A dataset on disk.

    Attributes:
        categories: Hash of each category's clouds and ground truth, by its name; empty if they are
            yet to be made.
        clouds: Number of test clouds of each category.
        bytes: Size of each category's clouds and ground truth.
        absent: Categories of the published dataset that are not there, if all were asked for.
        stamps: Size and time of every file and folder that this was made from.
    """

    categories: dict[str, str]
    clouds: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    stamps: dict[str, list[int]] = field(default_factory=dict)

    @property
    def is_made(self) -> bool:
        """Whether the files are there; only a dataset that makes its own can be without."""
        return all(self.categories.values())

    def hash_of(self, categories: Iterable[str]) -> str:
        """One hash for some of the categories: a single one's own, else one over theirs."""
        names = sorted(categories)
        if len(names) == 1:
            return self.categories[names[0]]
        text = "".join(f"{name}\0{self.categories[name]}\n" for name in names)
        return hashlib.sha256(text.encode()).hexdigest()


def list_data(data: Component, cache: Path, *, make: bool) -> Listing:
    """What there is of a dataset.

    Args:
        data: The dataset, complete; its `category` says which are wanted.
        cache: Folder for what was found before.
        make: Let a dataset that makes its own files make them.

    Returns:
        The listing.

    Raises:
        DatasetError: The folders are not what they should be.
        PlaneAnomalibError: The dataset cannot be imported.
    """
    arguments = {k: v for k, v in data.arguments.items() if k not in _LOADING}
    file = cache / f"{_key(data.name, arguments)}.json"
    known = _read(file)
    if known is not None:
        return known
    splits = {"val_split_mode": "none"} if "val_split_mode" in data.arguments else {}
    found = _scan(data.name, {**arguments, **splits}, make=make)
    if found.is_made:
        with replaced(file) as temporary:
            temporary.write_text(strict_json(found), encoding="utf-8")
    return found


def _key(name: str, arguments: dict[str, Any]) -> str:
    root = str(Path(arguments.get("root") or "").expanduser().absolute())
    return hashlib.sha256(strict_json([name, {**arguments, "root": root}]).encode()).hexdigest()[
        :20
    ]


def _read(file: Path) -> Listing | None:
    """The remembered listing, unless something has changed since."""
    try:
        known = from_plain(Listing, load_strict(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypedDataError):
        return None
    return known if all(stamp(path) == s for path, s in known.stamps.items()) else None


def stamp(path: str | Path) -> list[int] | None:
    """Size and time of a file or folder, by which a change of it is seen; None without one."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_size if os.path.isfile(path) else 0, found.st_mtime_ns]


def _scan(name: str, arguments: dict[str, Any], *, make: bool) -> Listing:
    if not make and (wanted := _to_make(name, arguments)):
        return Listing(dict.fromkeys(wanted, ""))
    datamodule: Any = DATASETS.get(name)(**arguments)
    if not (make or datamodule.is_on_disk):
        official = datamodule.official_categories
        chosen = select_categories(datamodule.requested, official, where=name, official=official)
        return Listing(dict.fromkeys(chosen, ""))
    datamodule.prepare_data()
    datamodule.setup()
    return _listing(datamodule)


def _to_make(name: str, arguments: dict[str, Any]) -> list[str]:
    """The categories asked for of a dataset that makes its own files, if some are yet to be made.

    Its settings tell, so that a plan need not import it.
    """
    config = DATASETS.entry(name).load_config()
    settings: Any = None if config is None else from_arguments(config, arguments, name)
    return [] if getattr(settings, "is_on_disk", True) else list(settings.wanted)


def _listing(datamodule: Any) -> Listing:
    """Hash what a datamodule has found."""
    from plane_anomalib.core.provenance import data_hash

    parts = (datamodule.train_data, datamodule.test_data)
    rows = [row for part in parts for row in part.samples.itertuples()]
    files: dict[str, set[Path]] = {}
    for row in rows:
        named = (row.image_path, row.mask_path, getattr(row, "label_path", ""))
        files.setdefault(str(row.category), set()).update(Path(p).absolute() for p in named if p)
    hashes, sizes = {}, {}
    stamps: dict[str, list[int]] = {}
    for category, found in files.items():
        home = Path(os.path.commonpath([path.parent for path in found]))
        content = data_hash(found, home)
        if content is None:
            raise DatasetError(f"{home} cannot be read: check its permissions and the disk.")
        hashes[category] = content
        sizes[category] = sum(path.stat().st_size for path in found)
        stamps |= {str(path): stamp(path) or [] for path in found}
        stamps |= {str(path): stamp(path) or [] for path in _folders(found, datamodule.root)}
    tested = [str(category) for category in datamodule.test_data.samples.category]
    counts = {category: tested.count(category) for category in hashes}
    absent = _absent(datamodule, set(hashes))
    return Listing(hashes, counts, sizes, absent, stamps)


def _folders(files: Iterable[Path], root: Path) -> set[Path]:
    """The folders whose entries decided what was found: those of the files, up to the root."""
    top = root.absolute()
    parents = {parent for path in files for parent in path.parents}
    return {parent for parent in parents if parent.is_relative_to(top)} | {
        path.parent for path in files
    }


def _absent(datamodule: Any, found: set[str]) -> list[str]:
    official = getattr(datamodule, "official_categories", ())
    if parse_categories(datamodule.requested) != [ALL] or not found <= set(official):
        return []
    return sorted(set(official) - found)

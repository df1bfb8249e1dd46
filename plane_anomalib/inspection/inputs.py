"""Which files are meant: from what was typed to clouds with names of their own."""

from __future__ import annotations

import difflib
import glob
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError, DatasetError
from plane_anomalib.core.files import sha256_of, unique_stems
from plane_anomalib.core.units import conversion, in_words
from plane_anomalib.formats.folders import (
    LIKELY_SCANS,
    SUFFIXES,
    clouds_below,
    only_clouds,
    others_below,
)
from plane_anomalib.formats.io import PointCloudData, read_points
from plane_anomalib.formats.raw_cloud import ReadOptions, about_fill, fill_rows, too_coarse
from plane_anomalib.geometry.points import as_points
from plane_anomalib.inspection.card import GOOD_FOLDER

LIST_MARK = "@"
CLOUDS_FOLDER = "clouds"
"""Where a folder of results has the files of its clouds."""
Clouds = Any
"""What is learnt from or judged: a path or pattern as `find_clouds` takes it, an array or tensor
`(N, 3)`, or a sequence of either."""
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class CloudFile:
    """A file to learn from or to judge.

    Attributes:
        path: Where it lies, as it was given; for points that were given, a name.
        name: Of its results, without suffix; safe, and no two sources have the same.
        truth: A file with its ground truth, where there is one.
        points: `(N, 3)`, where points were given and no file.
    """

    path: Path
    name: str
    truth: Path | None = None
    points: NDArray[np.float32] | None = None

    def read(self, options: ReadOptions | None = None) -> tuple[PointCloudData, str]:
        """Read the points, and the SHA-256 of the file (or of the points that were given).

        Args:
            options: What files do not say of themselves.

        Raises:
            PointCloudFileError: The file holds no cloud that can be used.
            ConfigurationError: The given points are none.
        """
        if self.points is None:
            return read_points(self.path, options=options), sha256_of(self.path)
        points = as_points(self.points)
        finite = points[np.isfinite(points).all(1)]
        fill = fill_rows(finite)
        kept, notes = finite[~fill], about_fill(finite, fill)
        if reason := too_coarse(kept):
            raise ConfigurationError(f"{self.name}: {reason}; subtract one common offset.")
        data = PointCloudData(kept, dropped=len(points) - len(kept), notes=notes)
        return data, hashlib.sha256(points.tobytes()).hexdigest()


def as_clouds(given: Clouds, *, without: Sequence[Path] = ()) -> list[CloudFile]:
    """The clouds that are meant by paths, or that are given as points.

    Args:
        given: See `Clouds`; not both paths and points.
        without: See `find_clouds`.

    Raises:
        DatasetError: There is nothing under a path.
        ConfigurationError: Paths and points are mixed.
    """
    single = isinstance(given, str | Path) or hasattr(given, "ndim")
    items = [given] if single else list(given)
    paths = [str(item) for item in items if isinstance(item, str | Path)]
    if paths and len(paths) < len(items):
        raise ConfigurationError("Give paths or arrays of points, not both at a time.")
    if paths:
        return find_clouds(paths, without=without)
    clouds = [item.detach().cpu().numpy() if hasattr(item, "detach") else item for item in items]
    return [
        CloudFile(Path(f"cloud{number}"), f"cloud{number}", points=as_points(cloud))
        for number, cloud in enumerate(clouds)
    ]


def find_clouds(
    given: Sequence[str], *, without: Sequence[Path] = (), truth: Path | None = None
) -> list[CloudFile]:
    """Find the files that are meant; the same file is taken once, where it is first meant.

    Args:
        given: Each a file, a folder (with everything below it but ground truth, hidden files and
            links that lead out; scans of kinds that are not read count), a pattern such as
            `scans/*.ply` or `scans/**/*.ply` (likewise), or `@list.txt`, a text file with one of
            these per line, relative to its folder; empty lines and lines that begin with `#` do
            not count.
        without: Folders to pass by when a folder above them is searched.
        truth: A folder with ground truth: what `formats.labels.read_mask` reads, under the stem of
            the cloud it belongs to.

    Returns:
        The files, in the order given; what a folder or a pattern holds, sorted. A file that is
        named but cannot be read is among them, so that reading says why.

    Raises:
        DatasetError: There is nothing under a name or a pattern; the sentence says what is there.
    """
    found: dict[Path, Path] = {}
    for one in given:
        for path in _meant(one, tuple(folder.resolve() for folder in without)):
            found.setdefault(path.resolve(), path)
    paths = list(found.values())
    names = unique_stems([str(path) for path in paths])
    truths = _truths(truth, paths)
    return [CloudFile(*fields) for fields in zip(paths, names, truths, strict=True)]


def passed_by(given: Sequence[str], *, without: Sequence[Path] = ()) -> dict[str, int]:
    """What lies in folders that are searched and is no scan, by its suffix.

    Args:
        given: See `find_clouds`; only folders count.
        without: See `find_clouds`.

    Returns:
        How many files of each suffix, "" for none, the most frequent first.
    """
    shut = tuple(folder.resolve() for folder in without)
    others: set[Path] = set()
    for one in given:
        folder = Path(one).expanduser()
        if folder.is_dir():
            others.update(_not_below(folder, others_below(folder, LIKELY_SCANS), shut))
    return dict(Counter(file.suffix.lower() for file in sorted(others)).most_common())


def others_in_words(files: Mapping[str, int]) -> str:
    """What `passed_by` found, as a sentence; "" where there is nothing."""
    kinds = [f"{number} {suffix or 'without suffix'}" for suffix, number in files.items()]
    more = f" and {len(kinds) - _SHOWN} kinds more" if len(kinds) > _SHOWN else ""
    listed = ", ".join(kinds[:_SHOWN]) + more
    return (
        f"{sum(files.values())} files that are no scans were passed by: {listed}." if files else ""
    )


def _meant(one: str, without: Sequence[Path]) -> Iterator[Path]:
    path = Path(one).expanduser()
    if one.startswith(LIST_MARK) and not path.exists():
        yield from _listed(Path(one.removeprefix(LIST_MARK)).expanduser(), without)
    elif path.is_dir():
        yield from _not_below(path, clouds_below(path, LIKELY_SCANS), without) or _nothing_in(path)
    elif path.exists():
        yield path
    elif glob.has_magic(one):
        yield from _matching(path, without)
    else:
        raise DatasetError(f"{path}: there is no such file or folder{_instead(path)}")


def _listed(file: Path, without: Sequence[Path]) -> Iterator[Path]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DatasetError(
            f"{LIST_MARK}{file}: the list cannot be read ({why}){_instead(file)}"
        ) from error
    entries = [line.strip() for line in lines]
    entries = [entry for entry in entries if entry and not entry.startswith("#")]
    if not entries:
        raise DatasetError(f"{LIST_MARK}{file}: the list is empty; write one path per line.")
    for entry in entries:
        path = file.parent / Path(entry).expanduser()
        if path.is_dir() or (glob.has_magic(entry) and not path.exists()):
            yield from _meant(str(path), without)
        else:  # One missing file of a long list stops nothing.
            yield path


def _matching(pattern: Path, without: Sequence[Path]) -> Sequence[Path]:
    """Files that fit or, where only folders do, what lies in those."""
    parts = pattern.parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    home = Path(*parts[:fixed])
    # Not glob.glob, which goes round in links that lead back.
    matches = [match for match in home.glob(str(Path(*parts[fixed:]))) if _is_shown(match, home)]
    files = {match for match in matches if match.is_file()}
    if not files:
        files = {
            file
            for match in matches
            if match.is_dir()
            for file in clouds_below(match, LIKELY_SCANS)
        }
    clouds = _not_below(home, only_clouds(home, files, LIKELY_SCANS), without)
    if not clouds:
        raise DatasetError(f"{pattern}: no cloud or mesh matches{_there(home)}")
    return clouds


def _is_shown(file: Path, home: Path) -> bool:
    return not any(part.startswith(".") for part in file.relative_to(home).parts)


def _not_below(home: Path, files: Sequence[Path], without: Sequence[Path]) -> list[Path]:
    """Leave out what lies in certain folders, unless the search began inside of them."""
    start = home.resolve()
    passed = [folder for folder in without if not start.is_relative_to(folder)]
    return [f for f in files if not any(f.resolve().is_relative_to(p) for p in passed)]


def _nothing_in(folder: Path) -> Sequence[Path]:
    raise DatasetError(
        f"{folder}: holds no cloud or mesh ({', '.join(sorted(SUFFIXES))}){_there(folder)}"
    )


def _instead(path: Path) -> str:
    """The end of a sentence about a path that does not exist: what lies where it should be."""
    parent = next(folder for folder in path.absolute().parents if folder.is_dir())
    if parent != path.absolute().parent:
        return f"; the nearest folder that exists is {parent}."
    names = [file.name for file in parent.iterdir()]
    near = difflib.get_close_matches(path.name, sorted(names), n=1)
    return f": did you mean {path.with_name(near[0])}?" if near else _there(parent)


def _there(folder: Path) -> str:
    """The end of a sentence about a folder: some of what it holds."""
    names = _names_in(folder)
    if not names:
        return "."
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"; {folder} holds {', '.join(names[:_SHOWN])}{more}."


def _names_in(folder: Path) -> list[str]:
    """What lies in a folder: its clouds, or everything where there is none."""
    if not folder.is_dir():
        return []
    names = sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))
    return [name for name in names if Path(name).suffix.lower() in SUFFIXES] or names


def _truths(folder: Path | None, paths: Sequence[Path]) -> list[Path | None]:
    """The ground-truth file of each cloud."""
    if folder is None:
        return [None] * len(paths)
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder of ground truth{_instead(folder)}")
    files: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(file for file in folder.iterdir() if file.is_file()):
        files[file.stem].append(file)
    return [next(iter(files[path.stem]), None) for path in paths]


def places_without_scans(run: Path, out: Path) -> tuple[Path, Path]:
    """Folders with clouds that are not the user's: earlier results, and a detector's copies."""
    return out / CLOUDS_FOLDER, run / GOOD_FOLDER


def in_units_of(
    data: PointCloudData, stated: str | None, wanted: str
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Points of a cloud in the unit of the good scans, and what was done for it.

    Args:
        data: As it was read.
        stated: The unit that somebody said it has, before what its file declares.
        wanted: That of the good scans; "" where nobody states one.

    Returns:
        `(N, 3) float32`, and a sentence where something was converted or could not be.
    """
    given = stated or data.units
    if not given or given == wanted:
        return data.points, ()
    says = "as was said" if stated else "as the file says"
    if not wanted:
        return data.points, (
            f"Its unit is {in_words(given)}, {says}; that of the good scans is not known, so "
            "lengths were compared as they are.",
        )
    factor = conversion(given, wanted)
    note = f"Lengths were multiplied by {factor:.6g}: from {in_words(given)}, {says}, to "
    points = data.points.astype(np.float64) * factor
    return points.astype(np.float32), (f"{note}{in_words(wanted)}.",)

"""Which columns of a table are x, y, z and the label: as asked, as the header says, or as it looks.

What cannot be told is refused with the columns listed: a wrong column is another cloud.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from plane_anomalib.core.errors import ConfigurationError, PointCloudFileError, what_was_meant
from plane_anomalib.core.units import conversion, unit_named
from plane_anomalib.formats.raw_cloud import AXES, LABEL_NAMES, RawCloud, ReadOptions

MATRIX_COLUMNS = 20
"""From so many columns without names on, a table is a matrix of heights and no list of points."""

_LOOKED_AT = 20_000
_FEW_ROWS = 10
"""Of fewer rows nothing can be told from the values."""
_NOT_PROFILES = 0.2
"""Scans line by line keep a coordinate for five points at least."""
_OTHER_THINGS = (
    *("theta", "phi", "rho", "radius", "range", "azimuth", "angle", "lat", "lon", "intens", "row"),
    *(
        "col",
        "norm",
        "refl",
        "red",
        "green",
        "blue",
        "time",
        "index",
        "label",
        "elevation",
        "height",
    ),
)
_ALIKE, _WIDE = 3.0, 7
"""Columns of a matrix are as wide and as high as each other, within this factor; what has fewer
columns than that is looked at as points."""
_SHOWN_COLUMNS = 12
_FURTHER_LABELS = ("ground_truth", "anomaly", "anomalous", "defect")
_QUALIFIED = re.compile(r"(.*?)[\s_]*[\[(<{]\s*([^\])>}]*?)\s*[\])>}]?$")
_UNIT_TAIL = re.compile(r"([xyz]|easting|northing|elevation|height)[\s_/.-]+(um|mm|cm|m|in|ft)")
_NO_LENGTHS = frozenset(
    {"px", "pixel", "pixels", "pix", "deg", "degree", "degrees", "rad", "radians", "\xb0", "voxel"}
)
# ParaView numbers the parts of a vector: Points:0, Points_0.
_NUMBERED = re.compile(r"(?:points?|coord(?:inate)?s?|xyz|vertex|positions?)[ _:.]*([012])")
_COMPOUND = re.compile(
    r"\.?(?:field|cloud|vertices|points?|coord(?:inate)?s?|xyz|vertex|pos(?:ition)?s?|cartesian"
    r"|location|p)[ _:.-]*([xyz])"
    r"|([xyz])[ _.-]*(?:coord(?:inate)?s?|pos(?:ition)?|axis|value)"
)
_SURVEY = {
    **dict.fromkeys(("easting", "east", "eastings", "rechtswert"), "x"),
    **dict.fromkeys(("northing", "north", "northings", "hochwert"), "y"),
    **dict.fromkeys(("elevation", "height", "altitude", "elev", "hoehe"), "z"),
}


@dataclass(frozen=True)
class ColumnName:
    """A column's name, taken apart.

    Attributes:
        text: As the file has it, without quotes.
        plain: In lower case, without what stands in brackets.
        qualifier: What stands in brackets, in lower case: mostly a unit.
    """

    text: str
    plain: str
    qualifier: str = ""

    @classmethod
    def of(cls, text: str) -> ColumnName:
        """Take a name apart."""
        text = text.strip().strip("\"'").strip()
        plain, qualifier = text.lower().replace("\xb5", "u").replace("\u03bc", "u"), ""
        if found := _QUALIFIED.fullmatch(plain):
            plain, qualifier = found[1].strip(), found[2].strip()
        elif found := _UNIT_TAIL.fullmatch(plain):
            plain, qualifier = found[1], found[2]
        return cls(text, plain.removeprefix("//").removeprefix("#").strip(), qualifier)


@dataclass(frozen=True)
class CloudColumns:
    """Which columns make a cloud.

    Attributes:
        xyz: Positions of x, y and z, from 0.
        label: Position of the label; None where there is none.
        names: Of x, y and z; empty where the table has no names.
        notes: A sentence where something was assumed.
    """

    xyz: tuple[int, int, int]
    label: int | None = None
    names: tuple[ColumnName, ...] = ()
    notes: tuple[str, ...] = ()

    def cloud(self, path: Path, table: npt.NDArray[Any]) -> RawCloud:
        """Take the columns out of a table, lengths in one unit.

        Args:
            path: The file, for the error.
            table: Shape (N, C), any real dtype.

        Raises:
            PointCloudFileError: The names say that a column is no length.
        """
        x, _, z = self.xyz
        together = self.xyz == (x, x + 1, x + 2)
        coordinates = table[:, x : z + 1] if together else table[:, list(self.xyz)]
        labels = None if self.label is None else table[:, self.label]
        units = [_unit_of(path, name) for name in self.names]
        if not any(units):
            return RawCloud(coordinates, labels, notes=self.notes)
        if not all(units):
            raise PointCloudFileError(
                path,
                f"gives a unit for some of x, y and z only: {_listed(self.names)}",
                "give all three the same unit",
            )
        notes = self.notes
        for axis, unit in enumerate(units):
            if unit != units[0]:
                coordinates = coordinates.astype(np.float64)
                coordinates[:, axis] *= conversion(unit, units[0])
                name = self.names[axis].text
                notes += (f"{name!r} was converted from {unit} to {units[0]}.",)
        return RawCloud(coordinates, labels, notes=notes, units=units[0])


def named_columns(names: Sequence[str]) -> CloudColumns | None:
    """Find x, y, z and the label by their names.

    The plainest names win: `x`, `X [mm]` before `Points:0`, then `x_coord`, then `easting`.

    Args:
        names: Of all columns.

    Returns:
        The columns; None where the names do not say, or say it twice.
    """
    taken = [ColumnName.of(name) for name in names]
    for axis_of in (_exact, _numbered, _compound, _exact_or_survey):
        places = {axis: [i for i, n in enumerate(taken) if axis_of(n) == axis] for axis in AXES}
        if all(len(found) == 1 for found in places.values()):
            x, y, z = (places[axis][0] for axis in AXES)
            notes = _note_of_names((x, y, z), taken)
            return CloudColumns((x, y, z), _label(taken), (taken[x], taken[y], taken[z]), notes)
    return None


def _exact(name: ColumnName) -> str:
    return name.plain if name.plain in AXES else ""


def _numbered(name: ColumnName) -> str:
    found = _NUMBERED.fullmatch(name.plain)
    return AXES[int(found[1])] if found else ""


def _compound(name: ColumnName) -> str:
    found = _COMPOUND.fullmatch(name.plain)
    return (found[1] or found[2]) if found else ""


def _exact_or_survey(name: ColumnName) -> str:
    return _exact(name) or _SURVEY.get(name.plain, "")


def _note_of_names(xyz: tuple[int, int, int], names: Sequence[ColumnName]) -> tuple[str, ...]:
    """Nothing is assumed where x, y and z come first under their own names."""
    if xyz == (0, 1, 2) and all(_exact(names[i]) for i in xyz):
        return ()
    columns = ", ".join(f"{i + 1} ({names[i].text})" for i in xyz)
    return (f"Columns {columns} were taken for x, y, z, as the header says.",)


def _label(names: Sequence[ColumnName]) -> int | None:
    wanted = (*LABEL_NAMES, *_FURTHER_LABELS)
    plain = [name.plain.removeprefix("scalar_").removeprefix("scalar ") for name in names]
    return next((plain.index(name) for name in wanted if name in plain), None)


def _unit_of(path: Path, name: ColumnName) -> str:
    if name.qualifier in _NO_LENGTHS:
        raise PointCloudFileError(
            path,
            f"its column {name.text!r} is no length",
            "export x, y and z in one unit of length",
        )
    try:
        return unit_named(name.qualifier)
    except ConfigurationError:
        return ""  # some other word in brackets, such as "world"


def asked_columns(
    path: Path, options: ReadOptions, names: Sequence[str], count: int
) -> CloudColumns:
    """The columns that the user named.

    Args:
        path: The file, for the error.
        options: With names or numbers from 1 in `columns`.
        names: Of all columns; empty where the table has none.
        count: How many columns there are.

    Raises:
        PointCloudFileError: There is no such column.
    """
    taken = [ColumnName.of(name) for name in names]
    places = [_asked(path, text, taken, count) for text in options.columns]
    if len(places) != 3 or len(set(places)) != 3:
        raise ConfigurationError(
            f"--columns {','.join(options.columns)}: name three different columns, those of "
            "x, y and z, such as --columns 2,3,4."
        )
    x, y, z = places
    chosen = (taken[x], taken[y], taken[z]) if taken else ()
    label = _label(taken)
    if not taken and count == 4:
        label = next(i for i in range(4) if i not in places)
    return CloudColumns((x, y, z), None if label in places else label, chosen)


def _asked(path: Path, text: str, names: Sequence[ColumnName], count: int) -> int:
    wanted = text.strip()
    if wanted.isdecimal():
        if 1 <= int(wanted) <= count:
            return int(wanted) - 1
        raise PointCloudFileError(
            path, f"has no column {wanted}, only {count}", "give --columns numbers from 1"
        )
    for pick in ("text", "plain"):
        found = [i for i, name in enumerate(names) if getattr(name, pick).lower() == wanted.lower()]
        if len(found) == 1:
            return found[0]
    if not names:
        raise PointCloudFileError(
            path, f"has no names, so no column {wanted!r}", "give --columns numbers from 1"
        )
    raise PointCloudFileError(
        path,
        f"has no column {wanted!r}, or several",
        what_was_meant(wanted, [name.text for name in names], "it has"),
    )


def how_to_say(count: int, first: int = 0) -> str:
    """What to do where it is unclear which of a number of columns are x, y and z.

    Args:
        count: How many columns there are.
        first: The likeliest of them for x, from 1; 0 where none is likelier.
    """
    first = first or max(1, min(4, count - 2))
    example = f"{first},{first + 1},{first + 2}"
    return f"name x, y and z in a first line, or with --columns, such as --columns {example}"


def columns_by_look(path: Path, table: npt.NDArray[Any], names: Sequence[str] = ()) -> CloudColumns:
    """The first three columns, unless their values look like anything but x, y and z.

    Args:
        path: The file, for the error.
        table: Shape (N, C >= 3), any real dtype.
        names: Of all columns, none of which is x, y or z; empty where the table has none.

    Raises:
        PointCloudFileError: It cannot be told which columns they are.
    """
    count = table.shape[1]
    names = () if all(name.isdecimal() for name in names) else names  # pandas numbers columns
    doubt = _doubt(table)
    if names and not doubt and (count > 3 or any(_is_other(name) for name in names)):
        doubt = "its header names no x, y and z"
    if doubt:
        raise PointCloudFileError(
            path,
            f"{doubt}, so it is unclear which are x, y and z; the columns begin with "
            f"{_beginnings(table, names)}",
            how_to_say(count, _likely(table)),
        )
    notes: tuple[str, ...] = ()
    if names:
        notes = (f"Columns {', '.join(map(repr, names))} were taken for x, y, z.",)
    elif count > 4:
        notes = (f"The first 3 of {count} columns were taken for x, y, z, as none has a name.",)
    return CloudColumns((0, 1, 2), 3 if count == 4 and not names else None, notes=notes)


def _is_other(name: str) -> bool:
    """Whether a name is of something else than a length along an axis, or of one axis alone."""
    plain = ColumnName.of(name).plain
    return len(plain) == 1 or any(word in plain for word in _OTHER_THINGS)


def _likely(table: npt.NDArray[Any]) -> int:
    """From which column on, from 1, three in a row may be coordinates; 0 where none may."""
    for first in range(1, table.shape[1] - 2):
        part = table[:, first : first + 3].astype(np.float64)
        if not any(_is_whole(part[:, i]) for i in range(3)) and not _are_directions(part):
            return first + 1
    return 0


def _doubt(table: npt.NDArray[Any]) -> str:
    """What speaks against the first three columns; "" where nothing does."""
    table = table[:_LOOKED_AT]
    usable = table[np.isfinite(table[:, :3]).all(1)]
    if len(usable) < _FEW_ROWS:
        return ""
    if table.shape[1] == 4 and np.isin(usable[:, 3], (0, 1)).all():
        return ""  # a label: no cloud lies in two planes
    first = usable[:, :3].astype(np.float64)
    for i in range(3):
        if _counts(first[:, i]) if table.shape[1] == 3 else _runs(first[:, i]):
            return f"its column {i + 1} grows from row to row, like a number or a time"
    if table.shape[1] == 3:
        return ""
    if table.shape[1] >= _WIDE and _are_heights(usable.astype(np.float64)):
        return "its columns resemble each other, like a matrix of heights"
    rest = usable[:, 3:].astype(np.float64)
    whole = [_is_whole(first[:, i]) for i in range(3)]
    if any(whole) and not all(whole):
        return "some of its first three columns hold whole numbers only, like rows or labels"
    if all(whole) and table.shape[1] > 5:
        return _doubt_of_whole(first, rest)
    if table.shape[1] > 5 and _are_directions(first) and not _are_directions(rest[:, :3]):
        return "its first three columns are directions, like normals"
    return ""


def _doubt_of_whole(first: npt.NDArray[np.float64], rest: npt.NDArray[np.float64]) -> str:
    if not all(_is_whole(rest[:, i]) for i in range(3)):
        return "its first three columns hold whole numbers and the next ones do not, as colours do"
    if first.min() >= 0 and first.max() <= 255:
        return "its first three columns hold whole numbers from 0 to 255, like colours"
    if min(first[:, 1].min(), rest[:, 0].min(), rest[:, 2].min()) >= 0:
        return "it has whole numbers only, which may be halves of numbers with decimal commas"
    return ""


def _counts(values: npt.NDArray[np.float64]) -> bool:
    """Whether they are 1, 2, 3 and so on, from anywhere."""
    return _is_whole(values) and bool((np.diff(values) == 1).all())


def _runs(values: npt.NDArray[np.float64]) -> bool:
    """Whether they grow or fall all the way; profiles, which keep a value for long, do not."""
    steps = np.diff(values)
    return bool(((steps >= 0).all() or (steps <= 0).all()) and (steps != 0).mean() > _NOT_PROFILES)


def _is_whole(values: npt.NDArray[np.float64]) -> bool:
    finite = values[np.isfinite(values)]
    return bool((finite == np.round(finite)).all())


def _are_heights(rows: npt.NDArray[np.float64]) -> bool:
    rows = rows[np.isfinite(rows).all(1)][:2_000]
    if len(rows) < _FEW_ROWS:
        return False
    widths, middles = rows.std(axis=0), rows.mean(axis=0)
    alike = widths.max() < _ALIKE * widths.min() and np.ptp(middles) < _ALIKE * widths.max()
    steps = np.abs(np.diff(rows, axis=1)).mean()
    return bool(alike or steps < 0.1 * rows.std())


def _are_directions(rows: npt.NDArray[np.float64]) -> bool:
    lengths = np.linalg.norm(rows, axis=1)
    return bool((np.abs(lengths - 1) < 0.01).mean() > 0.99)


def _beginnings(table: npt.NDArray[Any], names: Sequence[str]) -> str:
    """Each column with its first value."""
    shown = [
        f"{i + 1}{f' {names[i]}' if names else ''}: {value:.7g}"
        for i, value in enumerate(table[0, :_SHOWN_COLUMNS].tolist())
    ]
    more = table.shape[1] - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _listed(names: Sequence[ColumnName]) -> str:
    return ", ".join(repr(name.text) for name in names)

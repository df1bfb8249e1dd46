"""How a table is laid out as text: its delimiter, decimal mark, header and first row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from plane_anomalib.core.errors import PointCloudFileError
from plane_anomalib.formats.columns import asked_columns, how_to_say, named_columns
from plane_anomalib.formats.raw_cloud import ReadOptions

COMMENT_MARKS = ("#", "//", "%")
LONGEST_LINE = 65_536
_LONGEST_HEAD = 50
_SAMPLE = 65_536
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_FORTRAN = re.compile(r"[+-]?(\d+\.\d*|\.\d+)d[+-]?\d+", re.IGNORECASE)
# As C, MSVC, Java, R, MATLAB, databases and spreadsheets write what is no number.
_MISSING = re.compile(
    r"[+-]?(nan(\([a-z0-9]*\)|q|s)?|inf(inity|inite)?|\d*\.?#(ind|qnan|snan|inf|nan)\w*)"
    r"|#?n/?a|#(num|value|ref|null)!|#div/0!|null|none|nil|missing|undefined|invalid|-+|\?+|\*+|",
    re.IGNORECASE,
)
_INSIDE = re.compile(r'"[^"]*"')
_GERMAN = re.compile(r"[+-]?\d+(,\d+)?(e[+-]?\d+)?", re.IGNORECASE)
_MARKS = ("#", "//", "%")


@dataclass(frozen=True)
class TextLayout:
    """How a text table is laid out.

    Attributes:
        delimiter: The column delimiter; None for runs of spaces and tabs.
        decimal: The decimal mark.
        names: Column names, empty where no line before the rows has them.
        skip: Number of lines before the first row.
        columns: Number of columns of the first row.
        promised: How many rows a line before them says there are; None where none does.
        quoted: Whether values stand in quotes.
        needed: Columns that must hold numbers, others become NaN; empty for all.
    """

    delimiter: str | None = None
    decimal: str = "."
    names: tuple[str, ...] = ()
    skip: int = 0
    columns: int = 0
    promised: int | None = None
    quoted: bool = False
    needed: tuple[int, ...] = ()

    def split(self, line: str) -> list[str]:
        """Split one line into its values."""
        if self.quoted:
            line = re.sub(r'"([^"]*)"', lambda found: found[1].replace(",", self.decimal), line)
        values = [value.strip() for value in line.strip(" \r\n").split(self.delimiter)]
        return [value.replace(",", ".") for value in values] if self.decimal == "," else values


def as_number(text: str) -> float | None:
    """The value; NaN for what is no number in some spelling, None for any other word."""
    if _NUMBER.fullmatch(text):
        return float(text)
    if _MISSING.fullmatch(text):
        return float("nan")
    return float(text.lower().replace("d", "e")) if _FORTRAN.fullmatch(text) else None


def detect_layout(path: Path, handle: BinaryIO, options: ReadOptions) -> TextLayout:
    """Look at the lines up to the first row of numbers.

    Args:
        path: The file, for the errors.
        handle: The open file, at its beginning.
        options: Which columns the user wants.

    Raises:
        PointCloudFileError: Not text, a damaged row, or no row of numbers.
    """
    head: list[str] = []
    promised: int | None = None
    for number, line in _lines(path, handle):
        if line and not line.startswith(COMMENT_MARKS):
            for layout in _layouts(line, [line, *_lines_ahead(handle)], head):
                layout = _with_names(path, layout, line, head, options)
                if _is_row(layout, line) and not _numbers_columns(layout, line, handle):
                    return replace(layout, skip=number, promised=promised)
            if line.isdecimal() and promised is None:
                promised = int(line)
                continue
            if not line[0].isdigit() or not _is_counted(line):
                _check_title(path, number + 1, line)
        head.append(line)
    raise PointCloudFileError(
        path, "holds no row of numbers: zero points", "rows of x y z are needed"
    )


def _lines(path: Path, handle: BinaryIO) -> Iterator[tuple[int, str]]:
    for number, raw in enumerate(iter(lambda: handle.readline(LONGEST_LINE), b"")):
        if b"\x00" in raw or raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise PointCloudFileError(
                path, "is not plain text (binary or UTF-16)", "save it as UTF-8 text"
            )
        if len(raw) == LONGEST_LINE:
            raise too_long(path, number + 1)
        if number == _LONGEST_HEAD:
            return
        try:
            line = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            line = raw.decode("latin-1")  # how Windows writes a micro sign
        yield number, line.strip(" \r\n")


def _lines_ahead(handle: BinaryIO) -> list[str]:
    place = handle.tell()
    text = handle.read(_SAMPLE).decode("latin-1")
    handle.seek(place)
    return [line for line in text.split("\n")[:-1] if not line.startswith(COMMENT_MARKS)]


def _layouts(line: str, sample: Sequence[str], head: Sequence[str]) -> Iterator[TextLayout]:
    """Ways to take a line for a row, the likeliest first."""
    bare = _INSIDE.sub("", line)
    commas = "," if any("," in text for text in sample) else "."
    quoted = bare != line
    if ";" in bare:
        yield TextLayout(";", commas, quoted=quoted)
    elif "," in bare and not _has_decimal_commas(line, sample):
        yield TextLayout(",", quoted=quoted)
    else:
        spaced = TextLayout(None, commas if _has_decimal_commas(line, sample) else ".")
        ways = [replace(spaced, quoted=quoted)]
        if "\t" in bare:
            ways.append(replace(ways[0], delimiter="\t"))
            tabs = bare.count("\t")
            if any(text.count("\t") == tabs for text in head):
                ways.reverse()
        yield from ways


def _has_decimal_commas(line: str, sample: Sequence[str]) -> bool:
    """Whether spaces or tabs part numbers with decimal commas, and not commas some columns."""
    if not all(
        _GERMAN.fullmatch(w) or _MISSING.fullmatch(w) for w in line.replace('"', "").split()
    ):
        return False
    places = {i for text in sample for i, word in enumerate(text.split()) if "," in word}
    return len(places) > 1


def _with_names(
    path: Path, layout: TextLayout, line: str, head: Sequence[str], options: ReadOptions
) -> TextLayout:
    """Add the number of columns, their names, and which of them must hold numbers."""
    count = len(layout.split(line))
    names = header_names(path, head, layout.delimiter, count)
    named = named_columns(names)
    try:
        asked = asked_columns(path, options, names, count) if options.columns else named
    except PointCloudFileError:
        asked = None  # said once the table is read
    label = () if asked is None or asked.label is None else (asked.label,)
    needed = () if asked is None else (*asked.xyz, *label)
    return replace(layout, names=names, columns=count, needed=needed)


def _is_row(layout: TextLayout, line: str) -> bool:
    values = layout.split(line)
    wanted = [values[i] for i in layout.needed] or values
    numbers = [as_number(value) for value in wanted]
    return len(values) >= 3 and None not in numbers and (bool(layout.needed) or any(
        _NUMBER.fullmatch(value) or "n" in value.lower() for value in wanted
    ))  # fmt: skip


def _is_counted(line: str) -> bool:
    words = re.split(r"[,;\s]+", line)
    return words == [str(i) for i in range(len(words))]


def _numbers_columns(layout: TextLayout, line: str, handle: BinaryIO) -> bool:
    """Whether a row is 0, 1, 2 and so on above others: how pandas writes columns without names."""
    if layout.split(line) != [str(i) for i in range(layout.columns)]:
        return False
    following = [layout.split(text) for text in _lines_ahead(handle)[:10] if text.strip()]
    return bool(following) and all(any("." in value for value in row) for row in following)


def _check_title(path: Path, number: int, line: str) -> None:
    """Refuse a damaged row; words alone are a title or names."""
    words = re.split(r"[,;\s]+", line.replace('"', "").strip(",; \t"))
    others = [word for word in words if not _NUMBER.fullmatch(word)]
    if len(words) - len(others) < 2 and others:
        return
    if others:
        reason = f"line {number} has {others[0][:40]!r} where a number belongs"
        raise PointCloudFileError(path, reason, "rows of numbers may follow lines of names")
    if len(words) > 2:
        reason = f"line {number} parts its numbers in more than one way: {line[:40]!r}"
        raise PointCloudFileError(path, reason, "use one delimiter and one decimal mark")
    raise PointCloudFileError(
        path,
        f"has {len(words)} column(s) in line {number}; x, y and z are needed",
        "separate the values by comma, semicolon, tab or space",
    )


def too_long(path: Path, number: int) -> PointCloudFileError:
    """What to say of a line that is no row of a table."""
    return PointCloudFileError(
        path, f"line {number} has over {LONGEST_LINE:,} characters", "one row per point is needed"
    )


def header_names(
    path: Path, head: Sequence[str], delimiter: str | None, count: int
) -> tuple[str, ...]:
    """The names of a table's columns, out of the lines that come before its rows.

    Args:
        path: The file, for the error.
        head: Those lines.
        delimiter: What parts the values of the rows; None for spaces.
        count: How many columns the rows have.

    Returns:
        A name for each column, "" where it has none; empty where no line has them.

    Raises:
        PointCloudFileError: The names of x, y and z are there, but not for every column.
    """
    for line in reversed(head):
        body = line.lstrip("#/% ")
        for mark in dict.fromkeys((delimiter, ",", ";", "\t", None)):
            names = _split_names(body, mark, count)
            if named_columns(names) is None:
                continue
            if len(names) == count:
                return _with_units(names, head[head.index(line) + 1 :], mark)
            if len(names) > count and mark is None and (aligned := _aligned(names, count)):
                return aligned
            if mark == delimiter and not line.startswith(("#", "/", "%")):
                raise PointCloudFileError(
                    path,
                    f"its header has {len(names)} names for {count} columns: {', '.join(names)}",
                    how_to_say(count),
                )
    for line in reversed(head):
        names = _split_names(line, delimiter, count)
        if len(names) == count and line[:1] not in ("", "#", "/", "%"):
            return tuple(names)
    return ()


def _with_units(
    names: Sequence[str], below: Sequence[str], delimiter: str | None
) -> tuple[str, ...]:
    """Names with the units that stand on a line of their own below them."""
    for line in below:
        units = _split_names(line.lstrip("#/% "), delimiter, len(names))
        plain = [unit.strip("[]()") for unit in units]
        if len(plain) == len(names) and not any(_NUMBER.fullmatch(unit) for unit in plain):
            return tuple(
                f"{name} [{unit}]" if unit else name
                for name, unit in zip(names, plain, strict=True)
            )
    return tuple(names)


def _split_names(line: str, delimiter: str | None, count: int) -> list[str]:
    names = [name.strip().strip("\"'") for name in line.split(delimiter)]
    if delimiter is None:  # a unit in brackets belongs to the name before it
        joined: list[str] = []
        for name in names:
            if joined and (name[:1] in ("(", "[") or joined[-1].count("(") > joined[-1].count(")")):
                joined[-1] += f" {name}"
            else:
                joined.append(name)
        names = joined
    while len(names) > count and not names[-1]:
        names.pop()
    return names


def _aligned(names: Sequence[str], count: int) -> tuple[str, ...]:
    """Names with spaces in them, put to columns from the end at which x, y, z stand."""
    found = named_columns(names)
    if found is None:
        return ()
    rest = ("",) * (count - 4)
    if found.xyz == (0, 1, 2):
        return (*names[:3], *rest, *names[-1:]) if count > 3 else tuple(names[:3])
    last = len(names) - 1
    if found.xyz == (last - 2, last - 1, last) and count > 3:
        return ("", *rest, *names[-3:])
    return ()

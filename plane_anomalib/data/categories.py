"""Which categories a user asked for, and which of them are on disk."""

from __future__ import annotations

import difflib
import zlib
from collections.abc import Iterable, Mapping, Sequence

from plane_anomalib.core.errors import ConfigurationError, DatasetError

ALL = "all"
_LONGEST_LABEL = 60


def parse_categories(value: object) -> list[str]:
    """Turn any way of writing categories into a list.

    Args:
        value: `"all"`, one name, names separated by commas (brackets allowed), or any sequence of
            names, such as the `ListConfig` that a configuration file arrives as.

    Returns:
        `["all"]`, or the names in the given order without repetition.

    Raises:
        ConfigurationError: Nothing usable was given.
    """
    if isinstance(value, str):
        names = value.strip().removeprefix("[").removesuffix("]").split(",")
    elif isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        names = list(value)
        if not all(isinstance(name, str) for name in names):
            msg = f"category must hold names, not {value!r}."
            raise ConfigurationError(msg)
    else:
        msg = f"category must be 'all', a name or a list of names, not {value!r}."
        raise ConfigurationError(msg)
    unique = list(dict.fromkeys(name.strip().strip("'\"") for name in names))
    if not unique or not all(unique):
        msg = f"category is empty or has an empty name in it ({value!r}); use 'all' for every one."
        raise ConfigurationError(msg)
    if unsafe := [name for name in unique if "/" in name or "\\" in name or name in {".", ".."}]:
        msg = f"category {unsafe[0]!r} is a path; give the folder's name and put the rest in root."
        raise ConfigurationError(msg)
    return [ALL] if ALL in (name.lower() for name in unique) else unique


def category_label(names: Sequence[str]) -> str:
    """One string for a set of categories that can be a directory's name.

    Args:
        names: What `parse_categories` gave.

    Returns:
        The names joined by `+`; a long list is cut and told apart by a checksum.
    """
    label = "+".join(names)
    if len(label) <= _LONGEST_LABEL:
        return label
    checksum = zlib.crc32(label.encode())
    return f"{names[0][:_LONGEST_LABEL]}+{len(names) - 1}-more-{checksum:08x}"


def canonical(name: str, aliases: Mapping[str, str], official: Sequence[str]) -> str:
    """The official spelling of a category.

    Args:
        name: As the user or a paper writes it: `jar`, `Phone0`, `candy`.
        aliases: Other names in lower case, with what they stand for.
        official: The dataset's own names.

    Returns:
        The official name; a name without its number is completed if only one fits. An unknown
        name comes back unchanged.
    """
    lower = name.lower()
    if lower in official:
        return lower
    if lower in aliases:
        return aliases[lower]
    numbered = [other for other in official if other.rstrip("0123456789") == lower]
    return numbered[0] if len(numbered) == 1 else name


def select_categories(
    requested: Sequence[str],
    available: Sequence[str],
    *,
    where: str,
    aliases: Mapping[str, str] | None = None,
    official: Sequence[str] = (),
) -> list[str]:
    """Choose the requested categories among those on disk.

    Args:
        requested: What `parse_categories` gave.
        available: Folder names on disk.
        where: The place, for the error.
        aliases: Other names, in lower case.
        official: The dataset's own names.

    Returns:
        Folder names, sorted.

    Raises:
        DatasetError: A named category is not on disk; the message lists what is.
    """
    if list(requested) == [ALL]:
        return sorted(available)
    by_lower = {name.lower(): name for name in available}
    chosen = []
    for name in requested:
        official_name = canonical(name, aliases or {}, official)
        found = name if name in available else by_lower.get(name.lower())
        found = found or by_lower.get(official_name.lower())
        if found is None:
            raise DatasetError(_missing(name, official_name, available, where, official))
        chosen.append(found)
    return sorted(set(chosen))


def _missing(
    name: str, official_name: str, available: Sequence[str], where: str, official: Sequence[str]
) -> str:
    listing = ", ".join(sorted(available)) or "none"
    if official_name in official:
        return (
            f"category {name!r} belongs to the dataset but is not in {where}, which holds: "
            f"{listing}."
        )
    close = difflib.get_close_matches(name.lower(), [*available, *official], n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"category {name!r} is not in {where}, which holds: {listing}{hint}"

"""Names of result files: none overwritten by a namesake."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import count
from pathlib import PurePath

_UNSAFE = re.compile(r"[^\w.+-]+")
_LONGEST_NAME = 120


def safe_name(text: str) -> str:
    """Turn any text into a plain file name (letters of any script, digits, `_ . + -`)."""
    name = _UNSAFE.sub("_", text).strip(".")
    return name[:_LONGEST_NAME] or "unnamed"


def unique_stems(paths: Sequence[str], groups: Sequence[str] | None = None) -> list[str]:
    """Name results after their input files, no two alike in one group.

    A stem that occurs once is kept. Namesakes take as many parent folders in front as tell them
    apart (`hole_000`, `good_000`); what is still alike (`a.pcd` beside `a.ply`, or one file
    given twice) is numbered. Letter case does not tell names apart, since not every disk does.

    Args:
        paths: Input files.
        groups: Which directory each result goes to; all to one if left out.

    Returns:
        One safe file name without suffix per path, in order.
    """
    folders = [safe_name(group).casefold() for group in groups or [""] * len(paths)]
    parts = [
        tuple(part for part in PurePath(path).with_suffix("").parts if part not in ("/", ".."))
        for path in paths
    ]
    depth = [1] * len(paths)
    for _ in range(max(map(len, parts), default=0)):
        twins: dict[tuple[str, str], list[int]] = defaultdict(list)
        for i, name in enumerate(_names(parts, depth)):
            twins[folders[i], name.casefold()].append(i)
        # More folders cannot part files that differ in their suffix only.
        apart = [alike for alike in twins.values() if len({parts[i] for i in alike}) > 1]
        for i in (i for alike in apart for i in alike):
            depth[i] += 1
        if not apart:
            break
    return _numbered(_names(parts, depth), folders)


def _names(parts: Sequence[tuple[str, ...]], depth: Sequence[int]) -> list[str]:
    return [safe_name("_".join(names[-d:])) for names, d in zip(parts, depth, strict=True)]


def _numbered(names: Sequence[str], folders: Sequence[str]) -> list[str]:
    """Append -2, -3, ... to names that their folder already has."""
    taken: set[tuple[str, str]] = set()
    unique = []
    for name, folder in zip(names, folders, strict=True):
        tries = (name if number == 1 else f"{name}-{number}" for number in count(1))
        free = next(new for new in tries if (folder, new.casefold()) not in taken)
        taken.add((folder, free.casefold()))
        unique.append(free)
    return unique

"""Files and folders that are whole or not there, whether a file is the one it should be, and names.

They are written beside their place, then renamed.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path, PurePath

from plane_anomalib.core.errors import WeightsError


@contextmanager
def replaced(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write to; move it to `path` when all went well.

    The suffix is kept, since writers choose a format by it. Parent directories are made.

    Args:
        path: The file to make or replace.

    Yields:
        A path in the same directory.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(6)}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replaced_folder(path: str | Path) -> Iterator[Path]:
    """Give a new folder to fill; move it to `path` when all went well.

    What lies at `path` goes with everything in it, the moment before: whoever calls this has
    asked whether it may.

    Args:
        path: The folder to make or replace.

    Yields:
        A folder beside it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(6)}")
    before = path.with_name(f".{secrets.token_hex(6)}")
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            os.replace(path, before)
        os.replace(temporary, path)
    except BaseException:
        if before.exists() and not path.exists():
            os.replace(before, path)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits.

    Raises:
        WeightsError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot be read ({error.strerror or error}); check the path and its "
            "permissions."
        ) from error


def require_hash(found: str, expected: str | None, what: str) -> None:
    """Refuse a file that is not the one that was recorded.

    Args:
        found: Its SHA-256.
        expected: The recorded one; None if there is none yet.
        what: The file, in words.

    Raises:
        WeightsError: They differ.
    """
    if expected is not None and found != expected:
        raise WeightsError(
            f"{what}: refused, because its SHA-256 is {found} and {expected} is on record; if you "
            "know why it changed and trust it, repeat with --repin."
        )


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

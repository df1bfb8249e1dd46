"""Files and folders that are whole or not there, and whether a file is the one it should be.

They are written beside their place, then renamed.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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

"""SHA-256 of files, and what to say when it is not the one that was expected."""

from __future__ import annotations

import hashlib
from pathlib import Path

from plane_anomalib.core.errors import WeightsError


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

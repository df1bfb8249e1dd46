"""Put made data in place: a root is claimed by its manifest, a category appears whole or not.

Several processes may work on one root, and a killed one leaves nothing half done.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from plane_anomalib.core.errors import DatasetError

MANIFEST = "manifest.json"


def is_empty(home: Path) -> bool:
    """Whether nothing is there yet: no folder, or one without content."""
    return not home.exists() or (home.is_dir() and not any(home.iterdir()))


def manifest_in(home: Path) -> object:
    """What a folder's manifest says; None without a readable one."""
    try:
        return json.loads((home / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def claim(home: Path, manifest: Mapping[str, object]) -> bool:
    """Start a folder with a manifest if it is empty; the first of several processes wins.

    Args:
        home: The folder.
        manifest: Plain data.

    Returns:
        Whether the folder now holds this very manifest; one with another is left alone.

    Raises:
        DatasetError: The folder cannot be written.
    """
    if is_empty(home):
        _start(home, manifest)
    return manifest_in(home) == manifest


@contextmanager
def in_place(home: Path, name: str) -> Iterator[Path]:
    """Give a path to make a folder at; move it to `home / name` when all went well.

    Args:
        home: The root.
        name: The folder's name in it.

    Yields:
        A path that does not exist yet, on the same file system.

    Raises:
        DatasetError: The folder cannot be moved there.
    """
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=home) as temporary:
        made = Path(temporary) / name
        yield made
        try:
            made.rename(home / name)
        except OSError as error:
            # Another process that made the same was faster.
            if not (home / name).is_dir():
                msg = f"{home / name} cannot be written: {error}; give another root."
                raise DatasetError(msg) from error


def _start(home: Path, manifest: Mapping[str, object]) -> None:
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{home.name}-", dir=home.parent) as temporary:
            made = Path(temporary) / home.name
            made.mkdir()
            text = json.dumps(manifest, indent=2) + "\n"
            (made / MANIFEST).write_text(text, encoding="utf-8")
            os.rename(made, home)
    except OSError as error:
        if is_empty(home):
            msg = f"the data cannot be written to {home}: {error}; give another root."
            raise DatasetError(msg) from error

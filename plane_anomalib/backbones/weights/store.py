"""Where published weights lie on this machine, and the hashes that were pinned."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from plane_anomalib.backbones.weights.catalogue import CatalogueEntry
from plane_anomalib.core.errors import WeightsError
from plane_anomalib.core.typed_data import TypedDataError, from_plain, load_strict, write_json

#: Environment variable that names another folder.
FOLDER_VARIABLE = "PLANE_ANOMALIB_WEIGHTS"


@dataclass(frozen=True)
class Pin:
    """What is on record about a file since it was first fetched.

    Args:
        sha256: Of the published file.
        size: Its bytes.
        origin: Where it came from.
        original: Where it lay on this machine then.
        converted_sha256: Of the converted file beside it; "" if there is none.
    """

    sha256: str
    size: int
    origin: str
    original: str
    converted_sha256: str = ""


def folder() -> Path:
    """The folder of all weights: `PLANE_ANOMALIB_WEIGHTS`, or one in the user's cache."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser()
    return user_cache_path("plane-anomalib", appauthor=False) / "weights"


def builtin_path() -> Path:
    """Where the package keeps the weights of its own model."""
    return Path(__file__).parents[2] / "assets" / "builtin.safetensors"


def original_path(entry: CatalogueEntry) -> Path:
    """Where the published file goes."""
    return folder() / entry.name / entry.file


def converted_path(entry: CatalogueEntry) -> Path:
    """Where its conversion goes, which is what models load."""
    return folder() / entry.name / f"{entry.name}.safetensors"


def usable_path(entry: CatalogueEntry) -> Path | None:
    """What a model can load of this entry, its conversion; None if it is not here."""
    path = converted_path(entry)
    return path if path.is_file() else None


def here(entry: CatalogueEntry) -> Path | None:
    """The published file on this machine; None if it is not, or no longer, here."""
    pin = pin_of(entry)
    places = [*([Path(pin.original)] if pin else []), original_path(entry)]
    return next((path for path in places if path.is_file()), None)


def missing(entry: CatalogueEntry) -> WeightsError:
    """The error for an entry that a model asks for and that is not here."""
    reason = "are not on this machine yet"
    command = entry.command
    if here(entry) is not None:
        reason = "are here, but not converted"
        command = f"plane-anomalib weights convert {here(entry)} --name {entry.name}"
    return WeightsError(
        f'The weights of "{entry.name}" do not come with this package and {reason}: '
        f"`{command}` brings them; or get {entry.source} yourself (licence: {entry.licence}) and "
        "give its path instead of the name."
    )


def pin_of(entry: CatalogueEntry) -> Pin | None:
    """What is on record about an entry; None before it was first fetched.

    Raises:
        WeightsError: The record cannot be read.
    """
    return _pins().get(entry.name)


def write_pin(entry: CatalogueEntry, pin: Pin) -> None:
    """Record what an entry's file is; later ones must have the same hash.

    Raises:
        WeightsError: The record cannot be read or written.
    """
    pins = {**_pins(), entry.name: pin}
    path = folder() / "pins.json"
    try:
        write_json(path, pins)
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot be written ({error.strerror or error}); check the disk and its "
            "permissions."
        ) from error


def _pins() -> dict[str, Pin]:
    path = folder() / "pins.json"
    try:
        return from_plain(dict[str, Pin], load_strict(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, TypedDataError) as error:
        raise WeightsError(
            f"{path}: the recorded hashes cannot be read ({error}); mend the file, or delete it if "
            "you accept that the next files are taken as they are."
        ) from error

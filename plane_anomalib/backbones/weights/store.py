"""Where published weights lie on this machine: pinned hashes, and downloads not yet complete."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

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


try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

_CONTENT_RANGE = re.compile(r"bytes (?P<start>\d+)-(?P<end>\d+)/(?P<total>\d+|\*)")


class PartialFile:
    """`<path>.part`, its running SHA-256, and the server's mark of the version it belongs to.

    Use as a context manager. Leaving it keeps what came, unless `discard` or `finish` was called.

    Args:
        path: The file to become.
        url: Where it comes from; a part of another address is never continued.

    Attributes:
        size: Bytes so far.
        began: Whether bytes came in this process.
    """

    def __init__(self, path: Path, url: str) -> None:
        self.path = path
        self.size = 0
        self.began = False
        # A hash, since a signed link is a secret.
        self._url = hashlib.sha256(url.encode()).hexdigest()
        self._part = path.with_name(f"{path.name}.part")
        self._note = path.with_name(f"{path.name}.part.json")
        self._hash = hashlib.sha256()
        self._mark = ""

    @property
    def sha256(self) -> str:
        """Of the bytes so far."""
        return self._hash.hexdigest()

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._mark = self._noted_mark()
            self._file = self._part.open("a+b")
            self._lock()
            if not self._mark:
                self.discard()
            self._file.seek(0)
            while chunk := self._file.read(1 << 20):
                self._hash.update(chunk)
                self.size += len(chunk)
        except OSError as error:
            raise self._unwritable(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self.size == 0 or not self._mark:
            self._part.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)

    def request_headers(self) -> dict[str, str]:
        """Headers that ask for the rest if the file is still the same, else for all of it."""
        headers = {"Accept-Encoding": "identity", "User-Agent": "plane-anomalib"}
        if self.size and self._mark:
            headers |= {"Range": f"bytes={self.size}-", "If-Range": self._mark}
        return headers

    def continues(self, status: int, headers: Mapping[str, str]) -> bool:
        """Whether the body of an answer goes on exactly where this part ends."""
        match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        if status != 206 or match is None or int(match["start"]) != self.size:
            return False
        # A server that ignores If-Range sends the rest of another version.
        return _mark_of(headers) in ("", self._mark)

    def restart(self, headers: Mapping[str, str]) -> None:
        """Throw away what came; an answer with these headers begins anew.

        Raises:
            WeightsError: The note of its version cannot be written.
        """
        self.discard()
        self._mark = _mark_of(headers)
        try:
            self._note.write_text(json.dumps({"url": self._url, "mark": self._mark}) + "\n")
        except OSError as error:
            raise self._unwritable(error) from error

    def append(self, chunk: bytes) -> None:
        """Take bytes of a body.

        Raises:
            WeightsError: They cannot be written.
        """
        try:
            self._file.write(chunk)
        except OSError as error:
            raise self._unwritable(error) from error
        self._hash.update(chunk)
        self.size += len(chunk)
        self.began = True

    def discard(self) -> None:
        """Throw away what came."""
        self._file.seek(0)
        self._file.truncate()
        self._hash = hashlib.sha256()
        self.size = 0

    def finish(self) -> None:
        """Move the file to its place.

        Raises:
            WeightsError: It cannot be moved.
        """
        try:
            self._file.close()
            os.replace(self._part, self.path)
        except OSError as error:
            raise self._unwritable(error) from error
        self._note.unlink(missing_ok=True)

    def _lock(self) -> None:
        """Let no second process write to the same part; not on Windows."""
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise WeightsError(
                f"{self.path}: another process is fetching it; wait for that one."
            ) from error

    def _noted_mark(self) -> str:
        """The version that the part on disk belongs to; "" if it cannot be continued."""
        try:
            note = json.loads(self._note.read_text())
            return str(note["mark"]) if note["url"] == self._url else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _unwritable(self, error: OSError) -> WeightsError:
        return WeightsError(f"{self._part}: cannot be written ({error.strerror or error}).")


def _mark_of(headers: Mapping[str, str]) -> str:
    """A server's mark that two answers are the same bytes; weak ETags do not promise that."""
    etag = headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return etag
    return headers.get("Last-Modified", "")

"""A download that is not complete yet, on disk, with what is needed to go on with it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from plane_anomalib.core.errors import WeightsError

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

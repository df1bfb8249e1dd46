"""A file over HTTPS: resumed where a connection dropped, checked, and whole or not there."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plane_anomalib.backbones.weights.links import opener, require_safe
from plane_anomalib.backbones.weights.partial import Partial
from plane_anomalib.core.errors import WeightsError
from plane_anomalib.core.hashes import require_hash
from plane_anomalib.core.progress import Progress

_CHUNK = 1 << 18
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Patience:
    """How long to go on when a server is slow or drops connections.

    Args:
        timeout: Seconds without a byte after which a connection counts as dropped.
        attempts: Attempts in a row that bring nothing new before giving up.
        pause: Seconds before the second attempt; doubled for each after it, up to a minute.
    """

    timeout: float = 30.0
    attempts: int = 5
    pause: float = 1.0


class DownloadError(WeightsError):
    """A file could not be fetched."""


class _Dropped(Exception):  # noqa: N818 - never leaves this module
    """The connection ended early; what came so far is kept."""


def download(
    url: str,
    path: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    patience: Patience | None = None,
    progress: Progress | None = None,
) -> str:
    """Fetch a file; an attempt that was cut short, even days ago, goes on where it stopped.

    What came so far lies beside `path` as `.part`. It is continued only if the server says that
    the file is still the same (`If-Range`, and the `ETag` of the answer), else started anew.

    Args:
        url: https, or http on this very machine. Redirects are followed under the same rule.
        path: The file to make, once it is complete and checked.
        size: Its bytes, if known beforehand.
        sha256: Its hash, if known beforehand.
        patience: Time-outs and repeats.
        progress: Is told how many bytes are here.

    Returns:
        The SHA-256 of the file.

    Raises:
        DownloadError: There is no connection, no such file, or not all of it came.
        WeightsError: The address is not allowed, or the file has another hash; then nothing of
            it is kept.
    """
    require_safe(url)
    patience, progress = patience or Patience(), progress or Progress()
    with Partial(path, url) as part:
        _fetch(url, part, size, patience, progress)
        found = part.sha256
        try:
            require_hash(found, sha256, url)
        except WeightsError:
            part.discard()
            raise
        part.finish()
    return found


def _fetch(
    url: str, part: Partial, size: int | None, patience: Patience, progress: Progress
) -> None:
    """Fill `part`, in as many attempts as it takes while each brings something new."""
    most, failures = part.size, 0
    while True:
        try:
            return _attempt(url, part, size, patience.timeout, progress)
        except _Dropped as dropped:
            failures = 0 if part.size > most else failures + 1
            most = max(most, part.size)
            if failures >= patience.attempts:
                raise DownloadError(
                    f"{url}: given up after {patience.attempts} attempts that brought nothing new "
                    f"({dropped}); {part.size:,} bytes are kept, and the same command goes on."
                ) from dropped
            time.sleep(min(60.0, patience.pause * 2 ** max(0, failures - 1)))


def _attempt(url: str, part: Partial, size: int | None, timeout: float, progress: Progress) -> None:
    """One request; raises `_Dropped` if it ends before the file does."""
    request = urllib.request.Request(url, headers=part.request_headers())  # noqa: S310 - checked
    try:
        with opener(url).open(request, timeout=timeout) as answer:
            total = _accept(url, part, answer, size)
            progress.start(part.path.name, total or 0, part.size)
            _read_body(answer, part, progress)
            if total is not None and part.size != total:
                raise _Dropped(f"{part.size:,} of {total:,} bytes came")
    except urllib.error.HTTPError as error:
        _judge_status(url, part, error)
    except urllib.error.URLError as error:
        _judge_connection(url, part, error)
    except (OSError, http.client.HTTPException) as error:
        raise _Dropped(f"the connection dropped: {type(error).__name__}") from error


def _accept(url: str, part: Partial, answer: Any, size: int | None) -> int | None:
    """Look at the headers of an answer, set `part` to where its body goes on; its full size."""
    headers = answer.headers
    if headers.get_content_type() == "text/html":
        raise DownloadError(f"{url}: a web page came instead of a file; it may ask for a log-in.")
    if headers.get("Content-Encoding", "identity") != "identity":
        raise DownloadError(f"{url}: the server sends the file recoded, which cannot be checked.")
    length = headers.get("Content-Length", "")
    if not part.continues(answer.status, headers):
        part.restart(headers)
        if answer.status != 200:
            raise _Dropped("the server sends another part than was asked for, or of a changed file")
    total = part.size + int(length) if length.isdecimal() else None
    if size is not None and total not in (None, size):
        part.discard()
        raise DownloadError(
            f"{url}: the server announces {total:,} bytes, and {size:,} are on record."
        )
    if total is None and size is None and headers.get("Transfer-Encoding") != "chunked":
        raise DownloadError(f"{url}: the server does not say how long the file is.")
    return size if total is None else total


def _read_body(answer: Any, part: Partial, progress: Progress) -> None:
    while True:
        chunk = answer.read1(_CHUNK)
        if not chunk:
            return
        part.append(chunk)
        progress.advance(len(chunk))


def _judge_status(url: str, part: Partial, error: urllib.error.HTTPError) -> None:
    """Raise what an answer without the file means; return if all of it is here already."""
    with error:
        reason = " ".join(str(error.reason).split())
        if error.code == 416:
            if part.size and error.headers.get("Content-Range") == f"bytes */{part.size}":
                return
            part.discard()
            raise _Dropped("the server has no such part of the file")
        if error.code in _PASSING:
            raise _Dropped(f"the server answers {error.code} {reason}")
        raise DownloadError(f"{url}: the server answers {error.code} {reason}.")


def _judge_connection(url: str, part: Partial, error: urllib.error.URLError) -> None:
    """Raise what a connection that was never made means."""
    reason = error.reason
    if isinstance(reason, TimeoutError | ConnectionResetError) or part.began:
        raise _Dropped(f"no connection: {reason}") from error
    host = urllib.request.Request(url).host  # noqa: S310 - only taken apart
    raise DownloadError(
        f"{url}: {host} cannot be reached ({getattr(reason, 'strerror', None) or reason})."
    ) from error

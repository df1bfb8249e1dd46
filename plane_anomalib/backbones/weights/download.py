"""A file over HTTPS: resumed where a connection dropped, checked, and whole or not there."""

from __future__ import annotations

import http.client
import ipaddress
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from plane_anomalib.backbones.weights.store import PartialFile
from plane_anomalib.core.errors import WeightsError
from plane_anomalib.core.files import require_hash
from plane_anomalib.core.progress import Progress

_MOST_REDIRECTS = 5
_CHUNK = 1 << 18
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


def is_url(text: str) -> bool:
    """Whether a user's `PATH|URL` is an address."""
    return "://" in text


def without_secrets(origin: str) -> str:
    """An address without user, password and query, where signed links carry theirs; or a path."""
    if not is_url(origin):
        return origin
    parts = urlsplit(origin)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def require_safe(url: str) -> None:
    """Refuse an address over which anybody on the way could change the file.

    Raises:
        WeightsError: It is neither https nor http on this machine.
    """
    parts = urlsplit(url)
    if not parts.hostname or not (parts.scheme == "https" or _is_local_http(url)):
        raise WeightsError(f"{url}: refused, only https addresses are fetched.")


def opener(url: str) -> urllib.request.OpenerDirector:
    """What opens an address and follows its redirects, under the rule of `require_safe`.

    Proxies are those of the environment, but for addresses on this machine.
    """
    handlers: list[urllib.request.BaseHandler] = [_HostCheck(url)]
    if _is_local_http(url):
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


class _HostCheck(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, each under the rule of `require_safe`.

    An address on another machine can never lead to this one.

    Args:
        url: Where the chain begins.
    """

    max_redirections = _MOST_REDIRECTS
    max_repeats = _MOST_REDIRECTS

    def __init__(self, url: str) -> None:
        self._begins_here = _is_local_http(url)

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """The next request; raises `WeightsError` if its address is not allowed."""
        if not newurl.startswith("https://") and not (self._begins_here and _is_local_http(newurl)):
            raise WeightsError(
                f"{req.full_url}: refused, because it leads to {newurl}, and only https addresses "
                "are fetched."
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_local_http(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    return parts.scheme == "http" and local


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

    What came so far lies beside `path` as `.part`. It goes on only if the server says that the file
    is still the same (`If-Range`, and the `ETag` of the answer).

    Args:
        url: https, or http on this very machine. Redirects are followed under the same rule.
        path: The file to make, once it is complete and checked.
        size: Its bytes, if known.
        sha256: Its hash, if known.
        patience: Time-outs and repeats.
        progress: Is told how many bytes are here.

    Returns:
        Its SHA-256.

    Raises:
        WeightsError: The address is not allowed, or the hash is another; then nothing of it is
            kept. A `DownloadError` if not all of it came.
    """
    require_safe(url)
    patience, progress = patience or Patience(), progress or Progress()
    with PartialFile(path, url) as part:
        _fetch(url, part, size, patience, progress)
        try:
            require_hash(part.sha256, sha256, url)
        except WeightsError:
            part.discard()
            raise
        part.finish()
        return part.sha256


def _fetch(
    url: str, part: PartialFile, size: int | None, patience: Patience, progress: Progress
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


def _attempt(
    url: str, part: PartialFile, size: int | None, timeout: float, progress: Progress
) -> None:
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


def _accept(url: str, part: PartialFile, answer: Any, size: int | None) -> int | None:
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


def _read_body(answer: Any, part: PartialFile, progress: Progress) -> None:
    while True:
        chunk = answer.read1(_CHUNK)
        if not chunk:
            return
        part.append(chunk)
        progress.advance(len(chunk))


def _judge_status(url: str, part: PartialFile, error: urllib.error.HTTPError) -> None:
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


def _judge_connection(url: str, part: PartialFile, error: urllib.error.URLError) -> None:
    """Raise what a connection that was never made means."""
    reason = error.reason
    if isinstance(reason, TimeoutError | ConnectionResetError) or part.began:
        raise _Dropped(f"no connection: {reason}") from error
    host = urllib.request.Request(url).host  # noqa: S310 - only taken apart
    raise DownloadError(
        f"{url}: {host} cannot be reached ({getattr(reason, 'strerror', None) or reason})."
    ) from error

"""Which addresses may be fetched: https, and http on this very machine."""

from __future__ import annotations

import ipaddress
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from plane_anomalib.core.errors import WeightsError

_MOST_REDIRECTS = 5


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

"""A real web server on this machine that does what servers do to downloads."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """How one path is answered.

    Args:
        body: What it holds.
        etag: Its version; "" for none.
        cuts: For each request in turn, after how many bytes of its answer the connection drops.
        ranges: Whether parts can be asked for.
        if_range: Whether it is noticed that a part of another version is asked for.
        shift: How much earlier than asked for a part begins.
        length: What is announced instead of the true length.
        status: The answer's, if it is not the file.
        headers: More headers.
        asked: Headers of the requests so far.
    """

    body: bytes = b""
    etag: str = '"1"'
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    if_range: bool = True
    shift: int = 0
    length: int | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def starts(self) -> list[str]:
        """`Range` of each request, "" for all of it."""
        return [headers.get("Range", "") for headers in self.asked]


@dataclass
class Web:
    """The server: put pages into it.

    Args:
        url: Its address, without a slash at the end.
        pages: By path.
    """

    url: str
    pages: dict[str, Page] = field(default_factory=dict)

    def add(self, path: str, page: Page) -> str:
        """Serve a page; returns its address."""
        self.pages[path] = page
        return f"{self.url}{path}"


@contextmanager
def web() -> Iterator[Web]:
    """Serve as long as the context lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.web = Web(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.web  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, *, with_body: bool) -> None:
        page = self.server.web.pages.get(self.path, Page(status=404))  # type: ignore[attr-defined]
        if with_body:
            page.asked.append(dict(self.headers.items()))
        if page.status != 200:
            self._head(page.status, {**page.headers, "Content-Length": "0"})
            return
        start, status = self._start(page), 200
        if start >= len(page.body) > 0:
            self._head(416, {"Content-Range": f"bytes */{len(page.body)}", "Content-Length": "0"})
            return
        body = page.body[start:]
        headers = {"Content-Length": str(len(body) if page.length is None else page.length)}
        if start:
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(page.body) - 1}/{len(page.body)}"
        if page.etag:
            headers["ETag"] = page.etag
        self._head(status, headers | page.headers)
        if with_body:
            self._send(page, body)

    def _start(self, page: Page) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("Range", ""))
        if not page.ranges or asked is None:
            return 0
        version = self.headers.get("If-Range")
        if page.if_range and version is not None and version != page.etag:
            return 0
        return int(asked[1]) - page.shift

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, page: Page, body: bytes) -> None:
        cut = page.cuts.pop(0) if page.cuts else None
        with suppress(OSError):
            self.wfile.write(body[:cut])
            self.wfile.flush()
            if cut is not None or page.length not in (None, len(body)):
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

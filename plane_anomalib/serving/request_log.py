"""One line for each request: what was asked, how it ended, how much came in, how long it took."""

from __future__ import annotations

import logging
import time
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("plane_anomalib.serving")

_LONGEST_PATH = 100


class RequestLog:
    """Wrap an application; neither names nor contents of files are written.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and log it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status, received = time.perf_counter(), 500, 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, counted, watched)
        finally:
            # Quoted, so that a path cannot end the line and begin one of its own.
            logger.info(
                "%s %s %d, %d bytes, %.3f s",
                scope["method"],
                quote(scope["path"][:_LONGEST_PATH]),
                status,
                received,
                time.perf_counter() - start,
            )

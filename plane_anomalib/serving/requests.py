"""What comes in: the file of a request, measured on its way to disk, and a line in the log."""

from __future__ import annotations

import logging
import secrets
import shutil
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import IO
from urllib.parse import quote

from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plane_anomalib.core.errors import PointCloudFileError
from plane_anomalib.formats.io import check_suffix

FIELD = "file"
"""Name of the form's field that holds the cloud."""

_OTHER_FIELDS = 8
_LONGEST_FIELD = 4096


async def save_upload(request: Request, folder: Path, most: int) -> Path:
    """Write the file of a multipart form into a folder.

    Of the client's name for it only the suffix is looked at, and taken if it is one of ours.

    Args:
        request: Its body has not been read.
        folder: Where to write.
        most: Largest body in bytes.

    Returns:
        A new file, named by chance.

    Raises:
        HTTPException: 400 not a whole form, 413 too large, 415 not a form or a file of another
            kind, 422 no file in it.
    """
    upload = await _parse(request, most)
    try:
        suffix = check_suffix((upload.filename or "").replace("\\", "/").rpartition("/")[2])
    except PointCloudFileError as error:
        upload.file.close()
        raise HTTPException(415, f"The file {error.reason}; {error.hint}.") from None
    target = folder / f"{secrets.token_hex(12)}{suffix}"
    try:
        await run_in_threadpool(_write, upload.file, target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target


async def _parse(request: Request, most: int) -> UploadFile:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HTTPException(415, f"Send multipart/form-data with the cloud in the field {FIELD!r}.")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length[:20]) > most:
        raise _too_large(most)
    parser = MultiPartParser(
        request.headers,
        _measured(request, most),
        max_files=1,
        max_fields=_OTHER_FIELDS,
        max_part_size=_LONGEST_FIELD,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, f"The form cannot be read: {error.message}") from None
    except ClientDisconnect:
        raise HTTPException(400, "The request ended before its file did.") from None
    upload = form.get(FIELD)
    if isinstance(upload, UploadFile):
        return upload
    await form.close()
    raise HTTPException(422, f"The form has no file in the field {FIELD!r}.")


async def _measured(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > most:
            raise _too_large(most)
        yield chunk


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"The request is larger than {most / 1e6:g} MB; thin the cloud.")


def _write(source: IO[bytes], target: Path) -> None:
    with source, target.open("xb") as handle:
        shutil.copyfileobj(source, handle, 1 << 20)


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

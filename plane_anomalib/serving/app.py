"""The HTTP application: one question, one answer, and whether it is there."""

from __future__ import annotations

import asyncio
import logging
import math
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse

from plane_anomalib.core.errors import (
    ConfigurationError,
    PointCloudFileError,
    PointCloudTooLargeError,
)
from plane_anomalib.core.typed_data import strict_json
from plane_anomalib.core.version import __version__
from plane_anomalib.inspection.detector import Detector
from plane_anomalib.serving.answer import BODY, PROBLEMS, Answer, Health, Problem, Question, judge
from plane_anomalib.serving.requests import RequestLog, save_upload
from plane_anomalib.serving.work_queue import ServerLimits, WorkQueue
from plane_anomalib.web.pages import render_page

logger = logging.getLogger(__name__)

_NOBODY = 499
"""For the log only: web servers' usual number for a client that did not wait."""


@dataclass(frozen=True)
class _ServerState:
    """What the requests share."""

    detector: Detector
    limits: ServerLimits
    turns: WorkQueue
    folder: Path


def create_app(detector: Detector, limits: ServerLimits | None = None) -> FastAPI:
    """Make the application of one detector.

    Args:
        detector: What judges; asked from one thread, one cloud at a time.
        limits: Of requests; `ServerLimits()` by default.

    Returns:
        POST /inspect, GET /health, GET /docs and GET /openapi.json. Files lie in a temporary
        folder of the application while they are read, and that folder goes with it.
    """
    app = FastAPI(
        title="plane-anomalib",
        description=f"Judges point clouds with {detector.model_name}.",
        version=__version__,
        lifespan=partial(_lifespan, detector, ServerLimits() if limits is None else limits),
        docs_url=None,  # FastAPI's own pages fetch their scripts from elsewhere
        redoc_url=None,
    )
    app.add_middleware(RequestLog)
    app.add_exception_handler(RequestValidationError, _wrong_query)
    app.add_api_route(
        "/inspect",
        inspect,
        methods=["POST"],
        responses={200: {"model": Answer}, **PROBLEMS},
        openapi_extra=BODY,
    )
    app.add_api_route("/health", health, methods=["GET"])
    page = render_page("service.html", document=app.openapi())
    app.add_api_route("/docs", lambda: HTMLResponse(page), include_in_schema=False)
    return app


@asynccontextmanager
async def _lifespan(detector: Detector, limits: ServerLimits, app: FastAPI) -> AsyncIterator[None]:
    with tempfile.TemporaryDirectory(prefix="plane_anomalib_") as folder:
        queue = WorkQueue(limits.waiting)
        app.state.server = _ServerState(detector, limits, queue, Path(folder))
        try:
            yield
        finally:
            await asyncio.to_thread(queue.close)


async def inspect(
    request: Request,
    category: Annotated[str | None, Query(description="What the object is")] = None,
    compare: Annotated[bool, Query(description="Find the nearest good scan")] = False,
    points: Annotated[bool, Query(description="Give every point's score")] = False,
    columns: Annotated[str | None, Query(description="Of a table: x, y and z, as 2,3,4")] = None,
    pitch: Annotated[str | None, Query(description="Of a height map, as 0.5,0.3")] = None,
    units: Annotated[str | None, Query(description="Unit of length of the cloud, as m")] = None,
) -> Response:
    """Judge one cloud."""
    server: _ServerState = request.app.state.server
    if not server.turns.take():
        raise HTTPException(
            503,
            f"{server.limits.waiting} requests wait already; try again later.",
            {"Retry-After": str(max(1, math.ceil(server.turns.last)))},
        )
    job = None
    try:
        async with asyncio.timeout(server.limits.timeout):
            path = await save_upload(request, server.folder, server.limits.size)
            question = Question(category, compare, points, columns, pitch, units)
            task = partial(_judged, server, path, question)
            job = server.turns.work(task, partial(path.unlink, missing_ok=True))
            body = await _answered(request, job)
    except TimeoutError:
        raise HTTPException(
            504, f"There is no answer after {server.limits.timeout:g} s; send fewer points."
        ) from None
    finally:
        if job is None:
            server.turns.leave()
    return Response(body, media_type="application/json")


async def _answered(request: Request, job: Future[str]) -> str:
    """Wait for the answer as long as somebody wants it; without, work does not begin."""
    answer = asyncio.wrap_future(job)
    gone = asyncio.ensure_future(_gone(request))
    either: set[asyncio.Future[Any]] = {answer, gone}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise HTTPException(_NOBODY, "The client went away.")
        return await answer
    finally:
        gone.cancel()
        answer.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def health(request: Request) -> Health:
    """Say that the server is there, and with what."""
    server: _ServerState = request.app.state.server
    detector = server.detector
    return Health(
        loaded=True,
        model=detector.model_name,
        weights_hash=detector.weights_hash,
        categories=list(detector.categories),
        version=__version__,
        busy=server.turns.taken,
    )


def _judged(server: _ServerState, path: Path, question: Question) -> str:
    """The answer as JSON, or what to tell the client; nothing of it names a path of ours."""
    try:
        return strict_json(judge(server.detector, path, question, server.limits.points))
    except PointCloudFileError as error:
        reason = error.reason.replace(str(path), "it")
        text = f"The {path.suffix} file: {reason}" + (f" ({error.hint})" if error.hint else "")
        status = 413 if isinstance(error, PointCloudTooLargeError) else 422
        raise HTTPException(status, text) from None
    except ConfigurationError as error:
        raise HTTPException(422, str(error).replace(str(path), "it")) from None
    except Exception:
        logger.exception("A cloud could not be judged")
        raise HTTPException(500, "The server failed; its log says why.") from None


async def _wrong_query(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    first = error.errors()[0]
    problem = Problem(f"{first['loc'][-1]}: {first['msg']}.")
    return JSONResponse(asdict(problem), 422)

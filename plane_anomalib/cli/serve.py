"""`plane-anomalib serve`: a detector behind HTTP."""

from __future__ import annotations

import logging
import signal
import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from plane_anomalib.core.errors import ConfigurationError, MissingDependencyError

if TYPE_CHECKING:
    import socket

    from uvicorn import Server

_SHUTDOWN_SECONDS = 10
_CONNECTIONS = 64
_HERE = frozenset({"127.0.0.1", "::1", "localhost"})


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to the command's parser."""
    parser.add_argument("run", metavar="RUN", help="a detector's folder, a run or a checkpoint")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (%(default)s)")
    parser.add_argument(
        "--max-megabytes", type=float, default=200, metavar="N", help="of a request (%(default)s)"
    )
    parser.add_argument(
        "--max-points", type=int, default=1_000_000, metavar="N", help="of a cloud (%(default)s)"
    )
    parser.add_argument(
        "--timeout", type=float, default=60, metavar="S", help="of a request (%(default)s)"
    )
    parser.add_argument(
        "--max-waiting", type=int, default=16, metavar="N", help="requests at once (%(default)s)"
    )


def run(arguments: Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; the cloud in work is answered before the end.

    Args:
        arguments: What was parsed by a parser with `add_arguments`.

    Returns:
        0.

    Raises:
        MissingDependencyError: The extra `serve` is not installed.
        ConfigurationError: A limit makes no sense, or the address cannot be had.
        DetectorError: There is no detector.
    """
    server, listening = _prepared(arguments)
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    sys.stdout.write(f"http://{shown}:{port}/docs says how to ask; Ctrl-C ends.\n")
    if arguments.host not in _HERE:
        sys.stdout.write(
            "Anyone who reaches this address can ask: there is no password and no encryption; "
            "put a proxy that has both in front.\n"
        )
    sys.stdout.flush()

    def stop(*_: Any) -> None:
        server.should_exit = True

    # uvicorn raises the signal once more when it has ended, which would make it a failure.
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop)
    server.run(sockets=[listening])
    return 0


def _prepared(arguments: Namespace) -> tuple[Server, socket.socket]:
    """Everything that can go wrong, what is quick to find out first."""
    try:
        import fastapi  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise MissingDependencyError(
            error.name or "fastapi", "serve", "to answer over HTTP"
        ) from error
    from plane_anomalib.serving.work_queue import ServerLimits

    limits = ServerLimits(
        megabytes=arguments.max_megabytes,
        points=arguments.max_points,
        timeout=arguments.timeout,
        waiting=arguments.max_waiting,
    )
    listening = _listen(arguments.host, arguments.port)
    from plane_anomalib.inspection.detector import load
    from plane_anomalib.serving.app import create_app

    app = create_app(load(arguments.run), limits)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        limit_concurrency=limits.waiting + _CONNECTIONS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        server_header=False,
    )
    return uvicorn.Server(config), listening


def _listen(host: str, port: int) -> socket.socket:
    import socket

    if not 0 <= port <= 65535:
        raise ConfigurationError(f"--port is {port}; 0 to 65535 are ports.")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (while")[0]
        raise ConfigurationError(
            f"{host} port {port} cannot be had ({reason}): choose another --port or --host."
        ) from error

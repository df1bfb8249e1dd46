"""A job in a process of its own, within its time and memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import psutil

from plane_anomalib.benchmark.order import LOG_FILE, Order, write_order
from plane_anomalib.benchmark.run_job import failed
from plane_anomalib.benchmark.schema import (
    FAILED,
    OUT_OF_MEMORY,
    RESULT_FILE,
    TIMEOUT,
    Failure,
    JobResult,
    read_result,
    write_result,
)
from plane_anomalib.core.results import ResultsError

_LOOK_SECONDS = 0.5
"""How often memory is looked at."""
_LOG_BYTES = 4000


@dataclass(frozen=True)
class Allowance:
    """What a job's process may take and is given.

    Attributes:
        timeout_seconds: Wall-clock time; None for any.
        memory_bytes: Resident memory of the process and its children together; None for any.
        environment: Variables set for it, such as the number of threads or the GPU.
    """

    timeout_seconds: float | None = None
    memory_bytes: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def supervise(order: Order, home: Path, allowance: Allowance, stop: Event) -> JobResult | None:
    """Run a job and wait for it.

    This is all that an executor has to call, on whichever machine: the folder then holds the
    result and everything that belongs to it.

    Args:
        order: The job.
        home: Its folder, empty and claimed; called like the job's id.
        allowance: What it may take.
        stop: Set by whoever wants the job ended.

    Returns:
        The result, also of a job that failed or went beyond its limits; None if it was stopped.
    """
    write_order(home, order)
    started = time.time()
    command = [sys.executable, "-m", __package__ + ".run_job", str(home), str(os.getpid())]
    with (home / LOG_FILE).open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **allowance.environment},
            # Ctrl-C is for whoever supervises.
            start_new_session=True,
        )
        try:
            ended = _wait(process, allowance, stop, started)
        finally:
            _kill_tree(process)
    with suppress(ResultsError):
        return read_result(home / RESULT_FILE)
    if ended is None and stop.is_set():
        return None
    status, name, message = ended or (FAILED, "Died", _why_dead(process.returncode))
    failure = Failure(name, message, _end_of_log(home))
    result = failed(order, status, failure, started, time.time())
    write_result(home.parent, result)
    return result


def _wait(
    process: subprocess.Popen[bytes], allowance: Allowance, stop: Event, started: float
) -> tuple[str, str, str] | None:
    """Wait until the process ends or is to be stopped; status, name and sentence of a limit."""
    timeout, memory = allowance.timeout_seconds, allowance.memory_bytes
    looked = 0.0
    while not stop.is_set():
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.1)
            return None
        now = time.time()
        if timeout is not None and now - started > timeout:
            message = f"It took longer than {timeout:g} s and was ended."
            return TIMEOUT, "Timeout", message
        if memory is not None and now - looked > _LOOK_SECONDS:
            looked, used = now, resident_bytes(process.pid)
            if used > memory:
                message = (
                    f"Its processes held {used / 2**30:.2f} GiB, more than the limit of "
                    f"{memory / 2**30:.2f} GiB, and were ended."
                )
                return OUT_OF_MEMORY, "MemoryLimit", message
    return None


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and all below it; shared pages count in each."""
    total = 0
    for process in _tree(pid):
        with suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def _tree(pid: int) -> list[psutil.Process]:
    try:
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    except psutil.Error:
        return []


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    """End a process and everything it started."""
    below = _tree(process.pid)
    if process.poll() is None:
        process.kill()
    if os.name == "posix":
        # Its session is its own, so this also finds children whose parent has gone.
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    for each in below[1:]:
        with suppress(psutil.Error):
            each.kill()
    process.wait()


def _why_dead(returncode: int) -> str:
    """A sentence for a process that left no result."""
    if returncode >= 0:
        return f"It ended with code {returncode} and left no result."
    name = signal.Signals(-returncode).name
    hint = "; the system may have run out of memory." if name == "SIGKILL" else "."
    return f"It was killed by {name}{hint}"


def _end_of_log(home: Path) -> str:
    """What the job printed last, in place of a traceback."""
    try:
        return (home / LOG_FILE).read_bytes()[-_LOG_BYTES:].decode("utf-8", "replace")
    except OSError:
        return ""

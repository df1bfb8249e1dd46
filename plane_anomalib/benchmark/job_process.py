"""A job in a process of its own, within its time and memory: who supervises it, and the process.

`python -m plane_anomalib.benchmark.job_process FOLDER PARENT` is the process. It reads its order
from the folder, and leaves a result there, also when it fails. Whoever started it is its only
reason to live: it dies with it, so that nobody else's run of the same job meets it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import psutil

from plane_anomalib.benchmark.schema import (
    DONE,
    FAILED,
    LOG_FILE,
    OUT_OF_MEMORY,
    RESULT_FILE,
    TIMEOUT,
    Failure,
    JobOrder,
    JobResult,
    JobTiming,
    read_order,
    read_result,
    write_order,
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


def supervise(order: JobOrder, home: Path, allowance: Allowance, stop: Event) -> JobResult | None:
    """Run a job and wait for it; its folder then holds the result and all that belongs to it.

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
    command = [sys.executable, "-m", __package__ + ".job_process", str(home), str(os.getpid())]
    with (home / LOG_FILE).open("wb") as log:
        # Ctrl-C is for whoever supervises, so the process gets a session of its own.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **allowance.environment},
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


_RUN_FOLDER = "run"
_PARENT_DEATH = 1
"""PR_SET_PDEATHSIG."""


def main(home: Path, parent: int) -> None:
    """Run the order of a folder and leave the result.

    Args:
        home: The job's folder.
        parent: Process that this one must not outlive.

    Raises:
        ResultsError: There is no order that can be read.
    """
    die_with(parent)
    started = _process_start()
    order = read_order(home)
    try:
        result = _run(order, home, started)
    except Exception as error:
        traceback.print_exc()
        result = failed(order, _status_of(error), failure_of(error), started, time.time())
    write_result(home.parent, result)


def die_with(parent: int) -> None:
    """End this process when its parent ends.

    Args:
        parent: The parent's process id, as it was when this process was started.
    """
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGKILL)
    if os.getppid() != parent:  # It was faster.
        os._exit(1)
    if not sys.platform.startswith("linux"):
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def failed(
    order: JobOrder, status: str, failure: Failure, started: float, finished: float
) -> JobResult:
    """The result of a job that left no numbers.

    Args:
        order: The job.
        status: How it ended.
        failure: Why.
        started: Seconds since the epoch.
        finished: Seconds since the epoch.
    """
    from plane_anomalib.core import provenance

    return JobResult(
        job_id=order.job_id,
        job=order.job,
        identity=order.identity,
        status=status,
        run=None,
        cost=None,
        timing=timing(started, finished, None),
        failure=failure,
        attempt=order.attempt,
        versions=provenance.software_versions(),
        hardware=provenance.hardware(),
    )


def failure_of(error: Exception) -> Failure:
    """An exception as data."""
    return Failure(type(error).__name__, str(error), "".join(traceback.format_exception(error)))


def timing(started: float, finished: float, fit_seconds: float | None) -> JobTiming:
    """Times as a result has them.

    Args:
        started: Seconds since the epoch.
        finished: Seconds since the epoch.
        fit_seconds: Of fitting.
    """
    texts = [
        datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
        for moment in (started, finished)
    ]
    return JobTiming(texts[0], texts[1], finished - started, fit_seconds)


def _run(order: JobOrder, home: Path, started: float) -> JobResult:
    from plane_anomalib.benchmark.training import CloudWatcher, CostWatcher, train_and_test

    costs, clouds = CostWatcher(), CloudWatcher(order.job.seed)
    trained = train_and_test(order.job, home / _RUN_FOLDER, [costs, clouds])
    saved = clouds.save(home)
    _save_prompts(trained.model, home)
    # The last thing of a test is its metrics; checkpoints of hundreds of jobs fill a disk.
    for weights in (home / _RUN_FOLDER).rglob("weights"):
        shutil.rmtree(weights, ignore_errors=True)
    return JobResult(
        job_id=order.job_id,
        job=order.job,
        identity=order.identity,
        status=DONE,
        run=trained.result,
        cost=costs.cost,
        timing=timing(started, time.time(), trained.fit_seconds),
        failure=None,
        attempt=order.attempt,
        versions=trained.result.versions,
        hardware=trained.result.hardware,
        clouds=saved,
    )


def _save_prompts(model: Any, home: Path) -> None:
    """Keep what a model's text prompts mean, for the report's map of them."""
    say = getattr(model, "embedded_prompts", None)
    prompts = say() if say is not None else None
    if prompts is not None:
        from plane_anomalib.benchmark.report.prompt_map import write_prompts

        write_prompts(home, *prompts)


def _status_of(error: Exception) -> str:
    names = {cls.__name__ for cls in type(error).__mro__}
    return OUT_OF_MEMORY if names & {"MemoryError", "OutOfMemoryError"} else FAILED


def _process_start() -> float:
    """Seconds since the epoch at which this process began, before any import."""
    import psutil

    return float(psutil.Process().create_time())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

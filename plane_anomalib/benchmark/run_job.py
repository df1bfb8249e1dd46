"""The process of one job: `python -m plane_anomalib.benchmark.run_job FOLDER PARENT`.

It reads its order from the folder, and leaves a result there, also when it fails. Whoever started
it is its only reason to live: it dies with it, so that nobody else's run of the same job meets it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plane_anomalib.benchmark.order import Order, read_order
from plane_anomalib.benchmark.schema import (
    DONE,
    FAILED,
    OUT_OF_MEMORY,
    Failure,
    JobResult,
    JobTiming,
    write_result,
)

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
    order: Order, status: str, failure: Failure, started: float, finished: float
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


def _run(order: Order, home: Path, started: float) -> JobResult:
    from plane_anomalib.benchmark.training import train_and_test
    from plane_anomalib.benchmark.watching import CloudWatcher, CostWatcher

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
    """Keep what PLANE's text prompts mean, for the report's map of them."""
    from plane_anomalib.models.plane.torch_model import PlaneModel

    network = getattr(model, "model", None)
    if isinstance(network, PlaneModel):
        from plane_anomalib.benchmark.prompts import write_prompts
        from plane_anomalib.models.plane.prompt_embeddings import prompt_embeddings

        write_prompts(home, *prompt_embeddings(network))


def _status_of(error: Exception) -> str:
    names = {cls.__name__ for cls in type(error).__mro__}
    return OUT_OF_MEMORY if names & {"MemoryError", "OutOfMemoryError"} else FAILED


def _process_start() -> float:
    """Seconds since the epoch at which this process began, before any import."""
    import psutil

    return float(psutil.Process().create_time())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

"""Runs checks one after the other and says of each, in a sentence, how it went."""

from __future__ import annotations

import io
import logging
import sys
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from plane_anomalib.core.errors import NotMeasuredError, PlaneAnomalibError
from plane_anomalib.plugins.contract.check import Check
from plane_anomalib.plugins.contract.subject import Subject, TrainingError

Status = Literal["ok", "failed", "not run"]


@dataclass(frozen=True)
class Outcome:
    """How a check went.

    Attributes:
        check: The check.
        status: Whether the model passed.
        reason: One sentence, empty where it passed.
        seconds: How long it took.
        error: What was raised.
    """

    check: Check
    status: Status
    reason: str = ""
    seconds: float = 0.0
    error: BaseException | None = None


def run_checks(subject: Subject, checks: Iterable[Check]) -> Iterator[Outcome]:
    """Check a model; one failure does not stop the next check.

    Args:
        subject: The model.
        checks: What to check, in this order.

    Yields:
        An outcome as soon as it is known. What needs a trained model is not run if the training
        failed; why it failed is said once.
    """
    told = False
    for check in checks:
        started = time.perf_counter()
        error: BaseException | None = None
        try:
            with _quietly():
                check.run(subject)
        except (Exception, SystemExit) as raised:
            error = raised
        status, reason = _judged(check, subject, error)
        if isinstance(error, TrainingError):
            reason = "training failed, see above" if told else reason
            told = True
        yield Outcome(check, status, reason, time.perf_counter() - started, error)


def _judged(check: Check, subject: Subject, error: BaseException | None) -> tuple[Status, str]:
    if error is None:
        return "ok", ""
    if isinstance(error, NotMeasuredError):
        return "not run", str(error)
    if isinstance(error, TrainingError):
        reason = _sentence(error.__cause__ or error, subject)
        return ("failed" if check.name == "training" else "not run"), f"training failed: {reason}"
    return "failed", _sentence(error, subject)


def _sentence(error: BaseException, subject: Subject) -> str:
    """The message of our own errors; of others type, message and the author's own line."""
    if isinstance(error, PlaneAnomalibError):
        return str(error)
    message = " ".join(str(error).split())
    place = _place(error, subject)
    return f"{type(error).__name__}: {message}{f' ({place})' if place else ''}"


def _place(error: BaseException, subject: Subject) -> str:
    """File and line of the innermost call within the model's own package."""
    package = subject.cls.__module__.partition(".")[0]
    file = getattr(sys.modules.get(package), "__file__", None)
    frames = traceback.extract_tb(error.__traceback__)
    if file is None or not frames:
        return ""
    home = Path(file)
    home = home.parent if home.stem == "__init__" else home
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(home)]
    frame = (own or frames)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep back what Lightning and anomalib say of every run."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)

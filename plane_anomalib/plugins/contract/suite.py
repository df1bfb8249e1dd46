"""The checks in the order in which they run, and how each went, in a sentence."""

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
from plane_anomalib.plugins.contract import class_checks, score_checks, training_checks
from plane_anomalib.plugins.contract.check import Check
from plane_anomalib.plugins.contract.model_under_test import ModelUnderTest, TrainingError

CHECKS = {
    check.name: check
    for check in (
        class_checks.name,
        class_checks.arguments,
        class_checks.untrained,
        class_checks.images,
        training_checks.training,
        score_checks.every_point,
        score_checks.permutation,
        score_checks.duplicate_points,
        score_checks.batch_company,
        score_checks.tiny_clouds,
        score_checks.degenerate_clouds,
        score_checks.extents,
        score_checks.pure_scoring,
        score_checks.random_state,
        class_checks.steps,
        class_checks.empty_cloud,
        class_checks.export,
        training_checks.thresholds,
        training_checks.per_category,
        training_checks.checkpoint,
        training_checks.tested_again,
        training_checks.prediction,
        training_checks.seed,
        class_checks.components,
        score_checks.bounded_memory,
    )
}
"""Name to check. What concerns the class itself comes before what needs a trained model."""

Status = Literal["ok", "failed", "not run"]


@dataclass(frozen=True)
class CheckOutcome:
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


def run_checks(subject: ModelUnderTest, checks: Iterable[Check]) -> Iterator[CheckOutcome]:
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
        yield CheckOutcome(check, status, reason, time.perf_counter() - started, error)


def _judged(
    check: Check, subject: ModelUnderTest, error: BaseException | None
) -> tuple[Status, str]:
    if error is None:
        return "ok", ""
    if isinstance(error, NotMeasuredError):
        return "not run", str(error)
    if isinstance(error, TrainingError):
        reason = _sentence(error.__cause__ or error, subject)
        return ("failed" if check.name == "training" else "not run"), f"training failed: {reason}"
    return "failed", _sentence(error, subject)


def _sentence(error: BaseException, subject: ModelUnderTest) -> str:
    """The message of our own errors; of others type, message and the author's own line."""
    if isinstance(error, PlaneAnomalibError):
        return str(error)
    message = " ".join(str(error).split())
    place = _place(error, subject)
    return f"{type(error).__name__}: {message}{f' ({place})' if place else ''}"


def _place(error: BaseException, subject: ModelUnderTest) -> str:
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

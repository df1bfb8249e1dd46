"""`plane-anomalib check`: the contract of models, one line per check."""

from __future__ import annotations

import difflib
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from plane_anomalib.cli.failures import DEBUG_VARIABLE
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.registry import MODELS
from plane_anomalib.plugins.contract.check import Check
from plane_anomalib.plugins.contract.runner import Outcome, run_checks
from plane_anomalib.plugins.contract.subject import Subject
from plane_anomalib.plugins.contract.suite import CHECKS


def check_model(name: str, only: Sequence[str] = (), seed: int = 0) -> int:
    """Check a registered model and print how each check went.

    Args:
        name: The model.
        only: Names of checks; default all.
        seed: Of all random input.

    Returns:
        0 if all passed, else 1.

    Raises:
        ConfigurationError: There is no such model or check.
        PlaneAnomalibError: The model cannot be imported.
    """
    checks = [_named(wanted) for wanted in only] or list(CHECKS.values())
    entry = MODELS.entry(name)
    cls = entry.load()
    sys.stdout.write(f"Checking {entry.name} of {entry.origin} ({entry.target}), seed {seed}.\n")
    with tempfile.TemporaryDirectory(prefix="plane-anomalib-check-") as folder:
        subject = Subject(entry.name, cls, Path(folder), seed)
        outcomes = []
        for outcome in run_checks(subject, checks):
            sys.stdout.write(_line(outcome))
            sys.stdout.flush()
            outcomes.append(outcome)
    sys.stdout.write(_summary(entry.name, outcomes, seed))
    return int(any(outcome.status != "ok" for outcome in outcomes))


def list_checks() -> str:
    """A line per check: its name and what must hold."""
    return "".join(f"{check.name:18} {check.summary}\n" for check in CHECKS.values())


def _named(name: str) -> Check:
    if name in CHECKS:
        return CHECKS[name]
    close = difflib.get_close_matches(name, CHECKS, n=1)
    meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(CHECKS)}."
    raise ConfigurationError(f"No check is called {name!r}: {meant}")


def _line(outcome: Outcome) -> str:
    check, status = outcome.check, outcome.status
    if status == "ok":
        return f"ok       {check.name:18} {check.summary}\n"
    line = (
        f"{status.upper() if status == 'failed' else status:8} {check.name:18} {outcome.reason}\n"
    )
    if outcome.error is not None and os.environ.get(DEBUG_VARIABLE, "0") != "0":
        line += "".join(traceback.format_exception(outcome.error))
    return line


def _summary(name: str, outcomes: Sequence[Outcome], seed: int) -> str:
    seconds = sum(outcome.seconds for outcome in outcomes)
    passed = sum(outcome.status == "ok" for outcome in outcomes)
    text = f"{passed} of {len(outcomes)} checks passed in {seconds:.0f} s.\n"
    failed = [outcome.check.name for outcome in outcomes if outcome.status == "failed"]
    if failed:
        again = f"plane-anomalib check {name} --only {' '.join(failed)}"
        again += f" --seed {seed}" if seed else ""
        text += f"Again: {again}    (with {DEBUG_VARIABLE}=1 before it, tracebacks are shown)\n"
    return text

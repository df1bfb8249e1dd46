"""What is registered and what is added to it: `models`, `datasets`, `new-model` and `check`."""

from __future__ import annotations

import inspect
import os
import sys
import tempfile
import traceback
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from plane_anomalib.cli.terminal import DEBUG_VARIABLE
from plane_anomalib.core.errors import ConfigurationError, PlaneAnomalibError, what_was_meant
from plane_anomalib.core.registry import BUILT_IN, DATASETS, MODELS, Registry, RegistryEntry
from plane_anomalib.core.sources import ClassSummary, describe

if TYPE_CHECKING:
    from plane_anomalib.plugins.contract.check import Check
    from plane_anomalib.plugins.contract.suite import CheckOutcome


def add_listing_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `models` and `datasets` to their parser."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    parser.add_argument("--load", action="store_true", help="import each class, slower and certain")


def print_listing(arguments: Namespace) -> int:
    """Print the table.

    Args:
        arguments: What was parsed by a parser with `add_listing_arguments`, and `command`.

    Returns:
        0.

    Raises:
        ConfigurationError: There is no such name.
    """
    registry = MODELS if arguments.command == "models" else DATASETS
    sys.stdout.write(listing(registry, arguments.names, load=arguments.load))
    return 0


def listing(registry: Registry, names: Sequence[str] = (), *, load: bool = False) -> str:
    """A table of name, distribution and summary.

    Args:
        registry: Of models or datasets.
        names: Only these; default all.
        load: Import every class, which takes the time that torch takes and is certain; otherwise
            their sources are read.

    Returns:
        Lines; what is broken says so in place of its summary.

    Raises:
        ConfigurationError: There is no such name.
    """
    entries = [registry.entry(name) for name in names] or list(registry.entries.values())
    rows = [("NAME", "FROM", "SUMMARY")]
    for entry in entries:
        # What ours import, the installer saw to.
        imports = entry.origin != BUILT_IN
        found = _loaded(entry) if load else describe(entry.target, imports=imports)
        rows.append((entry.name, entry.origin, _cell(entry, found)))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = [f"{a:{widths[0]}}  {b:{widths[1]}}  {c}".rstrip() for a, b, c in rows]
    return "\n".join(lines) + "\n"


def _loaded(entry: RegistryEntry) -> ClassSummary:
    try:
        cls = entry.load()
    except PlaneAnomalibError as error:
        cause = error.__cause__
        reason = f"{type(cause).__name__}: {cause}" if cause else str(error)
        return ClassSummary(problem=" ".join(reason.split()).removesuffix("."))
    return ClassSummary((inspect.getdoc(cls) or "").partition("\n")[0].strip())


def _cell(entry: RegistryEntry, found: ClassSummary) -> str:
    if not found.problem:
        return found.summary or "(no summary)"
    advice = "reinstall it" if entry.origin == BUILT_IN else "the others work"
    return f"BROKEN: {entry.target} cannot be loaded: {found.problem}; {advice}."


def add_new_model_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `new-model` to its parser."""
    parser.add_argument("name", metavar="NAME", help="of the class; my_detector becomes MyDetector")
    parser.add_argument("--out", default=".", metavar="DIR", help="where to make the folder")


def add_check_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `check` to its parser."""
    parser.usage = "plane-anomalib check NAME [--only CHECK ...] [--seed SEED], or --list"
    parser.add_argument("name", nargs="?", metavar="NAME", help="a registered model")
    parser.add_argument("--only", nargs="+", default=[], metavar="CHECK", help="these checks")
    parser.add_argument("--seed", type=int, default=0, help="of all random input")
    parser.add_argument("--list", action="store_true", help="list the checks and run none")


def new_model(arguments: Namespace) -> int:
    """Write a package, and say what to do with it.

    Args:
        arguments: What was parsed by a parser with `add_new_model_arguments`.

    Returns:
        0.

    Raises:
        ConfigurationError: The name cannot be used, or something lies there already.
    """
    from plane_anomalib.plugins.scaffold import class_name, write_package

    name = class_name(arguments.name)
    folder = write_package(arguments.name, arguments.out)
    sys.stdout.write(
        f"{folder} holds a package with a working model {name}. Next:\n"
        f"  pip install -e {folder}\n"
        f"  plane-anomalib check {name}\n"
        f"  anomalib train --model {name} --data ProceduralShapes\n"
        f"and put your method into {folder / folder.name / 'torch_model.py'}.\n"
    )
    return 0


def check(arguments: Namespace) -> int:
    """Check a model, or list the checks.

    Args:
        arguments: What was parsed by a parser with `add_check_arguments`.

    Returns:
        The exit code: 1 if a check has failed.

    Raises:
        SystemExit: With code 2 if no model is named.
        PlaneAnomalibError: There is no such model or check, or it cannot be imported.
    """
    if arguments.list:
        sys.stdout.write(list_checks())
        return 0
    if arguments.name is None:
        sys.stderr.write("error: give the NAME of a model (before --only), or --list\n")
        raise SystemExit(2)
    _require(arguments.name)
    return check_model(arguments.name, arguments.only, arguments.seed)


def _require(name: str) -> None:
    """Answer a wrong name before torch is imported."""
    try:
        MODELS.entry(name)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{error} A package of your own is known once it is installed: pip install -e FOLDER."
        ) from error


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
    with warnings.catch_warnings(record=True):  # anomalib's imports warn of their own future
        from plane_anomalib.plugins.contract.model_under_test import ModelUnderTest
        from plane_anomalib.plugins.contract.suite import CHECKS, run_checks

    checks = [_named(CHECKS, wanted) for wanted in only] or list(CHECKS.values())
    entry = MODELS.entry(name)
    cls = entry.load()
    sys.stdout.write(f"Checking {entry.name} of {entry.origin} ({entry.target}), seed {seed}.\n")
    with tempfile.TemporaryDirectory(prefix="plane-anomalib-check-") as folder:
        subject = ModelUnderTest(entry.name, cls, Path(folder), seed)
        outcomes = []
        for outcome in run_checks(subject, checks):
            sys.stdout.write(_line(outcome))
            sys.stdout.flush()
            outcomes.append(outcome)
    sys.stdout.write(_summary(entry.name, outcomes, seed))
    return int(any(outcome.status != "ok" for outcome in outcomes))


def list_checks() -> str:
    """A line per check: its name and what must hold."""
    with warnings.catch_warnings(record=True):  # anomalib's imports warn of their own future
        from plane_anomalib.plugins.contract.suite import CHECKS

    return "".join(f"{check.name:18} {check.summary}\n" for check in CHECKS.values())


def _named(checks: Mapping[str, Check], name: str) -> Check:
    if name in checks:
        return checks[name]
    raise ConfigurationError(f"No check is called {name!r}: {what_was_meant(name, checks)}")


def _line(outcome: CheckOutcome) -> str:
    check, status = outcome.check, outcome.status
    if status == "ok":
        return f"ok       {check.name:18} {check.summary}\n"
    line = (
        f"{status.upper() if status == 'failed' else status:8} {check.name:18} {outcome.reason}\n"
    )
    if outcome.error is not None and os.environ.get(DEBUG_VARIABLE, "0") != "0":
        line += "".join(traceback.format_exception(outcome.error))
    return line


def _summary(name: str, outcomes: Sequence[CheckOutcome], seed: int) -> str:
    seconds = sum(outcome.seconds for outcome in outcomes)
    passed = sum(outcome.status == "ok" for outcome in outcomes)
    text = f"{passed} of {len(outcomes)} checks passed in {seconds:.0f} s.\n"
    failed = [outcome.check.name for outcome in outcomes if outcome.status == "failed"]
    if failed:
        again = f"plane-anomalib check {name} --only {' '.join(failed)}"
        again += f" --seed {seed}" if seed else ""
        text += f"Again: {again}    (with {DEBUG_VARIABLE}=1 before it, tracebacks are shown)\n"
    return text

"""`plane-anomalib models` and `datasets`: what there is, from whom, and whether it works."""

from __future__ import annotations

import inspect
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from plane_anomalib.core.errors import PlaneAnomalibError
from plane_anomalib.core.registry import BUILT_IN, DATASETS, MODELS, Registry, RegistryEntry
from plane_anomalib.core.sources import ClassSummary, describe


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to the command's parser."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    parser.add_argument("--load", action="store_true", help="import each class, slower and certain")


def run(arguments: Namespace) -> int:
    """Print the table.

    Args:
        arguments: What was parsed by a parser with `add_arguments`, and `command`.

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

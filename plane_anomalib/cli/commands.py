"""The commands that are not anomalib's, by name; the module of one is imported when it is typed.

A command's module parses and prints, and has two functions: one that adds arguments to a parser,
one that runs with what was parsed. Nothing that computes is imported before a line is understood.
"""

from __future__ import annotations

import difflib
import re
import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

from plane_anomalib.cli.terminal import one_sentence_errors
from plane_anomalib.core.version import __version__

PROGRAM = "plane-anomalib"
_MISUSED = 2


class Command(NamedTuple):
    """One command.

    Attributes:
        help: One line of help.
        module: Where it is.
        arguments: The function of the module that adds arguments to a parser.
        run: The function of the module that runs it.
    """

    help: str
    module: str
    arguments: str = "add_arguments"
    run: str = "run"

    def function(self, name: str) -> Callable[[Any], Any]:
        """Import the module, and get a function of it."""
        found: Callable[[Any], Any] = getattr(import_module(self.module), name)
        return found


COMMANDS = {
    "quickstart": Command(
        "Learn from good scans, judge others and make pages to look at, in one go.",
        "plane_anomalib.cli.quickstart",
    ),
    "view": Command(
        "Look at judged clouds: a page and a picture for each, and a list of all.",
        "plane_anomalib.cli.view",
    ),
    "serve": Command(
        "Answer over HTTP: POST a cloud to /inspect, get the result as JSON.",
        "plane_anomalib.cli.serve",
    ),
    "models": Command(
        "List the point-cloud models: name, package, summary.",
        "plane_anomalib.cli.plugins",
        "add_listing_arguments",
        "print_listing",
    ),
    "datasets": Command(
        "List the point-cloud datasets: name, package, summary.",
        "plane_anomalib.cli.plugins",
        "add_listing_arguments",
        "print_listing",
    ),
    "weights": Command(
        "Published weights: list, show, get, convert, verify.", "plane_anomalib.cli.weights"
    ),
    "data": Command(
        "Make a benchmark from closed meshes, with defects and their point labels.",
        "plane_anomalib.cli.data",
    ),
    "sweep": Command(
        "Compare models on data: run, plan, status, merge, report.", "plane_anomalib.cli.sweep"
    ),
    "new-model": Command(
        "Write a package with a working model to start from.",
        "plane_anomalib.cli.plugins",
        "add_new_model_arguments",
        "new_model",
    ),
    "check": Command(
        "Check that a model does what every model must.",
        "plane_anomalib.cli.plugins",
        "add_check_arguments",
        "check",
    ),
    "pretrain": Command(
        "Make the weights of the built-in point-language model.",
        "plane_anomalib.cli.pretrain",
    ),
}
"""Commands whose names are ours alone."""

PATH_COMMANDS = {
    "train": Command(
        "Learn what good parts look like from good scans, and find thresholds.",
        "plane_anomalib.cli.train",
    ),
    "predict": Command(
        "Judge scans: a decision, a score per point, and where the anomalous parts lie.",
        "plane_anomalib.cli.predict",
    ),
}
"""Names that are anomalib's as well: ours where a path follows, anomalib's where an option does."""

ANOMALIB_COMMANDS = (
    "install", "fit", "validate", "test", "train", "predict", "export", "benchmark",
)  # fmt: skip

_BY_PURPOSE = {
    "scans of your own": ("quickstart", "train", "predict", "view", "serve"),
    "models and data": ("models", "datasets", "weights", "data", "new-model", "check", "pretrain"),
    "comparisons": ("sweep",),
}
_OTHERS = f"""\
anomalib's commands for models and datasets by name work here, too: {{names}}.
`train` and `predict` are anomalib's where an option follows them, such as
`{PROGRAM} train --model Plane`; `anomalib --help` and `anomalib train --help` say more.
"""


def is_ours(typed: Sequence[str]) -> bool:
    """Whether a command line is one of ours, not anomalib's.

    Args:
        typed: What was typed, without the program's name.
    """
    name, following = typed[:1], typed[1:2]
    if name and name[0] in PATH_COMMANDS:
        return bool(following) and not following[0].startswith("-")
    return bool(name) and name[0] in COMMANDS


def is_anomalibs(typed: Sequence[str]) -> bool:
    """Whether a command line of `plane-anomalib` is for anomalib, whose help is not asked for.

    Args:
        typed: What was typed, without the program's name.
    """
    if not typed or typed[0] not in ANOMALIB_COMMANDS or is_ours(typed):
        return False
    return typed[0] not in PATH_COMMANDS or typed[1:2] not in ([], ["-h"], ["--help"])


def run(typed: Sequence[str]) -> int:
    """Run a command of ours.

    Args:
        typed: What was typed, without the program's name.

    Returns:
        The exit code.

    Raises:
        SystemExit: With code 1 after an error of this package, 2 if the line cannot be understood.
    """
    if not typed or typed[0] in ("-h", "--help"):
        sys.stdout.write(overview())
        return 0 if typed else _MISUSED
    if typed[0] in ("-V", "--version"):
        sys.stdout.write(f"{PROGRAM} {__version__}\n")
        return 0
    command = {**COMMANDS, **PATH_COMMANDS}.get(typed[0])
    if command is None:
        sys.stderr.write(f"error: {_unknown(typed[0])}\n")
        return _MISUSED
    arguments = parse(typed)
    with one_sentence_errors():
        code: int = command.function(command.run)(arguments)
        return code


def parse(typed: Sequence[str]) -> Namespace:
    """Understand the line of a command of ours.

    Args:
        typed: What was typed, the command first.

    Returns:
        Its arguments, and the name as `command`.

    Raises:
        SystemExit: With code 2 if it cannot be understood.
    """
    name, *words = _spelt_out(typed)
    command = {**COMMANDS, **PATH_COMMANDS}[name]
    parser = _Parser(prog=f"{PROGRAM} {name}", description=command.help)
    command.function(command.arguments)(parser)
    arguments = parser.parse_args(words)
    arguments.command = name
    return arguments


def _spelt_out(typed: Sequence[str]) -> list[str]:
    """The line with `sweep --config FILE`, as anomalib's pipelines have it, as `sweep run FILE`."""
    words = list(typed)
    if words[:1] == ["sweep"] and len(words) > 1:
        option, equals, file = words[1].partition("=")
        if option in ("--config", "-c"):
            return ["sweep", "run", *([file] if equals else []), *words[2:]]
    return words


def overview() -> str:
    """What `plane-anomalib --help` prints."""
    lines = [f"usage: {PROGRAM} COMMAND ...", "", "Find anomalies in 3D point clouds.", ""]
    every = {**COMMANDS, **PATH_COMMANDS}
    width = max(map(len, every))
    for purpose, names in _BY_PURPOSE.items():
        lines += [f"{purpose}:", *(f"  {n:{width}}  {every[n].help}" for n in names), ""]
    lines += [f"`{PROGRAM} COMMAND --help` says more of one.", ""]
    others = ", ".join(name for name in ANOMALIB_COMMANDS if name not in PATH_COMMANDS)
    return "\n".join(lines) + _OTHERS.format(names=others)


def _unknown(word: str) -> str:
    known = [*COMMANDS, *dict.fromkeys([*PATH_COMMANDS, *ANOMALIB_COMMANDS])]
    close = difflib.get_close_matches(word, known, n=1)
    meant = f"did you mean {close[0]}?" if close else f"`{PROGRAM} --help` lists what there is."
    return f"{PROGRAM} has no command {word!r}: {meant}"


class _Parser(ArgumentParser):
    """Answers an option or an action that does not exist with the one that may be meant."""

    _words: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and remember what was typed for a message."""
        self._words = list(args or ())
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the line, and end."""
        super().error(message + self._meant(message))

    def options(self) -> list[str]:
        """All options, those of actions included."""
        nested = [a.choices.values() for a in self._actions if isinstance(a, _SubParsersAction)]
        below = [option for parsers in nested for parser in parsers for option in parser.options()]
        return [*self._option_string_actions, *below]

    def _meant(self, message: str) -> str:
        choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if choice:
            return _did_you_mean(choice[1], re.findall(r"'(.*?)'", choice[2]))
        _, refused, rest = message.partition("unrecognized arguments: ")
        options = self.options()
        for word in rest.split() if refused else self._words:
            name = word.partition("=")[0]
            if name.startswith("--") and not any(option.startswith(name) for option in options):
                return _did_you_mean(name, options)
        return ""


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f": did you mean {close[0]}, not {word}?" if close else ""

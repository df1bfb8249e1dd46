"""The commands that are not anomalib's; they start without importing it where they can."""

from __future__ import annotations

import sys
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from plane_anomalib.cli import (
    data,
    inspect_predict,
    inspect_train,
    inspect_view,
    quickstart,
    serving,
    sweep,
    sweep_arguments,
    weights,
)
from plane_anomalib.cli.failures import one_sentence_errors
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.registry import DATASETS, MODELS
from plane_anomalib.pretraining import command as pretrain

COMMANDS = {
    "models": "List the point-cloud models: name, package, summary.",
    "datasets": "List the point-cloud datasets: name, package, summary.",
    "new-model": "Write a package with a working model to start from.",
    "check": "Check that a model does what every model must.",
    "weights": "Published weights: list, show, get, convert, verify.",
    "data": "Make a benchmark from closed meshes, with defects and their point labels.",
    "pretrain": pretrain.DESCRIPTION,
    "sweep": sweep_arguments.DESCRIPTION,
    "view": inspect_view.DESCRIPTION,
    "quickstart": quickstart.DESCRIPTION,
    "serve": serving.DESCRIPTION,
}
"""Name to one line of help."""

PATH_COMMANDS = {
    "train": inspect_train.DESCRIPTION,
    "predict": inspect_predict.DESCRIPTION,
}
"""Names that are anomalib's as well: ours where a path follows, anomalib's where an option does."""


def is_ours(typed: Sequence[str]) -> bool:
    """Whether a command line is one of ours.

    Args:
        typed: What was typed, without the program's name.
    """
    return bool(typed) and (typed[0] in COMMANDS or takes_paths(typed))


def takes_paths(typed: Sequence[str]) -> bool:
    """Whether a command of anomalib's name is given paths, which anomalib's own never is.

    Args:
        typed: What was typed, without the program's name.
    """
    return len(typed) > 1 and typed[0] in PATH_COMMANDS and not typed[1].startswith("-")


def run(typed: Sequence[str]) -> int:
    """Run one of our commands.

    Args:
        typed: What was typed, without the program's name.

    Returns:
        The exit code.

    Raises:
        SystemExit: With code 1 after an error of this package, 2 if the line cannot be parsed.
    """
    arguments = _parser().parse_args(sweep_arguments.alias(typed))
    with one_sentence_errors():
        return _RUN[arguments.command](arguments)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="plane-anomalib")
    commands = parser.add_subparsers(dest="command", required=True)
    made = {
        name: commands.add_parser(name, help=text, description=text)
        for name, text in {**COMMANDS, **PATH_COMMANDS}.items()
    }
    for name in ("models", "datasets"):
        made[name].add_argument("names", nargs="*", metavar="NAME", help="only these")
        made[name].add_argument(
            "--load", action="store_true", help="import each class, slower and certain"
        )
    new = made["new-model"]
    new.add_argument("name", metavar="NAME", help="of the class; my_detector becomes MyDetector")
    new.add_argument("--out", default=".", metavar="DIR", help="where to make the folder")
    check = made["check"]
    check.add_argument("name", nargs="?", metavar="NAME", help="a registered model")
    check.add_argument("--only", nargs="+", default=[], metavar="CHECK", help="these checks")
    check.add_argument("--seed", type=int, default=0, help="of all random input")
    check.add_argument("--list", action="store_true", help="list the checks and run none")
    weights.add_arguments(made["weights"])
    data.add_arguments(made["data"])
    pretrain.add_arguments(made["pretrain"])
    sweep_arguments.add_arguments(made["sweep"])
    inspect_train.add_arguments(made["train"])
    inspect_predict.add_arguments(made["predict"])
    quickstart.add_arguments(made["quickstart"])
    inspect_view.add_arguments(made["view"])
    serving.add_arguments(made["serve"])
    return parser


def _models(arguments: Namespace) -> int:
    from plane_anomalib.cli.listing import listing

    registry = MODELS if arguments.command == "models" else DATASETS
    sys.stdout.write(listing(registry, arguments.names, load=arguments.load))
    return 0


def _new_model(arguments: Namespace) -> int:
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


def _check(arguments: Namespace) -> int:
    if arguments.name is None and not arguments.list:
        _parser().error("give the NAME of a model (before --only), or --list")
    if arguments.name is not None:
        _require(arguments.name)
    with warnings.catch_warnings(record=True):  # anomalib's imports warn of their own future
        from plane_anomalib.cli.checking import check_model, list_checks
    if arguments.list:
        sys.stdout.write(list_checks())
        return 0
    return check_model(arguments.name, arguments.only, arguments.seed)


def _require(name: str) -> None:
    """Answer a wrong name before torch is imported."""
    try:
        MODELS.entry(name)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{error} A package of your own is known once it is installed: pip install -e FOLDER."
        ) from error


_RUN = {
    "models": _models,
    "datasets": _models,
    "new-model": _new_model,
    "check": _check,
    "weights": weights.run,
    "data": data.run,
    "pretrain": pretrain.run,
    "sweep": sweep.run,
    "train": inspect_train.run,
    "predict": inspect_predict.run,
    "quickstart": quickstart.run,
    "view": inspect_view.run,
    "serve": serving.run,
}

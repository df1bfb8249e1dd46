"""`plane-anomalib quickstart GOOD... --check CLOUD...`: train, predict and view in one go."""

from __future__ import annotations

import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from plane_anomalib.cli import predict, train
from plane_anomalib.cli.terminal import say

_DETECTOR, _RESULTS = "detector", "results"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "good", nargs="+", metavar="GOOD", help="files, folders or patterns of good scans"
    )
    parser.add_argument(
        "--check", nargs="+", required=True, metavar="CLOUD", help="scans to judge, likewise"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("inspection"),
        metavar="DIR",
        help="gets the folders `detector` and `results` (%(default)s)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what lies there")
    parser.add_argument(
        "--resume", action="store_true", help="go on with a training that was stopped"
    )
    train.add_choices(parser)


def run(arguments: Namespace) -> int:
    """Run the command.

    Args:
        arguments: What was parsed by a parser with `add_arguments`.

    Returns:
        The exit code: 130 after Ctrl-C.

    Raises:
        PlaneAnomalibError: Whatever went wrong, in one sentence.
    """
    from plane_anomalib.inspection.inputs import find_clouds

    out: Path = arguments.out
    # A wrong path is said before minutes of learning.
    check = [source.path for source in find_clouds(arguments.check)]
    made = train.learn_from(
        arguments,
        out / _DETECTOR,
        ["plane-anomalib", *(word for word in sys.argv[1:] if word != "--resume")],
        overwrite=arguments.overwrite,
        resume=arguments.resume,
        check=check,
    )
    if made is None:
        return train.STOPPED
    code = _predict(out / _DETECTOR, arguments.check, out / _RESULTS, arguments.overwrite)
    if code == 0:
        code = _view(out / _RESULTS)
    if code == 0:
        run_folder, results = shlex.quote(str(out / _DETECTOR)), shlex.quote(str(out / _RESULTS))
        say(f"More scans: plane-anomalib predict {run_folder} SCAN... --out {results}-2")
    return code


def _predict(detector: Path, clouds: list[str], results: Path, overwrite: bool) -> int:
    options = ["--out", str(results), *(["--overwrite"] if overwrite else [])]
    return _as_typed(
        predict.add_arguments,
        predict.run,
        [*options, "--", str(detector), *clouds],
    )


def _view(results: Path) -> int:
    from plane_anomalib.cli import view

    return _as_typed(view.add_arguments, view.run, ["--", str(results)])


def _as_typed(
    declare: Callable[[ArgumentParser], None], command: Callable[[Namespace], int], typed: list[str]
) -> int:
    parser = ArgumentParser()
    declare(parser)
    return command(parser.parse_args(typed))

"""`plane-anomalib train GOOD...`: a detector out of good scans."""

from __future__ import annotations

import shlex
import sys
import warnings
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plane_anomalib.cli.terminal import say, stage_progress
from plane_anomalib.core.errors import ConfigurationError

if TYPE_CHECKING:
    from plane_anomalib.formats.raw_cloud import ReadOptions
    from plane_anomalib.geometry.points import FloatArray
    from plane_anomalib.inspection.card import DetectorCard
    from plane_anomalib.inspection.scans import GoodScan, ScansRead
    from plane_anomalib.inspection.training_plan import TrainOptions

STOPPED = 130
_MORE = """
With an option first instead of a path it is anomalib's `train`, for models and datasets by name:
plane-anomalib train --model Plane --data ProceduralShapes; `anomalib train --help` says more.
"""
_ANSWERS = {"auto": None, "yes": True, "no": False}
_QUESTIONS = {
    "--one-sided": "whether scans to be judged show one side of parts whose good scans are whole",
    "--common-pose": "whether all scans lie the same way, as in a fixture",
    "--remove-table": "whether to take out the plane that parts stand on; auto does where that is "
    "sure",
}
_SHOWN_WARNINGS = 20


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _MORE
    parser.add_argument(
        "good", nargs="+", metavar="GOOD", help="files, folders or patterns of good scans"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("detector"),
        metavar="RUN",
        help="where to put the detector (%(default)s)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a detector there")
    parser.add_argument(
        "--resume", action="store_true", help="go on with a training that was stopped"
    )
    add_choices(parser)


def add_choices(parser: ArgumentParser) -> None:
    """Declare the arguments about what is learnt, which `quickstart` has as well."""
    parser.add_argument("--model", metavar="NAME", help="a registered model (TemplateResidual)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the model; may be repeated",
    )
    parser.add_argument("--name", metavar="PART", help="what the part is called (its folder)")
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn (%(default)s)")
    for question, text in _QUESTIONS.items():
        parser.add_argument(question, choices=_ANSWERS, default="auto", help=text)
    parser.add_argument(
        "--units",
        metavar="UNIT",
        help="unit of length of the scans, such as mm; files that declare another are converted",
    )
    parser.add_argument(
        "--anyway",
        action="store_true",
        help="make a detector that calls many good scans anomalous, too, and use odd scans",
    )
    add_reading(parser)


def add_reading(parser: ArgumentParser) -> None:
    """Declare the arguments about what files do not say of themselves."""
    parser.add_argument(
        "--columns",
        metavar="X,Y,Z",
        help="which columns of tables are x, y and z: names, or numbers from 1",
    )
    parser.add_argument(
        "--pitch",
        metavar="DX[,DY[,DZ]]",
        help="of height maps: distance of columns, of rows, and the unit of heights (1)",
    )


def run(arguments: Namespace) -> int:
    """Run the command.

    Args:
        arguments: What was parsed by a parser with `add_arguments`.

    Returns:
        The exit code: 130 after Ctrl-C.

    Raises:
        PlaneAnomalibError: Whatever went wrong, in one sentence.
    """
    again = ["plane-anomalib", "train", *arguments.good, *_options(arguments)]
    again += ["--out", str(arguments.out)]
    card = learn_from(
        arguments, arguments.out, again, overwrite=arguments.overwrite, resume=arguments.resume
    )
    if card is None:
        return STOPPED
    run_folder = shlex.quote(str(arguments.out))
    say(
        f"Next: plane-anomalib predict {run_folder} SCAN... --out results",
        "      plane-anomalib view results",
    )
    return 0


def learn_from(
    arguments: Namespace,
    out: Path,
    again: Sequence[str],
    *,
    overwrite: bool = False,
    resume: bool = False,
    check: Sequence[Path] = (),
) -> DetectorCard | None:
    """Look at good scans, decide, learn, and say all of it.

    Args:
        arguments: What was parsed by a parser with `add_choices`, and `good`.
        out: The detector's folder.
        again: What was typed, for whoever stops it.
        overwrite: Replace a detector that lies there.
        resume: Go on with the training that was stopped.
        check: Scans that will be judged.

    Returns:
        What was made; `None` after Ctrl-C.

    Raises:
        PlaneAnomalibError: Whatever went wrong, in one sentence.
    """
    options = _wishes(arguments)
    options.component()  # refuses typing errors before torch is imported
    try:
        with warnings.catch_warnings():
            # torch's, and those of models of other packages, are for developers.
            warnings.simplefilter("ignore")
            from plane_anomalib.inspection.card import check_out

            check_out(out, overwrite=overwrite)
            return _learn(arguments.good, options, out, again, overwrite, resume, check)
    except KeyboardInterrupt:
        say("Stopped. Nothing is kept; the same command begins anew.")
        return None


def _learn(
    good: Sequence[str],
    options: TrainOptions,
    out: Path,
    again: Sequence[str],
    overwrite: bool,
    resume: bool,
    check: Sequence[Path],
) -> DetectorCard | None:
    from plane_anomalib.inspection.training import (
        TrainingStoppedError,
        make_detector,
        unfinished_folder,
    )
    from plane_anomalib.inspection.training_plan import decide

    _check_unfinished(unfinished_folder(out), resume or overwrite)
    look = _read(good, options)
    _say_look(look)
    plan = decide(look.scans, options, _readable(check, options.read, look.scans), look.decided)
    say(*plan.choices)
    try:
        with stage_progress() as progress:
            card = make_detector(
                plan, look.scans, out, overwrite=overwrite, resume=resume, progress=progress
            )
    except TrainingStoppedError as error:
        go_on = f" Go on with: {shlex.join([*again, '--resume'])}" if error.unfinished else ""
        say(f"{error}{go_on}")
        return None
    say(*card.choices[len(plan.choices) :])
    _say_card(card, out)
    return card


def _read(good: Sequence[str], options: TrainOptions) -> ScansRead:
    from plane_anomalib.inspection.inputs import find_clouds, others_in_words, passed_by
    from plane_anomalib.inspection.scans import read_good_scans

    sources = find_clouds(good)
    if others := others_in_words(passed_by(good)):
        say(others)
    with stage_progress() as progress:
        progress.start("Reading good scans", len(sources))
        return read_good_scans(
            sources,
            lambda done, total: progress.advance(),
            units=options.units,
            remove_table=options.remove_table,
            anyway=options.anyway,
            options=options.read,
        )


def _check_unfinished(unfinished: Path, allowed: bool) -> None:
    if unfinished.exists() and not allowed:
        raise ConfigurationError(
            f"{unfinished} holds a training that was stopped: give --resume to go on with it, or "
            "--overwrite to begin anew."
        )


def _say_look(look: ScansRead) -> None:
    for sentence in look.failed:
        sys.stderr.write(f"left out: {sentence}\n")
    for sentence in look.warnings[:_SHOWN_WARNINGS]:
        sys.stderr.write(f"warning: {sentence}\n")
    if len(look.warnings) > _SHOWN_WARNINGS:
        sys.stderr.write(f"warning: and {len(look.warnings) - _SHOWN_WARNINGS} more of these.\n")
    sys.stderr.flush()
    points = sorted(scan.card.num_points for scan in look.scans)
    spacing = sorted(scan.card.spacing for scan in look.scans)[len(points) // 2]
    number = f"{points[0]:,}" if points[0] == points[-1] else f"{points[0]:,} to {points[-1]:,}"
    say(
        f"{len(points)} good scan{'s' if len(points) > 1 else ''} of {number} points, about "
        f"{spacing:.3g} apart."
    )


def _say_card(card: DetectorCard, out: Path) -> None:
    from plane_anomalib.core.progress import duration

    if card.threshold is None:
        say("No threshold was found: scores will be given, decisions not.")
    else:
        say(
            f"Threshold of scans {card.threshold.value:.4g}"
            + (f", of points {card.point_threshold.value:.4g}" if card.point_threshold else "")
            + f": {card.threshold.origin}."
        )
    say(f"{out} holds the detector, made in {duration(card.seconds)}.")


def _readable(
    files: Sequence[Path], options: ReadOptions, good: Sequence[GoodScan]
) -> list[FloatArray]:
    """Clouds that can be read, without a table; whoever judges them reports the others."""
    from plane_anomalib.core.errors import PlaneAnomalibError
    from plane_anomalib.formats.io import read_points
    from plane_anomalib.inspection.supporting_plane import on_table

    extent = max(scan.card.extent for scan in good)
    standing = any(scan.without_table for scan in good)
    clouds = []
    for file in files:
        try:
            points = read_points(file, options=options).points
        except PlaneAnomalibError:
            continue
        table = on_table(points, extent) if standing else None
        points = points if table is None else points[~table.own]
        clouds.extend([points] if len(points) else [])
    return clouds


def _wishes(arguments: Namespace) -> TrainOptions:
    from plane_anomalib.formats.raw_cloud import ReadOptions
    from plane_anomalib.inspection.training_plan import TrainOptions

    return TrainOptions(
        model=arguments.model,
        settings=dict(_setting(text) for text in arguments.set),
        name=arguments.name,
        one_sided=_ANSWERS[arguments.one_sided],
        common_pose=_ANSWERS[arguments.common_pose],
        seed=arguments.seed,
        units=arguments.units,
        remove_table=_ANSWERS[arguments.remove_table],
        anyway=arguments.anyway,
        read=ReadOptions.typed(arguments.columns, arguments.pitch),
    )


def _setting(text: str) -> tuple[str, Any]:
    import yaml

    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ConfigurationError(f"--set {text}: write it as NAME=VALUE, such as max_steps=200.")
    try:
        return name.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"--set {text}: the value cannot be read.") from error


def _options(arguments: Namespace) -> list[str]:
    """The choices that were typed, as they have to be typed again."""
    options = []
    for name in ("model", "name", "units", "columns", "pitch"):
        if getattr(arguments, name) is not None:
            options += [f"--{name}", getattr(arguments, name)]
    for text in arguments.set:
        options += ["--set", text]
    for name in ("one_sided", "common_pose", "remove_table"):
        if getattr(arguments, name) != "auto":
            options += [f"--{name.replace('_', '-')}", getattr(arguments, name)]
    options += ["--anyway"] if arguments.anyway else []
    return options + (["--seed", str(arguments.seed)] if arguments.seed else [])

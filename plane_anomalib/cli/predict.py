"""`plane-anomalib predict RUN CLOUD...`: judge scans, without knowing anomalib."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from plane_anomalib.cli.terminal import say, stage_progress
from plane_anomalib.cli.train import add_reading
from plane_anomalib.core.errors import ConfigurationError, DatasetError, what_was_meant
from plane_anomalib.core.units import in_words

if TYPE_CHECKING:
    from plane_anomalib.formats.raw_cloud import ReadOptions
    from plane_anomalib.inspection.inputs import CloudFile
    from plane_anomalib.inspection.prediction import CloudJudge
    from plane_anomalib.inspection.regions import Region
    from plane_anomalib.inspection.results_folder import ResultEntry, Summary

_MORE = """
RUN is what `plane-anomalib train GOOD... --out RUN` made, a run folder of `anomalib train`, or a
checkpoint. A CLOUD is a file, a folder (with everything below it), a quoted pattern such as
'scans/**/*.ply', or @list.txt with one of these per line, relative to the list's folder.

OUT gets
  summary.json       all numbers: scores, decisions, regions, thresholds and where they come from
  clouds/NAME.npz    points, scores and region (-1 outside) of every point, in input order
  clouds/NAME.ply    the same as a cloud with colours: grey at the threshold, red far above
  clouds/NAME.csv    x, y, z, score, region (only with --formats csv)

A file that cannot be read is reported and the rest goes on. After Ctrl-C the same command with
--resume does what is left.

The exit code is
  0    done, whatever was found
  1    an error, not a single file could be read, or, with --fail-on error, some could not
  2    the command line cannot be understood
  3    with --fail-on anomaly or anomaly-only: a cloud was called anomalous
  4    with --fail-on not-judged or anomaly: none was, but a file was not judged, or not readable
  130  stopped by Ctrl-C

With an option first instead of RUN it is anomalib's `predict`, for models by name; `anomalib
predict --help` says more.
"""
_ANOMALY_CODE, _NOT_JUDGED_CODE = 3, 4
_STOPPED_CODE = 130
_CHOICES = ("formats", "compare", "category", "units", "resume", "overwrite")
"""Arguments that are fields of `PredictOptions`."""
_LONGEST_NAME = 40
_NO_DECISION = (
    "This detector has no threshold, so it gives scores and no decisions. For decisions, make one "
    "with `plane-anomalib train GOOD... --out RUN`, or train with validation data in anomalib."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to the command's parser."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _MORE
    parser.usage = "plane-anomalib predict RUN CLOUD... --out OUT [options]"
    parser.add_argument("run", metavar="RUN", help="the detector")
    parser.add_argument("clouds", nargs="+", metavar="CLOUD", help="what to judge")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help="folder of results")
    parser.add_argument(
        "--formats",
        nargs="+",
        choices=("npz", "ply", "csv"),
        default=["npz", "ply"],
        help="files per cloud (npz ply; `view` needs npz)",
    )
    parser.add_argument(
        "--compare",
        action=BooleanOptionalAction,
        help="find the nearest good scan and the heights of regions, about a second per cloud "
        "(by default for clouds called anomalous)",
    )
    parser.add_argument(
        "--truth", type=Path, metavar="DIR", help="ground truth, under the stems of the clouds"
    )
    parser.add_argument("--resume", action="store_true", help="skip what OUT has already")
    parser.add_argument("--overwrite", action="store_true", help="replace other results in OUT")
    parser.add_argument(
        "--fail-on",
        nargs="+",
        choices=("anomaly", "anomaly-only", "not-judged", "error"),
        default=[],
        help="an exit code other than 0, see below",
    )
    parser.add_argument(
        "--units",
        metavar="UNIT",
        help="unit of length of the clouds, such as m; converted to that of the good scans",
    )
    _add_detector_arguments(parser)


def _add_detector_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--category", metavar="NAME", help="what the objects are, if RUN has many")
    parser.add_argument("--model", metavar="NAME", help="of a checkpoint that does not say")
    add_reading(parser)
    parser.add_argument("--device", default="cpu", help="where to compute (cpu)")


def run(arguments: Namespace) -> int:
    """Judge.

    Args:
        arguments: What was parsed by a parser with `add_arguments`.

    Returns:
        The exit code.

    Raises:
        PlaneAnomalibError: Whatever went wrong, in one sentence.
    """
    if arguments.resume and arguments.overwrite:
        raise ConfigurationError("--resume keeps what OUT holds, --overwrite does not: give one.")
    sources = _sources(arguments)
    from plane_anomalib.inspection.detector import load
    from plane_anomalib.inspection.prediction import PredictOptions, judge_files

    reading = _reading(arguments)
    detector = load(arguments.run, model=arguments.model, device=arguments.device)
    _check_category(arguments.category, detector.categories)
    say(*heading(detector))
    chosen = {name: getattr(arguments, name) for name in _CHOICES} | {"read": reading}
    answers = Answers(detector, sources)
    with stage_progress() as progress:
        progress.start("Judging", len(sources))

        def tell(entry: ResultEntry) -> None:
            answers.tell(entry)
            progress.advance()

        options = PredictOptions(**chosen)
        others = _passed_by(arguments)
        summary = judge_files(detector, sources, arguments.out, options, tell, passed_by=others)
    say(*_ending(summary, arguments))
    return _exit_code(summary, arguments.fail_on)


def _reading(arguments: Namespace) -> ReadOptions | None:
    """How to read files, where that was said; else as the good scans were read."""
    from plane_anomalib.formats.raw_cloud import ReadOptions

    if arguments.columns is None and arguments.pitch is None:
        return None
    return ReadOptions.typed(arguments.columns, arguments.pitch)


def _sources(arguments: Namespace) -> list[CloudFile]:
    """The clouds that are meant; a wrong path is said before a model is loaded."""
    from plane_anomalib.inspection.inputs import find_clouds, places_without_scans

    without = places_without_scans(Path(arguments.run), arguments.out)
    sources = find_clouds(arguments.clouds, without=without, truth=arguments.truth)
    if arguments.truth is not None and not any(source.truth for source in sources):
        raise DatasetError(
            f"{arguments.truth}: holds no ground truth of these clouds; a file needs the stem of "
            f"its cloud, such as {sources[0].path.stem}.txt."
        )
    return sources


def _passed_by(arguments: Namespace) -> dict[str, int]:
    from plane_anomalib.inspection.inputs import passed_by, places_without_scans

    without = [*places_without_scans(Path(arguments.run), arguments.out), arguments.out]
    return passed_by(arguments.clouds, without=without)


def _check_category(category: str | None, known: Sequence[str]) -> None:
    """Answer a wrong category once, not for every cloud."""
    if category is None or not known or category in known:
        return
    meant = what_was_meant(category, known, "it knows")
    raise ConfigurationError(f"The detector was not trained on {category!r}: {meant}")


def _ending(summary: Summary, arguments: Namespace) -> list[str]:
    """How many there are of each, where the results lie, and what to type next."""
    from plane_anomalib.inspection.inputs import others_in_words

    decisions = [cloud.decision for cloud in summary.clouds]
    unjudged = decisions.count("not judged")
    counts = [f"{len(decisions) - unjudged} judged"]
    if summary.detector.threshold is not None:
        counts += [f"{decisions.count('anomaly')} anomaly", f"{decisions.count('normal')} normal"]
    if unjudged:
        counts.append(f"{unjudged} not judged")
    if summary.failed:
        counts.append(f"{len(summary.failed)} could not be read")
    lines = [", ".join(counts) + f": {arguments.out / 'summary.json'}"]
    if others := others_in_words(summary.passed_by):
        lines.append(others)
    if summary.left:
        done = len(summary.clouds) + len(summary.failed)
        lines.append(
            f"Stopped after {done} of {done + len(summary.left)} files: repeat the command with "
            f"--resume to do the other {len(summary.left)}."
        )
    elif any("npz" in cloud.files for cloud in summary.clouds):
        lines.append(f"Look at them: plane-anomalib view {arguments.out}")
    return lines


def _exit_code(summary: Summary, fail_on: Sequence[str]) -> int:
    if summary.left:
        return _STOPPED_CODE
    decisions = {cloud.decision for cloud in summary.clouds}
    if "anomaly" in decisions and not {"anomaly", "anomaly-only"}.isdisjoint(fail_on):
        return _ANOMALY_CODE
    if summary.failed and ("error" in fail_on or not summary.clouds):
        return 1
    open_ones = "not judged" in decisions or bool(summary.failed)
    return (
        _NOT_JUDGED_CODE if open_ones and not {"anomaly", "not-judged"}.isdisjoint(fail_on) else 0
    )


def heading(detector: CloudJudge) -> list[str]:
    """Who judges, and by which thresholds."""
    about = detector.model_name
    if detector.categories:
        about += f", trained on {', '.join(detector.categories)}"
    lines = [f"Detector {detector.run}: {about}"]
    if detector.threshold is None:
        lines.append(_NO_DECISION)
    else:
        limit = detector.threshold
        lines.append(f"Anomaly from a score of {limit.value:.4g} on: {limit.origin}")
    if detector.point_threshold is not None:
        limit = detector.point_threshold
        lines.append(f"Anomalous points from {limit.value:.4g} on: {limit.origin}")
    return lines


class Answers:
    """Prints what is found in each cloud.

    Args:
        detector: Who judges.
        sources: What is judged.
    """

    def __init__(self, detector: CloudJudge, sources: Sequence[CloudFile]) -> None:
        units = "" if detector.card is None else detector.card.units
        self._units = in_words(units) if units else ""
        self._limit = detector.threshold
        names = [len(source.name) for source in sources]
        self._width = min(max(names, default=0), _LONGEST_NAME)

    def tell(self, entry: ResultEntry) -> None:
        """Print what was found in one file."""
        from plane_anomalib.inspection.results_folder import FailedFile

        if isinstance(entry, FailedFile):
            say(f"  not read: {entry.reason}")
            return
        name = f"{entry.name:{self._width}}"
        if entry.reason:
            say("  " + "; ".join([f"{name}  not judged  {entry.reason}", *entry.notes]))
            return
        score = f"{entry.score:.4g}"
        if self._limit is not None:
            sign = ">=" if entry.decision == "anomaly" else "<"
            score = f"{entry.decision:7}  {score} {sign} {self._limit.value:.4g}"
        parts = [f"{name}  {score}", *self._found(entry.regions)]
        if entry.nearest_good is not None:
            parts.append(f"nearest good scan {entry.nearest_good}")
        if entry.dropped:
            parts.append(f"{entry.dropped} points without finite coordinates left out")
        say("  " + "; ".join([*parts, *entry.notes]))

    def _found(self, regions: Sequence[Region]) -> list[str]:
        """The largest region: where, how large, how high."""
        if not regions:
            return []
        largest, units = regions[0], f" {self._units}" if self._units else ""
        where = ", ".join(f"{value:.4g}" for value in largest.center)
        text = f"at ({where}), {largest.diameter:.3g}{units} across, {largest.share:.1%} of points"
        if largest.height is not None:
            side = "too much" if largest.height > 0 else "missing"
            text += f", {abs(largest.height):.3g}{units} {side}"
        more = len(regions) - 1
        return [text, *([f"{more} more region{'s' if more > 1 else ''}"] if more else [])]

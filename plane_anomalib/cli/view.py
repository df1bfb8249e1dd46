"""`plane-anomalib view`: pages and pictures of what `predict` wrote."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from plane_anomalib.cli.terminal import say

_DETAILS = """\
Make pages to look at what `plane-anomalib predict ... --out OUT` found. They need no network and
no installation: open OUT/view/index.html in any browser. For each cloud,

  OUT/view/NAME.html  turns it, moves the threshold, gives a point's score, lists the anomalous
                      regions and shows the nearest good scan beside it
  OUT/view/NAME.png   shows the map without a browser or a display, for papers

Pictures with the same --view, --scale and --size can be compared, whatever model they are of.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to the command's parser."""
    parser.description = _DETAILS
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.add_argument(
        "results",
        type=Path,
        metavar="OUT",
        help="what `predict` wrote: its folder, or one file of OUT/clouds (.npz)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to (OUT/view)")
    parser.add_argument(
        "--run", type=Path, metavar="RUN", help="the detector's folder (as predict was given it)"
    )
    parser.add_argument(
        "--truth", type=Path, metavar="DIR", help="ground truth: a file of the same stem per cloud"
    )
    _add_looks(parser)
    parser.add_argument(
        "--rerun", type=Path, metavar="FILE.rrd", help="also record all points for the Rerun viewer"
    )


def _add_looks(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--view",
        type=float,
        nargs=2,
        metavar=("AZIMUTH", "ELEVATION"),
        help="first view and pictures, in degrees (what matters is looked at)",
    )
    parser.add_argument(
        "--scale",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="scores of the coldest and the hottest colour (as in the .ply files)",
    )
    parser.add_argument(
        "--size", type=int, default=480, metavar="PIXELS", help="side of a picture's panel (480)"
    )
    parser.add_argument(
        "--points",
        type=int,
        default=60_000,
        metavar="N",
        help="the most points of a page; anomalous ones are kept first (60000)",
    )


def run(arguments: Namespace) -> int:
    """Write the pages.

    Args:
        arguments: What was parsed by a parser with `add_arguments`.

    Returns:
        The exit code: 1 if a cloud could not be shown.

    Raises:
        PlaneAnomalibError: Whatever went wrong, in one sentence.
    """
    from plane_anomalib.inspection.report import ViewOptions, view

    options = ViewOptions(
        num_points=arguments.points,
        view=None if arguments.view is None else (arguments.view[0], arguments.view[1]),
        scale=None if arguments.scale is None else (arguments.scale[0], arguments.scale[1]),
        size=arguments.size,
        run=arguments.run,
        truth=arguments.truth,
        rerun=arguments.rerun,
    )
    viewed = view(arguments.results, arguments.out, options, report=say)
    if options.rerun is not None:
        say(f"{options.rerun}: open it with `rerun {options.rerun}`.")
    shown = viewed.index or next(iter(viewed.pages), None)
    if shown is not None:
        say(f"Open {shown} in a browser.")
    return int(bool(viewed.failed))

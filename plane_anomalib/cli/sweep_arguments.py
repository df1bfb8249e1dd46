"""The arguments of `plane-anomalib sweep`."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from plane_anomalib.benchmark.executors import NAMES
from plane_anomalib.core.errors import ConfigurationError

DEFAULT_OUT = Path("results/sweeps")
_ACTIONS = {
    "run": "Run what is left of a sweep, then report.",
    "plan": "Its jobs, what is done, what is missing, and how long it will take.",
    "status": "What is done, running, failed and left.",
    "report": "Write the report of what is done so far.",
    "merge": "Copy the results of other folders, such as other machines', into one.",
}

_RAY = (
    "Each job is a task of a Ray cluster, and is run again elsewhere if its node dies. The folder "
    "of results need not be shared with the nodes: what a job leaves comes back to this process. "
    "Every node needs the data and the weights under the same paths (on a shared folder, or "
    "copies), and the same version of plane_anomalib and of plugins: a worker whose code differs "
    "is refused."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the actions and their arguments to the command's parser."""
    actions = parser.add_subparsers(dest="action", required=True)
    made = {name: actions.add_parser(name, help=t, description=t) for name, t in _ACTIONS.items()}
    made["merge"].add_argument("folders", nargs="+", metavar="FOLDER", type=Path)
    for name, action in made.items():
        action.add_argument(
            "--out", metavar="DIR", type=Path, default=DEFAULT_OUT,
            help="the folder of results, common to all sweeps (default: %(default)s)",
        )  # fmt: skip
        if name != "merge":
            _add_selection(action)
    _add_running(made["run"])


def _add_selection(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a sweep file, or the name of a bundled one")
    parser.add_argument(
        "--root", metavar="COLUMN=DIR", nargs="+", action="extend", default=[],
        help="where the data of a column lie, instead of what the file says",
    )  # fmt: skip
    parser.add_argument(
        "--objects", metavar="ROOT", type=Path, nargs="+", default=[],
        help="instead of the file's data, every folder in a public layout here",
    )  # fmt: skip
    parser.add_argument(
        "--models", metavar="ROW", nargs="+", default=[], help="only these rows; * and ? allowed"
    )
    parser.add_argument("--seeds", metavar="N", type=int, nargs="+", help="instead of the file's")
    parser.add_argument(
        "--shard", metavar="I/N", type=_shard, default=(1, 1),
        help="only the I-th of N parts of the jobs, for N machines",
    )  # fmt: skip


def _add_running(parser: ArgumentParser) -> None:
    parser.add_argument("--executor", choices=NAMES, default=NAMES[0])
    parser.add_argument("--processes", type=_count, metavar="N", help="jobs at a time")
    parser.add_argument("--timeout", type=_amount, metavar="MINUTES", help="of each job")
    parser.add_argument("--memory", type=_amount, metavar="GB", help="of each job, in GiB")
    parser.add_argument("--retry-failed", action="store_true", help="run failed jobs again")
    _add_ray(parser)


def _add_ray(parser: ArgumentParser) -> None:
    ray = parser.add_argument_group("with --executor ray", _RAY)
    ray.add_argument(
        "--ray-address", metavar="ADDRESS",
        help="of the cluster, or auto for the one this machine belongs to (default: the variable "
        "RAY_ADDRESS, otherwise a cluster on this machine that ends with the sweep)",
    )  # fmt: skip
    ray.add_argument("--ray-cpus", metavar="N", help="cores for each job (default: 1)")
    ray.add_argument(
        "--ray-gpus", metavar="N",
        help="GPUs for each job, such as 0.5 (default: 1 if the cluster has any)",
    )  # fmt: skip


def ray_options(arguments: Namespace) -> dict[str, str]:
    """What was given for Ray alone, by its name without `--ray-`.

    Raises:
        ConfigurationError: Something was, and another executor is asked for.
    """
    given = {
        name.removeprefix("ray_"): value
        for name, value in sorted(vars(arguments).items())
        if name.startswith("ray_") and value is not None
    }
    if given and arguments.executor != "ray":
        raise ConfigurationError(
            f"--ray-{min(given)} goes with --executor ray: add that, or leave it out."
        )
    return given


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _amount(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    index, count = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= index <= count:
        raise ArgumentTypeError(f"{text!r} is not I/N with 1 <= I <= N")
    return index, count

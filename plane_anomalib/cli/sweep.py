"""`plane-anomalib sweep`: many models on many data, run once, reported together."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from plane_anomalib.benchmark.executors import NAMES
from plane_anomalib.core.errors import ConfigurationError

if TYPE_CHECKING:
    from plane_anomalib.benchmark.executors import Resources
    from plane_anomalib.benchmark.plan import Plan
    from plane_anomalib.benchmark.schema import JobResult
    from plane_anomalib.benchmark.store import Store
    from plane_anomalib.benchmark.sweep_file import SweepFile


DEFAULT_OUT = Path("results/sweeps")
_INTERRUPTED = 130
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


__all__ = ["add_arguments", "run"]


def run(arguments: Namespace) -> int:
    """Run an action.

    Args:
        arguments: What was parsed by a parser with `add_arguments`.

    Returns:
        The exit code: 1 if a job has failed, 130 after Ctrl-C.

    Raises:
        PlaneAnomalibError: Whatever went wrong, in one sentence.
    """
    return {"merge": _merge, "plan": _plan, "status": _status, "report": _report, "run": _run}[
        arguments.action
    ](arguments)


def _run(arguments: Namespace) -> int:
    from plane_anomalib.benchmark.executors import create_executor
    from plane_anomalib.benchmark.report.markdown import printed
    from plane_anomalib.benchmark.store import Store
    from plane_anomalib.benchmark.sweep_run import Estimates, orders_of, results_of, run_orders
    from plane_anomalib.core.progress import duration

    sweep, store = _sweep(arguments), Store(arguments.out)
    # Before the plan, which may take minutes: its options can be wrong, or its package missing.
    executor = create_executor(arguments.executor, _resources(arguments, sweep))
    plan = _planned(arguments, sweep, store, make=True)
    _say(*plan.notes, *(f"left out: {g.row} on {g.column}: {g.reason}" for g in plan.gaps))
    if not plan.jobs:
        raise ConfigurationError(
            f"Nothing of {plan.title} can be run: mend what was left out above, or choose other "
            "rows."
        )
    orders = orders_of(plan, store, retry_failed=arguments.retry_failed)
    estimates = Estimates(results_of(plan, store))
    # The longest first: at the end no process waits long for the last one.
    orders.sort(key=lambda order: estimates.seconds(order.job), reverse=True)
    seconds = sum(estimates.seconds(order.job) for order in orders)
    _say(
        f"{plan.title}: {len(plan.jobs)} jobs, {len(orders)} to run, about "
        f"{duration(seconds)} one after another; results in {store.folder}"
    )
    try:
        run_orders(orders, store, executor, estimates)
    except KeyboardInterrupt:
        _say("Stopped. The same command goes on from here.")
        return _INTERRUPTED
    results = results_of(plan, store)
    sys.stdout.write(printed(results))
    _write_report(results, arguments, store, plan.title)
    return _conclude(results)


def _plan(arguments: Namespace) -> int:
    from plane_anomalib.benchmark.store import Store
    from plane_anomalib.benchmark.sweep_run import Estimates, label, results_of
    from plane_anomalib.core.progress import duration

    store = Store(arguments.out)
    plan = _planned(arguments, _sweep(arguments), store, make=False)
    states = _states(plan, store)
    estimates = Estimates(results_of(plan, store))
    total = 0.0
    lines = [("ID", "STATE", "TIME", "JOB")]
    for planned, state in zip(plan.jobs, states, strict=True):
        seconds = estimates.seconds(planned.job, planned.clouds)
        total += seconds if state in ("to run", "running", "to make") else 0.0
        lines.append((planned.job_id or "-", state, duration(seconds), label(planned.job)))
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    sys.stdout.write(
        "".join(
            f"{a:{widths[0]}}  {b:{widths[1]}}  {c:>{widths[2]}}  {d}\n" for a, b, c, d in lines
        )
    )
    gaps = [f"missing: {gap.row} on {gap.column}: {gap.reason}" for gap in plan.gaps]
    sys.stdout.write("".join(f"{line}\n" for line in [*plan.notes, *gaps]))
    sys.stdout.write(f"{_counted(states)}; about {duration(total)} one after another.\n")
    return 0


def _status(arguments: Namespace) -> int:
    from plane_anomalib.benchmark.store import Store
    from plane_anomalib.benchmark.sweep_run import results_of

    store = Store(arguments.out)
    plan = _planned(arguments, _sweep(arguments), store, make=False)
    states = _states(plan, store)
    for row in dict.fromkeys(planned.job.row for planned in plan.jobs):
        mine = [s for p, s in zip(plan.jobs, states, strict=True) if p.job.row == row]
        sys.stdout.write(f"{row}: {_counted(mine)}\n")
    sys.stdout.write(f"{plan.title}: {_counted(states)}.\n")
    return _conclude(results_of(plan, store))


def _report(arguments: Namespace) -> int:
    from plane_anomalib.benchmark.store import Store
    from plane_anomalib.benchmark.sweep_run import results_of

    store = Store(arguments.out)
    plan = _planned(arguments, _sweep(arguments), store, make=False)
    results = results_of(plan, store)
    if not results:
        raise ConfigurationError(
            f"{store.folder} holds no result of {plan.title} yet: run it first, or give the "
            "folder that holds them."
        )
    if len(results) < len(plan.jobs):
        _say(f"{len(plan.jobs) - len(results)} of {len(plan.jobs)} jobs have no result yet.")
    _write_report(results, arguments, store, plan.title)
    return 0


def _merge(arguments: Namespace) -> int:
    from plane_anomalib.benchmark.store import merge

    copied, damaged = merge(arguments.folders, arguments.out)
    _say(*damaged)
    sys.stdout.write(f"{len(copied)} results copied to {arguments.out}.\n")
    return int(bool(damaged))


def _sweep(arguments: Namespace) -> SweepFile:
    from plane_anomalib.benchmark.sweep_file import columns_of, find_sweep, read_sweep, with_roots

    sweep = read_sweep(find_sweep(arguments.file))
    if arguments.objects:
        sweep = replace(sweep, data=columns_of(arguments.objects))
    if arguments.seeds:
        sweep = replace(sweep, seeds=tuple(arguments.seeds))
    return with_roots(sweep, arguments.root)


def _planned(arguments: Namespace, sweep: SweepFile, store: Store, *, make: bool) -> Plan:
    from plane_anomalib.benchmark.plan import make_plan

    plan = make_plan(sweep, store.cache, make=make)
    if arguments.models:
        plan = plan.rows(arguments.models)
    return plan.shard(*arguments.shard)


def _states(plan: Plan, store: Store) -> list[str]:
    """One word for each job."""
    states = []
    for planned in plan.jobs:
        name = planned.job_id
        result = store.result(name) if name else None
        if result is not None:
            states.append(result.status)
        elif name is None:
            states.append("to make")
        else:
            states.append("running" if store.is_claimed(name) else "to run")
    return states


def _counted(states: Sequence[str]) -> str:
    return ", ".join(f"{count} {state}" for state, count in Counter(states).items()) or "no job"


def _resources(arguments: Namespace, sweep: SweepFile) -> Resources:
    from plane_anomalib.benchmark.executors import Resources

    limits = sweep.limits
    minutes, memory = (
        arguments.timeout or limits.timeout_minutes,
        arguments.memory or limits.memory_gb,
    )
    return Resources(
        processes=arguments.processes or limits.processes,
        timeout_seconds=None if minutes is None else minutes * 60,
        memory_bytes=None if memory is None else int(memory * 2**30),
        options=ray_options(arguments),
    )


def _write_report(
    results: Sequence[JobResult], arguments: Namespace, store: Store, title: str
) -> None:
    from plane_anomalib.benchmark.report.page import write_report

    folder = store.folder / "reports" / Path(arguments.file).stem
    for file in write_report(results, folder, title=title, results_folder=store.folder):
        sys.stdout.write(f"{file}\n")


def _conclude(results: Sequence[JobResult]) -> int:
    """Name the failures; the exit code."""
    from plane_anomalib.benchmark.schema import DONE
    from plane_anomalib.benchmark.sweep_run import label

    bad = [result for result in results if result.status != DONE]
    for result in bad:
        reason = result.failure.message.partition("\n")[0] if result.failure else ""
        _say(f"{result.status}: {label(result.job)} ({result.job_id}): {reason}")
    return int(bool(bad))


def _say(*lines: str) -> None:
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()

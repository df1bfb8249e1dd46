"""What a sweep's harness adds to a job, beside `plane-anomalib train` on the same arguments.

    python benchmarks/sweep_overhead.py [--model TemplateResidual] [--repeats 5] [--out FILE]

Both are timed as a user waits for them: a process that starts, imports, fits, tests, writes. They
take turns on the built-in shapes, so that other work on the machine meets both. The sweep's own
start, once for all jobs, is its own row.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from output import write_or_print

from plane_anomalib.benchmark.executors import Resources
from plane_anomalib.benchmark.executors.local import LocalExecutor
from plane_anomalib.benchmark.plan import Planned, make_plan
from plane_anomalib.benchmark.schema import JobOrder
from plane_anomalib.benchmark.store import Store
from plane_anomalib.benchmark.sweep_file import DataColumn, ModelRow, SweepFile

SHAPES = {"num_points": 10_000, "val_split_mode": "none"}
CATEGORY = "bottle0"
Spent = tuple[float, float]
"""Seconds of wall clock and of processor."""


def planned_job(model: str, arguments: Mapping[str, Any], work: Path) -> tuple[Planned, float]:
    """The job, its data made; and the seconds that planning takes once they are."""
    column = DataColumn("ProceduralShapes", "shapes", {**SHAPES, "root": str(work / "shapes")})
    sweep = SweepFile((ModelRow(model, model, arguments=arguments),), "t", (column,), [CATEGORY])
    make_plan(sweep, work / "first", make=True)
    start = time.perf_counter()
    plan = make_plan(sweep, work / "second", make=True)
    return plan.jobs[0], time.perf_counter() - start


def spent() -> Spent:
    """Wall-clock time, and processor time of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter(), used.ru_utime + used.ru_stime


def since(start: Spent) -> Spent:
    """What has been spent since."""
    now = spent()
    return now[0] - start[0], now[1] - start[1]


def by_sweep(planned: Planned, work: Path) -> Spent:
    """From the claim of the job to its result."""
    store = Store(Path(tempfile.mkdtemp(dir=work)))
    assert planned.job_id is not None and planned.identity is not None  # noqa: S101, PT018
    order = JobOrder(planned.job_id, planned.job, planned.identity)
    start = spent()
    (result,) = LocalExecutor(Resources(processes=1)).run([order], store)
    used = since(start)
    if result.failure is not None:
        raise SystemExit(result.failure.traceback)
    return used


def by_hand(planned: Planned, arguments: Mapping[str, Any], work: Path) -> Spent:
    """Of the command."""
    data = {**SHAPES, "root": planned.job.data.arguments["root"], "category": CATEGORY}
    command = [str(Path(sys.executable).with_name("plane-anomalib")), "train"]
    command += ["--model", planned.job.model.name, "--data", "ProceduralShapes"]
    for section, values in (("model", {**arguments, "visualizer": "false"}), ("data", data)):
        for name, value in values.items():
            command += [f"--{section}.{name}", str(value)]
    command += ["--default_root_dir", tempfile.mkdtemp(dir=work)]
    start = spent()
    subprocess.run(command, check=True, capture_output=True)
    return since(start)


def table(model: str, hand: list[Spent], sweep: list[Spent], planning: float) -> str:
    """The numbers as Markdown; on a busy machine only the processor time says something."""
    columns = []
    for index in range(2):
        typed, job = (statistics.median(each[index] for each in runs) for runs in (hand, sweep))
        columns.append((f"{typed:.2f}", f"{job:.2f}", f"{job - typed:+.2f}"))
    names = ("`plane-anomalib train`", "the same as a job of a sweep", "added per job")
    rows = [f"| {name} | {wall} | {cpu} |" for name, wall, cpu in zip(names, *columns, strict=True)]
    return (
        f"{model} on one category of the built-in shapes ({SHAPES['num_points']:,} points), "
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, median of "
        f"{len(hand)}.\n\n| | s | s of processor |\n|---|---:|---:|\n"
        + "\n".join(rows)
        + f"\n| planning, once for all jobs, after imports | {planning:.2f} | |\n"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="TemplateResidual")
    parser.add_argument("--arguments", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="the file to write; printed by default")
    options = parser.parse_args()
    arguments = dict(given.split("=", 1) for given in options.arguments)
    hand, sweep = [], []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        planned, planning = planned_job(options.model, arguments, work)
        for _ in range(options.repeats):
            hand.append(by_hand(planned, arguments, work))
            sweep.append(by_sweep(planned, work))
    write_or_print(table(options.model, hand, sweep, planning), options.out)


if __name__ == "__main__":
    main()

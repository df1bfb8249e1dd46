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
from plane_anomalib.benchmark.order import Order
from plane_anomalib.benchmark.plan import Planned, make_plan
from plane_anomalib.benchmark.store import Store
from plane_anomalib.benchmark.sweep_file import DataColumn, ModelRow, SweepFile

SHAPES = {"num_points": 10_000, "val_split_mode": "none"}
CATEGORY = "bottle0"


def planned_job(model: str, arguments: Mapping[str, Any], work: Path) -> tuple[Planned, float]:
    """The job, its data made; and the seconds that planning takes once they are."""
    column = DataColumn("ProceduralShapes", "shapes", {**SHAPES, "root": str(work / "shapes")})
    sweep = SweepFile((ModelRow(model, model, arguments=arguments),), "t", (column,), [CATEGORY])
    make_plan(sweep, work / "first", make=True)
    start = time.perf_counter()
    plan = make_plan(sweep, work / "second", make=True)
    return plan.jobs[0], time.perf_counter() - start


def by_sweep(planned: Planned, work: Path) -> float:
    """Seconds from the claim of the job to its result."""
    store = Store(Path(tempfile.mkdtemp(dir=work)))
    assert planned.job_id is not None and planned.identity is not None  # noqa: S101, PT018
    order = Order(planned.job_id, planned.job, planned.identity)
    start = time.perf_counter()
    (result,) = LocalExecutor(Resources(processes=1)).run([order], store)
    seconds = time.perf_counter() - start
    if result.failure is not None:
        raise SystemExit(result.failure.traceback)
    return seconds


def by_hand(planned: Planned, arguments: Mapping[str, Any], work: Path) -> float:
    """Seconds of the command."""
    data = {**SHAPES, "root": planned.job.data.arguments["root"], "category": CATEGORY}
    command = [str(Path(sys.executable).with_name("plane-anomalib")), "train"]
    command += ["--model", planned.job.model.name, "--data", "ProceduralShapes"]
    for section, values in (("model", {**arguments, "visualizer": "false"}), ("data", data)):
        for name, value in values.items():
            command += [f"--{section}.{name}", str(value)]
    command += ["--default_root_dir", tempfile.mkdtemp(dir=work)]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def table(model: str, hand: list[float], sweep: list[float], planning: float) -> str:
    """The numbers as Markdown."""
    typed, job = statistics.median(hand), statistics.median(sweep)
    added = job - typed
    return (
        f"{model} on one category of the built-in shapes ({SHAPES['num_points']:,} points), "
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, median of "
        f"{len(hand)}.\n\n| | s |\n|---|---:|\n| `plane-anomalib train` | {typed:.2f} |\n"
        f"| the same as a job of a sweep | {job:.2f} |\n"
        f"| added per job | {added:.2f} ({added / typed:+.1%}) |\n"
        f"| planning, once for all jobs, data unknown | {planning:.2f} |\n"
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

"""How long commands take to start, and how much memory, beside another checkout of this repository.

    python benchmarks/start_up.py --against ../plane_anomalib_before

Each line is a whole process: processor seconds (user and system, those of its children included)
and peak resident memory. The two checkouts take turns (A B A B ...), so that a machine that slows
down slows both; medians are printed. Both run with this interpreter's packages, each with a small
detector that it has made itself from the same generated scans.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parents[1]
NUM_POINTS = 10_000
PROGRAM = "import sys; from plane_anomalib.cli import main; sys.argv[0] = 'plane-anomalib'; main()"
JUDGED = (
    "import sys, numpy, plane_anomalib; points = numpy.loadtxt(sys.argv[2], dtype='float32'); "
    "print(plane_anomalib.load(sys.argv[1])(points).score)"
)


@dataclass(frozen=True)
class Case:
    """One thing that is started.

    Attributes:
        name: What it is, in words.
        code: What Python runs.
        arguments: After it.
        seconds: The share of the other checkout's time that is aimed at.
        memory: The same of memory; `None` where nothing is aimed at.
        returns: The exit code of a run that went well.
    """

    name: str
    code: str
    arguments: tuple[str, ...]
    seconds: float
    memory: float | None
    returns: int = 0


@dataclass(frozen=True)
class Cost:
    """What a process took: processor seconds, and peak resident memory in MiB."""

    seconds: float
    megabytes: float


def cases() -> list[Case]:
    """Everything that is measured; RUN and CLOUD are relative to a checkout's own folder."""
    started = [
        ("--help", 0), ("train --help", 0), ("predict --help", 0), ("models", 0),
        ("weights list", 0), ("sweep plan smoke --out sweeps", 0), ("trian --help", 2),
    ]  # fmt: skip
    found = [
        Case(f"`plane-anomalib {typed}`", PROGRAM, tuple(typed.split()), 1 / 20, 1 / 15, code)
        for typed, code in started
    ]
    for model, share, memory in (("TemplateResidual", 1 / 4, 1 / 2), ("Plane", 1 / 3, None)):
        typed = ("predict", model, "judged.xyz", "--out", f"results-{model}", "--overwrite")
        found.append(Case(f"`predict` of one cloud, {model}", PROGRAM, typed, share, memory))
        given = (model, "judged.xyz")
        found.append(Case(f"`load(run)(points)`, {model}", JUDGED, given, share, memory))
    found.append(Case("`import plane_anomalib`", "import plane_anomalib", (), 1.0, None))
    return found


def run(code: str, arguments: Sequence[str], checkout: Path, folder: Path) -> tuple[int, Cost]:
    """Run a process to its end.

    Args:
        code: What Python runs.
        arguments: After it.
        checkout: Whose package it imports.
        folder: Where it runs.

    Returns:
        Its exit code, and what it took.
    """
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    with (folder / "printed.txt").open("wb") as printed:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=folder, env=environment, stdout=printed, stderr=subprocess.STDOUT,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def checked(case: Case, checkout: Path, folder: Path) -> Cost:
    """Run a case and see that it went well."""
    code, cost = run(case.code, case.arguments, checkout, folder)
    # A version that answers a typing error with another code than 2 has still answered it.
    if code != case.returns and case.returns == 0:
        text = (folder / "printed.txt").read_text(errors="replace")
        raise SystemExit(f"{case.name} of {checkout} ended with {code}:\n{text[-2000:]}")
    return cost


def prepare(checkout: Path, folder: Path, chosen: Sequence[Case]) -> None:
    """Scans, and a detector of each model that is asked for, made by the checkout itself."""
    (folder / "good").mkdir(parents=True)
    for number in range(2):
        np.savetxt(folder / "good" / f"{number}.xyz", part(number)[::4], fmt="%.6g")
    np.savetxt(folder / "judged.xyz", part(99), fmt="%.6g")
    for model, more in (("TemplateResidual", ()), ("Plane", ("--set", "max_steps=1"))):
        if not any(model in case.arguments for case in chosen):
            continue
        typed = ("train", "good", "--out", model, "--model", model, *more)
        made = Case(f"train {model}", PROGRAM, typed, 1.0, None)
        checked(made, checkout, folder)


def part(seed: int) -> np.ndarray:
    """A lopsided ellipsoid with a groove, `(10000, 3)`, in millimetres."""
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(NUM_POINTS, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points *= 1 + 0.15 * points[:, :1] * points[:, 1:2] - 0.05 * (np.abs(points[:, 2:]) < 0.1)
    return points * (40.0, 25.0, 15.0) + generator.normal(0, 0.02, (NUM_POINTS, 3))


def table(found: Sequence[Case], costs: dict[tuple[str, str], list[Cost]]) -> str:
    """Medians of both checkouts as a Markdown table."""
    lines = [
        "| what | s before | s now | share | aim | MiB before | MiB now | share | aim |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for case in found:
        before, now = (costs[side, case.name] for side in ("before", "now"))
        cells = []
        for field, aim in (("seconds", case.seconds), ("megabytes", case.memory)):
            old, new = (statistics.median(getattr(c, field) for c in s) for s in (before, now))
            digits = 2 if field == "seconds" else 0
            share = f"1/{old / new:.1f}" if new else "-"
            wanted = "-" if aim is None or aim == 1.0 else f"1/{1 / aim:.0f}"
            cells += [f"{old:.{digits}f}", f"{new:.{digits}f}", share, wanted]
        lines.append(f"| {case.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--against", type=Path, required=True, metavar="CHECKOUT")
    parser.add_argument("--pairs", type=int, default=5, metavar="N", help="(5)")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="in a case's name")
    arguments = parser.parse_args()
    chosen = [
        case for case in cases()
        if not arguments.only or any(word in case.name for word in arguments.only)
    ]  # fmt: skip
    sides = {"before": arguments.against.resolve(), "now": HERE}
    costs: dict[tuple[str, str], list[Cost]] = {}
    with tempfile.TemporaryDirectory() as work:
        for side, checkout in sides.items():
            prepare(checkout, Path(work) / side, chosen)
        for case in chosen:
            for _ in range(arguments.pairs):
                for side, checkout in sides.items():
                    cost = checked(case, checkout, Path(work) / side)
                    costs.setdefault((side, case.name), []).append(cost)
            sys.stderr.write(f"{case.name}\n")
    sys.stdout.write(f"{table(chosen, costs)}\n")


if __name__ == "__main__":
    main()

"""Every model on every folder given, under one harness: metrics, seconds and memory in one table.

    python benchmarks/compare.py ROOT [ROOT ...] [--models BTF Plane ...] [--work DIR] [--out FILE]

A root holds categories in the layout of Anomaly-ShapeNet (`GT/`) or Real3D-AD (`gt/`). Each row is
a process of its own that fits, tests and writes `metrics.json` below the work folder; rows that
are there already are not run again. The table is Markdown, one part per root. A row takes a minute
or two per six categories on two cores; a transformer in the reference code's preset (16,384
groups) takes minutes a cloud, so leave those rows out by `--models` on a CPU.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import subprocess
import sys
from pathlib import Path

from plane_anomalib.atomic import replaced
from plane_anomalib.results import METRIC_NAMES, RunResult, read_metrics_json

PLANE_STEPS = {"AnomalyShapeNet": 2500, "Real3DAD": 700}

ROWS: dict[str, list[str]] = {
    "BTF raw": ["BTF", "--model.descriptor", "raw"],
    "BTF FPFH": ["BTF"],
    "PatchCore3D FPFH": ["PatchCore3D"],
    "PatchCore3D FPFH+raw": ["PatchCore3D", "--model.descriptor", "fpfh+raw"],
    "PatchCore3D builtin": ["PatchCore3D", "--model.descriptor", "builtin"],
    "M3DM builtin": ["M3DM"],
    "Reg3DAD builtin": ["Reg3DAD"],
    "TemplateResidual": ["TemplateResidual"],
    "Plane": ["Plane"],
}
FAITHFUL = ["--model.preset", "faithful"]
ONE_FOR_ALL = ["--model.scope", "all"]
BANKS = [name for name, row in ROWS.items() if row[0] not in ("TemplateResidual", "Plane")]
ROWS |= {f"{name}, one for all": ROWS[name] + ONE_FOR_ALL for name in BANKS}
ROWS |= {f"{name}, faithful": ROWS[name] + FAITHFUL for name in BANKS}


def layout(root: Path) -> str:
    """The dataset class that reads a root, by how its truth folders are called."""
    names = {entry.name for category in root.iterdir() if category.is_dir() for entry in
             category.iterdir()}  # fmt: skip
    return "AnomalyShapeNet" if "GT" in names else "Real3DAD"


def run(name: str, root: Path, work: Path, workers: int) -> RunResult | None:
    """Fit and test one row, unless its result is there; None when it failed."""
    folder = work / root.name / name.replace(" ", "_").replace(",", "")
    found = sorted(folder.rglob("metrics.json"))
    if not found:
        folder.mkdir(parents=True, exist_ok=True)
        model, *arguments = ROWS[name]
        data = layout(root)
        # Nothing is decided here, so a model that needs no validation fits on every template.
        splits = {"Plane": ["--model.max_steps", str(PLANE_STEPS[data])]}
        arguments += splits.get(model, ["--data.val_split_mode", "none"])
        command = [str(Path(sys.executable).with_name("plane-anomalib")), "train"]
        command += ["--model", model, *arguments, "--model.visualizer", "false"]
        command += ["--data", data, "--data.root", str(root), "--data.num_workers", str(workers)]
        command += ["--default_root_dir", str(folder)]
        with (folder / "log.txt").open("w", encoding="utf-8") as log:
            done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)
        found = sorted(folder.rglob("metrics.json"))
        if done.returncode or not found:
            print(f"{root.name}: {name} failed, see {folder / 'log.txt'}", file=sys.stderr)
            return None
    return read_metrics_json(found[0])


def table(rows: dict[str, RunResult | None]) -> list[str]:
    """Markdown lines; the best of each metric is bold."""
    names = METRIC_NAMES[:-1]
    done = {name: result for name, result in rows.items() if result is not None}
    best = {
        metric: max((r.metrics.mean[metric] or 0 for r in done.values()), default=0)
        for metric in names
    }
    lines = [
        "| model | " + " | ".join(n.replace("_", " ") for n in names) + " | s/cloud | peak GB |",
        "|---|" + "---:|" * (len(names) + 2),
    ]
    for name, result in rows.items():
        if result is None:
            lines.append(f"| {name} | failed |" + " |" * (len(names) + 1))
            continue
        cells = []
        for metric in names:
            value = result.metrics.mean[metric]
            text = "-" if value is None else f"{value:.3f}"
            cells.append(f"**{text}**" if value is not None and value == best[metric] else text)
        seconds = result.timing.seconds_per_cloud or float("nan")
        memory = result.peak_memory_bytes / 2**30
        lines.append(f"| {name} | {' | '.join(cells)} | {seconds:.2f} | {memory:.1f} |")
    return lines


def main() -> None:
    """Run what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("roots", type=Path, nargs="+", metavar="ROOT")
    parser.add_argument("--models", nargs="+", default=list(ROWS), help="names or patterns")
    parser.add_argument("--work", type=Path, default=Path("results/compare"))
    parser.add_argument("--out", type=Path, help="Markdown file; printed without it")
    parser.add_argument("--num-workers", type=int, default=0)
    options = parser.parse_args()
    chosen = [n for n in ROWS if any(fnmatch.fnmatch(n, p) for p in options.models)]
    lines = []
    for root in options.roots:
        rows = {name: run(name, root, options.work, options.num_workers) for name in chosen}
        first = next((result for result in rows.values() if result is not None), None)
        lines += [f"### {root.name}", ""]
        if first is not None:
            machine = f"{first.hardware.cpu}, {os.cpu_count()} cores"
            clouds = sum(c.test_good + c.test_bad for c in first.data_counts.values())
            lines += [f"{len(first.data_counts)} categories, {clouds} test clouds; {machine}.", ""]
        lines += [*table(rows), ""]
    text = "\n".join(lines)
    if options.out is None:
        print(text)
        return
    with replaced(options.out) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

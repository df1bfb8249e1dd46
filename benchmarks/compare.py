"""Every model on every folder given, under one harness; each result is a row of a CSV file.

    python benchmarks/compare.py ROOT [ROOT ...] [--models "BTF*" Plane ...] [--work DIR]
    python benchmarks/compare_pages.py             # the tables of the README and the models' pages

A root holds categories in the layout of Anomaly-ShapeNet (`GT/`) or Real3D-AD (`gt/`). Each row is
a process of its own that fits, tests and writes `metrics.json` below the work folder; rows that
are there already are not run again. A row takes a minute or two per six categories on two cores; a
transformer in the reference code's preset (16,384 groups) takes minutes a cloud, so leave those
rows out by `--models` on a CPU. How many processors other work kept busy before a run is in its
row: times taken beside other work are marked in the tables.
"""

from __future__ import annotations

import argparse
import csv
import fnmatch
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

from plane_anomalib.atomic import replaced
from plane_anomalib.results import METRIC_NAMES, RunResult, read_metrics_json

Row = dict[str, str]
STEPS = {"AnomalyShapeNet": 500, "Real3DAD": 250}
TEMPLATE_FREE_STEPS = {"AnomalyShapeNet": 2500, "Real3DAD": 700}
"""Of PLANE, for the numbers of categories and points that our sets have."""

ROWS: dict[str, list[str]] = {
    "BTF raw": ["BTF", "--model.descriptor", "raw"],
    "BTF FPFH": ["BTF"],
    "PatchCore3D FPFH": ["PatchCore3D"],
    "PatchCore3D FPFH+raw": ["PatchCore3D", "--model.descriptor", "fpfh+raw"],
    "PatchCore3D builtin": ["PatchCore3D", "--model.backbone", "builtin"],
    "M3DM builtin": ["M3DM"],
    "Reg3DAD builtin": ["Reg3DAD"],
    "TemplateResidual": ["TemplateResidual"],
    "Plane": ["Plane"],
    "Plane template-free": ["Plane", "--model.template_context", "false"],
}
ROWS["Plane template-free builtin"] = [*ROWS["Plane template-free"], "--model.backbone", "builtin"]
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


def other_work(seconds: float = 1.0) -> float:
    """How many processors were busy while this process slept."""

    def busy() -> int:
        fields = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()[1:9]
        user, nice, system, _, _, irq, softirq, steal = map(int, fields)
        return user + nice + system + irq + softirq + steal

    if not Path("/proc/stat").exists():
        return os.getloadavg()[0]
    before = busy()
    time.sleep(seconds)
    return (busy() - before) / os.sysconf("SC_CLK_TCK") / seconds


def run(name: str, root: Path, work: Path, workers: int) -> tuple[RunResult, float | None] | None:
    """Fit and test one row, unless it is there: with the other work before; None if it failed."""
    folder = work / root.name / name.replace(" ", "_").replace(",", "")
    found = sorted(folder.rglob("metrics.json"))
    if not found:
        folder.mkdir(parents=True, exist_ok=True)
        model, *arguments = ROWS[name]
        data = layout(root)
        if name.startswith("Plane template-free"):
            arguments += ["--model.max_steps", str(TEMPLATE_FREE_STEPS[data])]
        else:
            if model == "Plane":
                arguments += ["--model.max_steps", str(STEPS[data])]
            # Nothing is decided here: without thresholds to find, all specimens can be fitted on.
            arguments += ["--data.val_split_mode", "none"]
        command = [str(Path(sys.executable).with_name("plane-anomalib")), "train"]
        command += ["--model", model, *arguments, "--model.visualizer", "false"]
        command += ["--data", data, "--data.root", str(root), "--data.num_workers", str(workers)]
        command += ["--default_root_dir", str(folder)]
        (folder / "load.txt").write_text(str(other_work()), encoding="utf-8")
        with (folder / "log.txt").open("w", encoding="utf-8") as log:
            done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)
        found = sorted(folder.rglob("metrics.json"))
        if done.returncode or not found:
            print(f"{root.name}: {name} failed, see {folder / 'log.txt'}", file=sys.stderr)
            return None
    load = folder / "load.txt"
    before = float(load.read_text(encoding="utf-8")) if load.exists() else None
    return read_metrics_json(found[0]), before


def row(root: str, name: str, result: RunResult, load: float | None) -> Row:
    """What the tables need of a result, and what it was made of."""
    counts = result.data_counts.values()
    values: Row = {
        "set": root,
        "run": name,
        "categories": str(len(result.data_counts)),
        "clouds": str(sum(each.test_good + each.test_bad for each in counts)),
    }
    for metric in METRIC_NAMES[:-1]:
        value = result.metrics.mean[metric]
        values[metric] = "" if value is None else f"{value:.4f}"
    seconds = result.timing.seconds_per_cloud
    values["seconds_per_cloud"] = "" if seconds is None else f"{seconds:.3f}"
    values["peak_gb"] = f"{result.peak_memory_bytes / 2**30:.2f}"
    values["busy_before"] = "" if load is None else f"{load:.2f}"
    values["cpu"] = f"{result.hardware.cpu}, {result.hardware.cores} cores"
    values["finished"] = result.timing.finished
    values["commit"] = result.versions.git_commit
    values["seed"] = str(result.seed)
    values["config_hash"] = result.config_hash[:12]
    values["data_hash"] = (result.data_hash or "")[:12]
    values["weights_hash"] = result.weights_hash[:12]
    return values


def merged(path: Path, rows: list[Row]) -> list[Row]:
    """The rows of a file with the new ones in their place, by set and in the order of `ROWS`."""
    known = {}
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            known = {(each["set"], each["run"]): each for each in csv.DictReader(file)}
    known |= {(each["set"], each["run"]): each for each in rows}
    order = list(ROWS)
    return sorted(known.values(), key=lambda each: (each["set"], order.index(each["run"])))


def main() -> None:
    """Run what is missing and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("roots", type=Path, nargs="+", metavar="ROOT")
    parser.add_argument("--models", nargs="+", default=list(ROWS), help="names or patterns")
    parser.add_argument("--work", type=Path, default=Path("results/compare"))
    parser.add_argument("--csv", type=Path, default=Path("benchmarks/results/comparison.csv"))
    parser.add_argument("--num-workers", type=int, default=0)
    options = parser.parse_args()
    chosen = [n for n in ROWS if any(fnmatch.fnmatch(n, p) for p in options.models)]
    for root, name in itertools.product(options.roots, chosen):
        done = run(name, root, options.work, options.num_workers)
        if done is None:
            continue
        rows = merged(options.csv, [row(root.name, name, *done)])
        with replaced(options.csv) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        print(f"{root.name}: {name} done", flush=True)


if __name__ == "__main__":
    main()

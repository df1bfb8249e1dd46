"""Rows of `comparison.csv` out of the results of sweeps, for the tables of the pages.

    plane-anomalib sweep run objects --objects ROOT [ROOT ...]      # and objects_one_for_all
    python benchmarks/comparison.py [results/sweeps] [--quiet]
    python benchmarks/compare_pages.py            # the tables of the README and the models' pages

A row of the file is a model on a set; a new one takes the place of an old one of the same name,
unless it says the same and only of the old one is known what else the machine did meanwhile.
`--quiet` says that of the new ones. A transformer in the reference code's preset (16,384 groups)
takes minutes a cloud on a CPU; `--models` leaves rows out of a sweep.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

from plane_anomalib.benchmark.leaderboard import Leaderboard, RowKey, leaderboard, row_cost
from plane_anomalib.benchmark.schema import ONE_FOR_ALL, RESULT_FILE, JobResult, read_result
from plane_anomalib.core.files import replaced
from plane_anomalib.core.results import METRIC_NAMES

Row = dict[str, str]
METRICS = METRIC_NAMES[:-1]
SHORT = ("object_AUROC", "point_AUROC", "point_AP")
"""Metrics of the short tables; their deviation over the seeds is kept, where there are several."""
BANKS = (
    *("BTF raw", "BTF FPFH", "PatchCore3D FPFH", "PatchCore3D FPFH+raw"),
    *("PatchCore3D builtin", "M3DM builtin", "Reg3DAD builtin"),
)
PLANES = (
    *("Plane", "Plane random", "Plane builtin"),
    *("Plane template-free", "Plane template-free builtin"),
)
RUNS = (
    *(*BANKS, "TemplateResidual", *PLANES),
    *(f"{name}, one for all" for name in BANKS),
    *(f"{name}, faithful" for name in BANKS),
)
"""Every row the pages know, in their order."""


def name_of(key: RowKey) -> str:
    """What the pages call a row of a sweep; PLANE is one model for all in any case."""
    name = key.row.replace("PLANE", "Plane")
    return f"{name}, one for all" if key.scope == ONE_FOR_ALL and name in BANKS else name


def row(board: Leaderboard, key: RowKey, column: str, results: list[JobResult], quiet: bool) -> Row:
    """What the tables need of a row on a set, and what it was made of; empty if not complete."""
    runs = [result.run for result in results if result.run is not None]
    seeds = sorted({str(result.job.seed) for result in results})
    cost = row_cost(results)
    scores = [board.scores.get((key, column, metric)) for metric in METRICS]
    if cost is None or any(score is None or not score.complete for score in scores):
        return {}
    newest = max(results, key=lambda result: result.timing.finished)
    hardware, seconds, peak = cost.hardware[0], cost.seconds_per_cloud, cost.peak_memory_bytes
    hashes = {
        name: sorted({(getattr(run, name) or "")[:12] for run in runs})
        for name in ("config_hash", "data_hash", "weights_hash")
    }
    known = {metric: score for metric, score in zip(METRICS, scores, strict=True) if score}
    return {
        "set": column,
        "run": name_of(key),
        "categories": str(len(board.categories[column])),
        "clouds": str(sum(len(run.objects) for run in runs) // len(seeds)),
        **{name: _digits(score.mean) for name, score in known.items()},
        **{f"{name}_std": _digits(known[name].deviation) for name in SHORT},
        "seconds_per_cloud": _digits(seconds, 3),
        "peak_gb": "" if peak is None else _digits(peak / 2**30, 2),
        "busy_before": "0.00" if quiet else "",
        "cpu": f"{hardware.cpu}, {hardware.cores} cores",
        "finished": newest.timing.finished,
        "commit": newest.versions.git_commit,
        "seed": " ".join(seeds),
        **{name: " ".join(values) for name, values in hashes.items()},
    }


def _digits(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def rows_of(folder: Path, *, quiet: bool) -> list[Row]:
    """The complete rows of a folder of results."""
    board = leaderboard([read_result(file) for file in folder.glob(f"*/{RESULT_FILE}")])
    found: dict[tuple[RowKey, str], list[JobResult]] = defaultdict(list)
    for result in board.results:
        found[RowKey(result.job.row, result.job.scope), result.job.column].append(result)
    rows = [row(board, key, column, each, quiet) for (key, column), each in found.items()]
    return [each for each in rows if each and each["run"] in RUNS]


def merged(known: list[Row], new: list[Row]) -> list[Row]:
    """Old and new rows by set, in the order of `RUNS`."""
    rows = {(each["set"], each["run"]): each for each in known}
    for each in new:
        old = rows.get((each["set"], each["run"]))
        same = old is not None and all(old[metric] == each[metric] for metric in METRICS)
        known_better = old is not None and bool(old["busy_before"]) and not is_quiet(each)
        if not (same and known_better):
            rows[each["set"], each["run"]] = each
    return sorted(rows.values(), key=lambda each: (each["set"], RUNS.index(each["run"])))


def is_quiet(each: Row) -> bool:
    """Whether hardly anything else ran when the row's time was taken."""
    return bool(each["busy_before"]) and float(each["busy_before"]) < 0.5


def main() -> None:
    """Merge the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("results/sweeps"))
    parser.add_argument("--csv", type=Path, default=Path("benchmarks/results/comparison.csv"))
    parser.add_argument("--quiet", action="store_true", help="nothing else ran on the machine")
    options = parser.parse_args()
    with options.csv.open(newline="", encoding="utf-8") as file:
        known = list(csv.DictReader(file))
    rows = merged(known, rows_of(options.folder, quiet=options.quiet))
    with replaced(options.csv) as temporary, temporary.open("w", newline="") as file:
        names = list(dict.fromkeys(name for each in rows for name in each))
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()

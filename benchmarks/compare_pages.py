"""Write the tables of the README and of the models' pages from the rows of `comparison.py`.

    python benchmarks/compare_pages.py [--csv benchmarks/results/comparison.csv]

A table stands between `<!-- comparison: NAME -->` and `<!-- end -->`; everything else stays.
"""

from __future__ import annotations

import argparse
import csv
import re
from pathlib import Path

from comparison import PLANES, RUNS, SHORT, Row, is_quiet

from plane_anomalib.core.files import replaced
from plane_anomalib.core.results import METRIC_NAMES

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "docs/protocols.md",
    *sorted((ROOT / "plane_anomalib/models").glob("*/README.md")),
    ROOT / "plane_anomalib/assets/builtin.md",
]
SETS = ("objects_asn", "objects_r3d", "hard_asn", "hard_r3d")
_TABLE = re.compile(r"(<!-- comparison: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def number(text: str, digits: int = 3) -> str:
    """A number for a table; a dash where there is none."""
    return f"{float(text):.{digits}f}" if text else "-"


def seconds(row: Row) -> str:
    """In brackets where other work may have slowed the run."""
    text = number(row["seconds_per_cloud"], 2)
    return text if is_quiet(row) or text == "-" else f"({text})"


def page_table(rows: list[Row], model: str) -> str:
    """All metrics of all runs of one model."""
    names = [name for name in METRIC_NAMES[:-1] if name in rows[0]]
    lines = [
        f"| set | run | {' | '.join(n.replace('_', ' ') for n in names)} | s/cloud | peak GB |",
        "|---|---|" + "---:|" * (len(names) + 2),
    ]
    for each in SETS:
        for row in rows:
            if row["set"] == each and row["run"].split(",")[0].split()[0] == model:
                run = row["run"].removeprefix(model).strip(" ,") or "default"
                cells = [number(row[name]) for name in names]
                cells += [seconds(row), number(row["peak_gb"], 1)]
                lines.append(f"| {each} | {run} | {' | '.join(cells)} |")
    return "\n".join(lines)


def overview(rows: list[Row], kind: str) -> str:
    """Three metrics of every run of a kind: "one-class", "one-for-all" or "faithful"."""
    lines = [f"| model | {' | '.join(SETS)} | s/cloud |", "|---|" + "---:|" * (len(SETS) + 1)]
    suffix = {"one-class": "", "one-for-all": ", one for all", "faithful": ", faithful"}[kind]
    found = {(row["set"], row["run"]): row for row in rows}
    for name in [name for name in RUNS if any(row["run"] == name for row in rows)]:
        model = name.removesuffix(suffix) if suffix else name
        if not name.endswith(suffix) or "," in model:
            continue
        here = [found.get((each, name)) for each in SETS]
        cells = [
            "-" if row is None else " / ".join(number(row[metric]) for metric in SHORT)
            for row in here
        ]
        times = [seconds(row) for row in here if row is not None]
        undisturbed = [time for time in times if not time.startswith("(")] or times
        ends = dict.fromkeys((min(undisturbed), max(undisturbed)))
        lines.append(f"| {model} | {' | '.join(cells)} | {' to '.join(ends)} |")
    return "\n".join(lines)


def variants(rows: list[Row]) -> str:
    """PLANE's variants beside TemplateResidual, with the deviation over seeds."""
    lines = [
        "| set | run | seeds | object AUROC | point AUROC | point AP |",
        "|---|---|---:|---:|---:|---:|",
    ]
    found = {(row["set"], row["run"]): row for row in rows}
    for each in SETS:
        for name in ("TemplateResidual", *PLANES):
            if (each, name) in found:
                row = found[each, name]
                cells = [_spread(row[metric], row.get(f"{metric}_std")) for metric in SHORT]
                seeds = len(row["seed"].split()) or 1
                lines.append(f"| {each} | {name} | {seeds} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(mean: str, deviation: str | None) -> str:
    return f"{number(mean)} ± {number(deviation)}" if deviation else number(mean)


def main() -> None:
    """Fill the tables in."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--csv", type=Path, default=ROOT / "benchmarks/results/comparison.csv")
    options = parser.parse_args()
    with options.csv.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    def filled(match: re.Match[str]) -> str:
        name = match[2]
        if name == "variants":
            text = variants(rows)
        elif name in {"one-class", "one-for-all", "faithful"}:
            text = overview(rows, name)
        else:
            text = page_table(rows, name)
        return f"{match[1]}{text}\n{match[3]}"

    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        changed = _TABLE.sub(filled, text)
        if changed != text:
            with replaced(page) as temporary:
                temporary.write_text(changed, encoding="utf-8")


if __name__ == "__main__":
    main()

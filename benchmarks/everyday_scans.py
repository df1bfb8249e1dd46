"""Everyday scans that went wrong: what is right, what an older version said, what this one says.

    python benchmarks/everyday_scans.py [--against CHECKOUT] [--kinds 1 4] [--out TABLE.md]

Each situation trains a detector and judges with it on the command line, as a new user would.
CHECKOUT is another version's source tree, run by this Python.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from everyday_situations import KINDS, Found, Row, Situation, situations

HERE = Path(__file__).resolve().parents[1]
PROGRAM = "import sys; from plane_anomalib.cli import main; sys.exit(main())"
SECONDS = 1_800


def command(checkout: Path, *typed: str, folder: Path) -> tuple[int, str]:
    """What `plane-anomalib` of a checkout returns and prints."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *typed],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def judged(situation: Situation, checkout: Path, folder: Path, *, new: bool) -> dict[str, Found]:
    """What a checkout says of each file of a situation, by the file's stem.

    Args:
        situation: Whose files lie in `folder` already.
        checkout: The version.
        folder: Where `good` and `test` are; the detector and results go there, too.
        new: Whether the version knows the situation's options.
    """
    detector, results = folder / f"detector-{new}", folder / f"results-{new}"
    train, predict = (situation.train, situation.predict) if new else ((), ())
    stems = [file.stem for file in (folder / "test").iterdir()]
    code, printed = command(
        checkout, "train", "good", "--out", str(detector), *train, folder=folder
    )
    if code:
        return dict.fromkeys(stems, Found("failed", reason=f"no detector: {_last(printed)}"))
    code, printed = command(
        checkout, "predict", str(detector), "test", "--out", str(results), *predict, folder=folder
    )
    if "Traceback" in printed:
        return dict.fromkeys(stems, Found("traceback", reason=_last(printed)))
    return _answers(results / "summary.json", stems, printed)


def _answers(file: Path, stems: Sequence[str], printed: str) -> dict[str, Found]:
    if not file.is_file():
        return dict.fromkeys(stems, Found("failed", reason=_last(printed)))
    summary = json.loads(file.read_text(encoding="utf-8"))
    found = dict.fromkeys(stems, Found("unsaid"))
    for failed in summary["failed"]:
        found[Path(failed["path"]).stem] = Found("failed", reason=failed["reason"])
    for passed in summary.get("passed_by", []):
        path = passed["path"] if isinstance(passed, dict) else passed
        found[Path(path).stem] = Found("passed by")
    for cloud in summary["clouds"]:
        found[Path(cloud["path"]).stem] = Found(
            cloud["decision"], tuple(cloud["regions"]), cloud["score"] or float("nan"),
            cloud.get("reason", ""),
        )  # fmt: skip
    return found


def _last(printed: str) -> str:
    return printed.strip().splitlines()[-1] if printed.strip() else ""


def told(row: Row, found: dict[str, Found] | None) -> tuple[str, int]:
    """In words what was said of a row's scans, and how many of them were judged rightly."""
    if found is None:
        return "", 0
    missing = Found("unsaid")
    wrong = {
        stem: found.get(stem, missing)
        for stem, check in row.checks.items()
        if not check(found.get(stem, missing))
    }
    right = len(row.checks) - len(wrong)
    words = f"{right} of {len(row.checks)}"
    if wrong:
        said = [f"{stem} {one.decision}{_region(one)}" for stem, one in wrong.items()]
        more = f" and {len(said) - 3} more" if len(said) > 3 else ""
        words += f"; wrong: {', '.join(said[:3])}{more}"
    return words, right


def _region(found: Found) -> str:
    if not found.regions:
        return "" if found.decision != "anomaly" else ", no region"
    largest = found.regions[0]
    height = "" if largest["height"] is None else f", {float(str(largest['height'])):+.2g}"
    return f", {float(str(largest['diameter'])):.3g} across{height}"


def main(given: Sequence[str] | None = None) -> int:
    """Run the situations; the exit code is 1 if this version is wrong anywhere."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--against", type=Path, help="another version's source tree")
    parser.add_argument("--kinds", type=int, nargs="+", default=list(KINDS), help="some of them")
    parser.add_argument("--out", type=Path, help="write the table there, too")
    arguments = parser.parse_args(given)
    lines = ["| kind | situation | right | before | now |", "|---|---|---|---|---|"]
    right = total = before_right = 0
    for situation in situations():
        if situation.kind not in arguments.kinds or not situation.rows:
            continue
        with tempfile.TemporaryDirectory(prefix="everyday_") as temporary:
            folder = Path(temporary)
            situation.make(folder)
            now = judged(situation, HERE, folder, new=True)
            before = None
            if arguments.against is not None:
                before = judged(situation, arguments.against.resolve(), folder, new=False)
        for row in situation.rows:
            said, count = told(row, now)
            said_before, count_before = told(row, before)
            right, total, before_right = (
                right + count,
                total + len(row.checks),
                before_right + count_before,
            )
            name = f"{situation.name}: {row.name}"
            lines.append(
                f"| {KINDS[situation.kind]} | {name} | {row.right} | {said_before} | {said} |"
            )
            print(lines[-1], flush=True)
    lines += [
        "",
        f"Right: {right} of {total}"
        + (f" (before: {before_right})." if arguments.against else "."),
    ]
    print(lines[-1])
    if arguments.out is not None:
        arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(right < total)


if __name__ == "__main__":
    sys.exit(main())

"""Which files of plane_anomalib one meets on three ways through it.

    python benchmarks/journeys.py [CHECKOUT ...]

prints, for each checkout (this one by default), the files of the package that run

1. from a scan to its score: `plane-anomalib predict` on one cloud, by TemplateResidual,
2. from `anomalib train --model Plane` on a folder of scans to the first loss,

and 3. those that a new method in the tree is made of or stands on: its own (BTF's, the shortest),
what they import, and where its name has to be written.

A file runs if one of its functions is called, not when it is imported. The first two are run in
processes of their own, in an empty folder, with a profiler.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

RUN = "from plane_anomalib.cli import main; main()"
METHOD, NAME = "models/btf", "BTF"
LOSS = "models/plane/maps.py"
TRAIN = (
    "train --model Plane --data PointCloudFolder --data.root part --model.num_points 256 "
    "--model.num_views 1 --model.max_steps 1 --model.visualizer false"
)


def main() -> None:
    """Print a list of files a journey."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkouts", nargs="*", type=Path, default=[Path(__file__).parents[1]])
    parser.add_argument("--trace", metavar="COMMAND", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.trace is not None:
        trace(arguments.trace, arguments.checkouts[0].resolve() / "plane_anomalib")
        return
    for checkout in arguments.checkouts:
        journeys = {
            "a scan to its score": predicting(checkout.resolve()),
            "`anomalib train --model Plane` to the loss": training(checkout.resolve()),
            "a new method in the tree": method_files(checkout.resolve() / "plane_anomalib"),
        }
        for name, files in journeys.items():
            print(f"\n{checkout}: {name}: {len(files)} files\n")
            print("\n".join(f"    {file}" for file in files))


def predicting(checkout: Path) -> list[str]:
    """Files that run when one cloud is judged."""
    with tempfile.TemporaryDirectory() as folder:
        write_scans(Path(folder), "good/{}.npy", 4)
        write_scans(Path(folder), "one.npy", 1)
        call(checkout, folder, "-c", RUN, "train", "good", "--out", "part")
        return traced(checkout, folder, "predict part one.npy --out answers")


def training(checkout: Path) -> list[str]:
    """Files that run until PLANE has its first loss, on a folder of scans."""
    with tempfile.TemporaryDirectory() as folder:
        for split, count in (("train", 4), ("test/good", 2), ("test/dent", 2)):
            write_scans(Path(folder), f"part/{split}/{{}}.npy", count)
        return traced(checkout, folder, TRAIN)


def write_scans(folder: Path, pattern: str, count: int) -> None:
    """Scans of a lumpy ball, each (4000, 3) float32 with other points and in another pose."""
    generator = np.random.default_rng(len(pattern))
    for number in range(count):
        points = generator.normal(size=(4_000, 3))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        points *= 1 + 0.2 * np.sin(points @ np.array([[3.0], [5.0], [2.0]]))
        turn, _ = np.linalg.qr(generator.normal(size=(3, 3)))
        path = folder / pattern.format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, (10 * points @ turn).astype(np.float32))


def method_files(package: Path) -> list[str]:
    """Files of the shortest method, those that they import, and those with its name in the code."""
    own = sorted((package / METHOD).glob("*.py"))
    found = set(own)
    for file in own:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package.name):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                for name in (*names, str(node.module)):
                    found.add(package.parent / f"{name.replace('.', '/')}.py")
    found |= {file for file in package.rglob("*.py") if names_method(file)}
    return sorted(f.relative_to(package).as_posix() for f in found if f.is_file())


def names_method(file: Path) -> bool:
    """Whether the shortest method's name, or its place, stands in a file's code."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef) and node.name == NAME:
            return True
        if isinstance(node, ast.Constant) and str(node.value).endswith(f":{NAME}"):
            return True
    return False


def call(checkout: Path, folder: str, *words: str) -> str:
    """Run Python on a checkout in a folder; what it printed on stdout."""
    variables = os.environ | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def traced(checkout: Path, folder: str, command: str) -> list[str]:
    """The files that run when `plane-anomalib` is called with these words, as they are met."""
    printed = call(checkout, folder, __file__, str(checkout), "--trace", command)
    return list(json.loads(printed.rpartition("FILES ")[2]))


def trace(command: str, package: Path) -> None:
    """Run a command of the package in this process, and print the files whose functions ran."""
    prefix, importing = f"{package}{os.sep}", Counter[int]()
    ran: dict[str, None] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        code, thread = frame.f_code, threading.get_ident()
        if not code.co_filename.startswith(prefix) or event not in ("call", "return"):
            return
        if code.co_name == "<module>":
            importing[thread] += 1 if event == "call" else -1
        elif event == "call" and not importing[thread]:
            ran.setdefault(code.co_filename.removeprefix(prefix))
        elif event == "return" and code.co_name == "forward" and code.co_filename.endswith(LOSS):
            finish()

    def finish() -> None:
        sys.setprofile(None)
        os.write(1, f"FILES {json.dumps(list(ran))}\n".encode())
        leave(0)

    # Commands that have computed end at once, without a word to anybody.
    leave, os._exit = os._exit, lambda _: finish()  # type: ignore[assignment,return-value]
    sys.argv = ["plane-anomalib", *command.split()]
    from plane_anomalib.cli import main as run

    threading.setprofile(note)
    sys.setprofile(note)
    with contextlib.suppress(SystemExit):
        run()
    finish()


if __name__ == "__main__":
    main()

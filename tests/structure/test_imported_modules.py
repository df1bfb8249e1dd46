"""What commands import: those on own scans no anomalib, those that compute nothing no torch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from plane_anomalib.formats.writer import write_points
from tests.support.trees import surface

ANOMALIB = ("anomalib", "lightning", "pytorch_lightning", "torchvision")
HEAVY = (*ANOMALIB, "numpy", "torch", "pandas", "scipy")
#: Runs the command line and says at exit, on the last line, which of the packages are loaded. The
#: command line ends the process by `os._exit` after it has run what is registered with atexit: code
#: after `main()` would not run.
PROGRAM = """
import atexit, sys
wanted = {wanted!r}
atexit.register(lambda: print("\\nloaded:", *[n for n in wanted if n in sys.modules], flush=True))
from plane_anomalib.cli import main
main()
"""
SERVED = """
import sys
from fastapi.testclient import TestClient
import plane_anomalib
from plane_anomalib.serving.app import create_app
app = create_app(plane_anomalib.load(sys.argv[1]))
with TestClient(app) as client, open(sys.argv[2], "rb") as cloud:
    answer = client.post("/inspect", files={{"file": ("cloud.ply", cloud)}})
assert answer.status_code == 200, answer.text
print("loaded:", *[name for name in {wanted!r} if name in sys.modules])
"""


def loaded(program: str, wanted: Sequence[str], *arguments: str | Path, code: int = 0) -> set[str]:
    """Which of the packages a program has imported by its end."""
    run = subprocess.run(
        [sys.executable, "-c", program.format(wanted=tuple(wanted)), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == code, run.stdout + run.stderr
    last = run.stdout.rstrip().rpartition("\n")[2]
    assert last.startswith("loaded:"), f"the program did not say what it loaded: {run.stdout}"
    return set(last.removeprefix("loaded:").split())


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("--help", 0),
        ("train --help", 0),
        ("predict --help", 0),
        ("models", 0),
        ("datasets", 0),
        ("weights list", 0),
        ("sweep --help", 0),
        ("sweep plan smoke", 0),
        ("modells", 2),
        ("train scans --modle Plane", 2),
    ],
)
def test_a_command_that_computes_nothing_imports_nothing_heavy(line: str, code: int) -> None:
    assert loaded(PROGRAM, HEAVY, *line.split(), code=code) == set()


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert loaded("import sys, plane_anomalib\nprint('loaded:', *[n for n in {wanted!r} "
                  "if n in sys.modules])", HEAVY) == set()  # fmt: skip


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    generator = np.random.default_rng(0)
    for number in range(3):
        write_points(folder / f"good{number}.ply", surface(generator, 600))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("model", ["TemplateResidual", "BTF", "Plane"])
def test_own_scans_are_judged_without_anomalib(scans: Path, tmp_path: Path, model: str) -> None:
    run, results, cloud = tmp_path / "run", tmp_path / "results", scans / "good0.ply"
    quick = ("--set", "max_steps=2") if model == "Plane" else ()
    given = (scans, "--out", run, "--model", model, "--anyway", *quick)
    trained = loaded(PROGRAM, HEAVY, "train", *given)
    assert trained.isdisjoint(ANOMALIB)
    judged = loaded(PROGRAM, HEAVY, "predict", run, cloud, "--out", results)
    assert judged.isdisjoint(ANOMALIB)
    assert ("torch" in judged) == (model != "TemplateResidual")
    assert loaded(PROGRAM, HEAVY, "view", results).isdisjoint(ANOMALIB)
    if model == "TemplateResidual":
        assert loaded(SERVED, HEAVY, run, cloud).isdisjoint(ANOMALIB)

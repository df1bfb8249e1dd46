"""What commands import: those on own scans no anomalib, those that compute nothing no torch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ANOMALIB = ("anomalib", "lightning", "pytorch_lightning", "torchvision")
HEAVY = (*ANOMALIB, "numpy", "torch", "pandas", "scipy")
#: Runs the command line and then says, on the last line, which of the packages are loaded.
PROGRAM = """
import sys
from plane_anomalib.cli import main
try:
    main()
finally:
    wanted = {wanted!r}
    print("\\nloaded:", *[name for name in wanted if name in sys.modules])
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
    return set(run.stdout.rstrip().rpartition("loaded:")[2].split())


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
        ("modells", 2),
        ("train scans --modle Plane", 2),
    ],
)
def test_a_command_that_computes_nothing_imports_nothing_heavy(line: str, code: int) -> None:
    assert loaded(PROGRAM, HEAVY, *line.split(), code=code) == set()


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert loaded("import sys, plane_anomalib\nprint('loaded:', *[n for n in {wanted!r} "
                  "if n in sys.modules])", HEAVY) == set()  # fmt: skip

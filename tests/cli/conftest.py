"""Commands exactly as a user types them, on data small enough to be quick."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

BIN = Path(sys.executable).parent
TINY = ("--model.num_points", "256", "--model.num_views", "1", "--model.visualizer", "false")


class Typed(Protocol):
    """Runs a command line in the test's folder."""

    def __call__(
        self, program: str, *arguments: str | Path, **variables: str
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    def run(
        program: str, *arguments: str | Path, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"COLUMNS": "200", "OMP_NUM_THREADS": "1"} | variables
        return subprocess.run(
            [BIN / program, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Own scans of a sphere, some with a bulge, in the layout of `PointCloudFolder`."""
    generator = np.random.default_rng()
    root = tmp_path / "scans"
    for folder in ("train", "test/good", "test/bulge", "ground_truth/bulge"):
        (root / folder).mkdir(parents=True)
    for index in range(2):
        for folder in ("train", "test/good"):
            np.savetxt(root / folder / f"{index}.xyz", _sphere(generator))
        cloud = _sphere(generator)
        bulged = cloud[:, 2] > 0.9
        cloud[bulged] *= 1.2
        np.savetxt(root / "test/bulge" / f"{index}.xyz", cloud)
        np.savetxt(root / "ground_truth/bulge" / f"{index}.txt", np.column_stack([cloud, bulged]))
    return root


def _sphere(generator: np.random.Generator) -> np.ndarray:
    points = generator.normal(size=(600, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)

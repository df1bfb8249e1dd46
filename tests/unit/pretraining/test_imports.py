"""The room runs where anomalib and its friends are not installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

SCRIPT = """
import sys
for name in ("anomalib", "lightning", "lightning_fabric", "pytorch_lightning", "fpsample",
             "pykdtree", "trimesh", "pandas", "rich", "lzf", "jsonargparse", "torchmetrics",
             "open_clip", "huggingface_hub"):
    sys.modules[name] = None
sys.argv = ["pretrain", "--config", "configs/pretrain/smoke.yaml", "--steps", "2",
            "--folder", sys.argv[1], "--device", "cpu"]
from argparse import ArgumentParser
from plane_anomalib.cli import pretrain
parser = ArgumentParser()
pretrain.add_arguments(parser)
raise SystemExit(pretrain.run(parser.parse_args()))
"""


@pytest.mark.slow
def test_command_runs_without_anomalib(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "builtin.safetensors").is_file()
    assert (tmp_path / "checkpoint.pt").is_file()


def test_workers_that_draw_shapes_import_no_torch() -> None:
    script = (
        "import sys, plane_anomalib.pretraining.pool, plane_anomalib.generation.shapes.catalogue\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0

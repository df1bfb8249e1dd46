"""`sweep` as a user types it: killed in the middle, gone on with, retried, and compared."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from plane_anomalib.benchmark.schema import JobResult, read_results
from plane_anomalib.core.results import read_metrics_json
from tests.cli.conftest import BIN, Typed
from tests.support.trees import shapenet_tree

pytestmark = pytest.mark.slow

SWEEP = """
title: Mine
models:
  - {row: BTF raw, model: BTF, arguments: {descriptor: raw}, data_arguments: {val_split_mode: none}}
  - {row: broken, model: M3DM, arguments: {backbone: bad.safetensors}, scope: one-for-all}
"""
DATA = "data: [{dataset: AnomalyShapeNet, arguments: {root: tree}, official: false}]\n"
RUN = ("sweep", "run", "mine.yaml", "--processes", "1")


def test_a_sweep_is_killed_goes_on_and_ends_with_every_job_once(
    typed: Typed, tmp_path: Path
) -> None:
    shapenet_tree(tmp_path / "tree", np.random.default_rng(0), count=150)
    (tmp_path / "mine.yaml").write_text(SWEEP + DATA)
    (tmp_path / "bad.safetensors").write_text("nothing")
    out = tmp_path / "results/sweeps"

    kill_in_the_middle(tmp_path, out)
    (first,) = read_results(out)
    written = (out / first.job_id / "result.json").stat().st_mtime_ns

    planned = typed("plane-anomalib", "sweep", "plan", "mine.yaml")
    assert planned.returncode == 0, planned.stderr
    assert "1 done, 2 to run" in planned.stdout or "1 failed, 2 to run" in planned.stdout

    done = typed("plane-anomalib", *RUN)
    assert done.returncode == 1, done.stderr
    assert "3 jobs, 2 to run" in done.stderr
    results = {(r.job.row, *r.job.categories): r for r in read_results(out)}
    assert set(results) == {
        ("BTF raw", "bowl0"), ("BTF raw", "cup1"), ("broken", "bowl0", "cup1")
    }  # fmt: skip
    assert all(result.attempt == 1 for result in results.values())
    assert (out / first.job_id / "result.json").stat().st_mtime_ns == written
    broken = results["broken", "bowl0", "cup1"]
    assert broken.status == "failed"
    assert broken.failure is not None
    assert broken.failure.type == "WeightsError"
    assert "Traceback" in broken.failure.traceback
    assert f"({broken.job_id})" in done.stderr
    assert "| BTF raw |" in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith("| broken |"))
    assert "0 of 2 categories" in row
    assert "results/sweeps/reports/mine" in done.stdout
    assert not [entry for entry in out.iterdir() if entry.name.startswith(".") and entry.name
                not in (".claims", ".data")]  # fmt: skip
    assert_equals_train(typed, tmp_path, results["BTF raw", "bowl0"])

    retried = typed("anomalib", "sweep", "--config", "mine.yaml", "--retry-failed")
    assert retried.returncode == 1, retried.stderr
    assert "3 jobs, 1 to run" in retried.stderr
    attempts = {result.job.row: result.attempt for result in read_results(out)}
    assert attempts == {"BTF raw": 1, "broken": 2}
    status = typed("plane-anomalib", "sweep", "status", "mine.yaml")
    assert "BTF raw: 2 done\nbroken: 1 failed\nMine: 2 done, 1 failed.\n" in status.stdout


def test_shards_of_two_machines_are_merged_into_the_whole(typed: Typed, tmp_path: Path) -> None:
    shapenet_tree(tmp_path / "tree", np.random.default_rng(0), count=150)
    (tmp_path / "mine.yaml").write_text("".join(SWEEP.splitlines(keepends=True)[:4]) + DATA)
    for machine in ("1", "2"):
        done = typed("plane-anomalib", *RUN, "--shard", f"{machine}/2", "--out", f"out{machine}")
        assert done.returncode == 0, done.stderr
        assert "1 to run" in done.stderr
    merged = typed("plane-anomalib", "sweep", "merge", "out1", "out2", "--out", "all")
    assert merged.returncode == 0, merged.stderr
    results = read_results(tmp_path / "all")
    assert sorted(result.job.categories for result in results) == [["bowl0"], ["cup1"]]
    status = typed("plane-anomalib", "sweep", "status", "mine.yaml", "--out", "all")
    assert "Mine: 2 done." in status.stdout


def kill_in_the_middle(folder: Path, out: Path) -> None:
    """Start the sweep, and kill it while its second job runs."""
    sweep = subprocess.Popen(
        [BIN / "plane-anomalib", *RUN],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 400
    try:
        while len(list(out.glob("*/order.json"))) < 2 or not list(out.glob("*/result.json")):
            assert sweep.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        jobs = psutil.Process(sweep.pid).children(recursive=True)
    finally:
        os.killpg(sweep.pid, signal.SIGKILL)
        sweep.wait()
    assert jobs, "a job was running"
    _, alive = psutil.wait_procs(jobs, timeout=5)
    assert not alive, "the job outlives its sweep"


def assert_equals_train(typed: Typed, folder: Path, job: JobResult) -> None:
    """A job finds what `train` finds on the same arguments, to the last digit."""
    trained = typed(
        "plane-anomalib", "train", "--model", "BTF", "--model.descriptor", "raw",
        "--model.visualizer", "false", "--data", "AnomalyShapeNet", "--data.root", "tree",
        "--data.category", "bowl0", "--data.val_split_mode", "none",
        "--default_root_dir", "trained",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    (file,) = (folder / "trained").rglob("metrics.json")
    expected = read_metrics_json(file)
    assert job.run is not None
    assert job.run.metrics == expected.metrics
    assert job.run.objects == expected.objects
    assert job.run.weights_hash == expected.weights_hash
    assert job.cost is not None
    assert {cloud.kind for cloud in job.clouds} == {"best", "worst"}
    with np.load(folder / "results/sweeps" / job.job_id / job.clouds[0].file) as saved:
        assert saved["points"].shape == (len(saved["scores"]), 3)
        assert saved["truth"].any()


def test_what_is_wrong_is_said_before_torch_is_imported(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    for heavy in ("torch", "anomalib"):
        (tmp_path / "site" / f"{heavy}.py").write_text("raise SystemExit('imported')\n")
    paths = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
    (tmp_path / "wrong.yaml").write_text("models: [{model: BTF, arguments: {descripter: raw}}]\n")
    for arguments, sentence in (
        (("run", "smoek"), "error: No sweep is called 'smoek' and there is no such file: did you"),
        (("plan", "wrong.yaml"), "error: wrong names no data: give --objects ROOT."),
        (("merge", "nowhere"), "error: nowhere is no folder of results: name one that"),
    ):
        refused = typed("plane-anomalib", "sweep", *arguments, PYTHONPATH=paths)
        assert refused.returncode == 1
        assert refused.stderr.startswith(sentence), refused.stderr
    unclear = typed("plane-anomalib", "sweep", "run", "smoke", "--shard", "3/2", PYTHONPATH=paths)
    assert unclear.returncode == 2
    assert "'3/2' is not I/N with 1 <= I <= N" in unclear.stderr

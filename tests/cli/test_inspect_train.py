"""`plane-anomalib train GOOD...` and `quickstart`, exactly as a user types them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from plane_anomalib.formats.writer import write_points
from plane_anomalib.inspection.card import DetectorCard
from plane_anomalib.inspection.detector import load
from tests.cli.conftest import BIN, Typed
from tests.support.trees import surface

pytestmark = pytest.mark.slow

QUICK = ("--model", "BTF", "--set", "descriptor=raw", "--anyway")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    folder = tmp_path / "bracket" / "good"
    for number in range(3):
        write_points(folder / f"{number}.ply", 80 * surface(np.random.default_rng(number), 500))
    return folder


def test_train_says_what_it_saw_and_makes_a_detector_that_loads(
    typed: Typed, good: Path, tmp_path: Path
) -> None:
    (good / "broken.ply").write_text("ply\nno header\n")
    done = typed("plane-anomalib", "train", good, "--out", "run", *QUICK, "--common-pose", "yes")
    assert done.returncode == 0, done.stderr
    assert f"left out: {good / 'broken.ply'}" in done.stderr
    assert "3 good scans of 500 points" in done.stdout
    assert "nobody states it" in done.stdout
    assert "The part is called 'bracket'" in done.stdout
    assert "each scan held out in turn" in done.stdout
    assert "plane-anomalib predict run SCAN... --out results" in done.stdout
    run = tmp_path / "run"
    assert sorted(path.name for path in run.iterdir()) == ["detector.json", "good", "model.ckpt"]
    saved = torch.load(run / "model.ckpt", weights_only=True)
    assert saved["plane_anomalib_model"] == "BTF"
    assert torch.isfinite(saved["state_dict"]["post_processor._image_threshold"])
    detector, card = load(run), DetectorCard.read(run)
    assert detector.categories == ("bracket",)
    assert detector.threshold == card.threshold
    assert detector.point_threshold == card.point_threshold
    assert card.threshold is not None
    assert [scan.name for scan in card.scans] == ["0", "1", "2"]


def test_train_answers_a_typing_error_before_it_reads_anything(typed: Typed, good: Path) -> None:
    done = typed("plane-anomalib", "train", good, "--model", "TemplateResidua")
    assert done.returncode == 1
    assert "did you mean TemplateResidual?" in done.stderr
    assert "Reading" not in done.stderr


STEPS = 190
"""A checkpoint is written after 100: what is left has to be long enough to be interrupted."""
PLANE = (
    "--model", "Plane", "--set", "num_points=128", "--set", "num_groups=16", "--set", "num_views=1",
    "--set", "adapter_hidden=32", "--set", "extra_points=16", "--set", "template_context=false",
    "--set", "place_resolutions=[8]", "--set", f"max_steps={STEPS}", "--common-pose", "yes",
    "--anyway",
)  # fmt: skip


def test_a_training_stopped_by_ctrl_c_goes_on_where_it_was(
    typed: Typed, good: Path, tmp_path: Path
) -> None:
    line = ["train", str(good), "--out", "run", *PLANE]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [BIN / "plane-anomalib", *line],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # What starts the tests in the background may have them ignore it.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        last = tmp_path / "run.unfinished" / "last.ckpt"
        deadline = time.monotonic() + 240
        while not last.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=120)[0]
    assert process.returncode == 130, output
    assert "Go on with: plane-anomalib train" in output
    assert "Traceback" not in output
    assert not (tmp_path / "run").exists()
    steps = torch.load(last, weights_only=True)["global_step"]
    assert 0 < steps < STEPS

    done = typed("plane-anomalib", *line, "--resume")
    assert done.returncode == 0, done.stderr
    assert f"Training ({STEPS - steps} steps)" in done.stderr
    assert not last.parent.exists()
    detector = load(tmp_path / "run")
    assert detector.model_name == "Plane"
    assert detector.threshold is not None
    assert "held out of the training" in detector.threshold.origin


def test_quickstart_goes_from_good_scans_to_pages(typed: Typed, good: Path, tmp_path: Path) -> None:
    bent = 80 * surface(np.random.default_rng(9), 500)
    bent[bent[:, 2] > np.quantile(bent[:, 2], 0.9)] *= 1.3
    write_points(tmp_path / "suspicious.ply", bent)
    done = typed(
        "plane-anomalib", "quickstart", good, "--check", "suspicious.ply", "--out", "all", *QUICK
    )
    assert done.returncode == 0, done.stderr
    assert "the scans to check show it, too" in done.stdout
    assert "suspicious  anomaly" in done.stdout
    assert (tmp_path / "all" / "detector" / "detector.json").is_file()
    assert (tmp_path / "all" / "results" / "summary.json").is_file()
    assert (tmp_path / "all" / "results" / "view" / "index.html").is_file()

"""A detector's folder: whole or not at all, never in the place of something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.inspection import thresholds, training
from plane_anomalib.inspection.card import DetectorCard, DetectorError
from plane_anomalib.inspection.detector import load
from plane_anomalib.inspection.scans import GoodScan
from plane_anomalib.inspection.thresholds import PoorDetectorError
from plane_anomalib.inspection.training_plan import TrainingPlan, TrainOptions, decide
from tests.unit.inspection.test_thresholds import QUICK, SCANS


def make(
    plan: TrainingPlan, out: Path, scans: list[GoodScan] = SCANS, *, overwrite: bool = False
) -> DetectorCard:
    return training.make_detector(plan, scans, out, overwrite=overwrite)


@pytest.fixture(scope="module")
def plan() -> TrainingPlan:
    return decide(SCANS, QUICK)


@pytest.fixture(scope="module")
def run(plan: TrainingPlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "run"
    make(plan, out)
    return out


def test_the_folder_loads_and_says_how_it_was_made(run: Path, plan: TrainingPlan) -> None:
    card, detector = DetectorCard.read(run), load(run)
    assert detector.weights_hash == card.weights_hash
    assert card.category == "part"
    assert card.scans == [scan.card for scan in SCANS]
    assert card.choices[: len(plan.choices)] == plan.choices
    assert any("synthetic defects in held-out scans" in said for said in card.choices)
    assert card.usual_point_score is not None
    assert card.usual_point_score >= 0
    assert card.threshold is not None
    assert detector.threshold == card.threshold
    assert card.threshold.origin.startswith("best F1 on 18 draws of 3 good scans")
    content = torch.load(run / "model.ckpt", weights_only=True)
    assert content["anomalib_post_processor_config"]["object_threshold_source"] == "f1"


def test_good_scans_are_kept_without_pickles_and_thinned(
    plan: TrainingPlan, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with np.load(run / "good" / "0.npz", allow_pickle=False) as kept:
        assert np.array_equal(kept["points"], SCANS[0].points)
    monkeypatch.setattr(training, "GOOD_POINTS", 300)
    make(plan, tmp_path / "run")
    with np.load(tmp_path / "run" / "good" / "0.npz", allow_pickle=False) as kept:
        assert 200 < len(kept["points"]) <= 300


def test_the_same_seed_makes_the_same_model(run: Path, plan: TrainingPlan, tmp_path: Path) -> None:
    again, before = make(plan, tmp_path / "run"), DetectorCard.read(run)
    assert again.weights_hash == before.weights_hash
    assert (again.config_hash, again.data_hash) == (before.config_hash, before.data_hash)


def test_what_is_no_detector_is_left_alone(plan: TrainingPlan, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(DetectorError, match="no detector's folder"):
            make(plan, tmp_path, overwrite=overwrite)
    with pytest.raises(DetectorError, match="is a file"):
        make(plan, tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_detector_is_replaced_only_if_asked_and_nothing_else_is_lost(
    plan: TrainingPlan, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    out.mkdir()  # an empty folder is as good as none
    before = make(plan, out)
    with pytest.raises(DetectorError, match="--overwrite"):
        make(plan, out)
    after = make(decide(SCANS, replace(QUICK, seed=1)), out, overwrite=True)
    assert DetectorCard.read(out).config_hash == after.config_hash != before.config_hash
    (out / "notes.txt").write_text("mine")
    with pytest.raises(DetectorError, match=r"notes\.txt"):
        make(plan, out, overwrite=True)


def test_a_failure_leaves_what_was_there(
    plan: TrainingPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    card = make(plan, out)

    def fail(*args: object) -> None:
        raise ConfigurationError("full disk")

    monkeypatch.setattr(training, "_card", fail)
    with pytest.raises(ConfigurationError, match="full disk"):
        make(plan, out, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert DetectorCard.read(out) == card


def test_one_scan_is_enough_and_said_to_be_little(tmp_path: Path) -> None:
    card = make(decide(SCANS[:1], QUICK), tmp_path / "run", SCANS[:1])
    assert any("thresholds are optimistic" in sentence for sentence in card.choices)
    assert card.threshold is not None


def test_a_model_that_needs_a_whole_test_set_is_refused(tmp_path: Path) -> None:
    options = TrainOptions("BTF", {"descriptor": "raw"})
    plan = decide(SCANS, options)
    method = plan.make()
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr(type(method), "transductive", property(lambda self: True))
        with pytest.raises(ConfigurationError, match="whole test set"):
            make(plan, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nothing_can_be_resumed_of_a_model_that_is_fitted_at_once(
    plan: TrainingPlan, tmp_path: Path
) -> None:
    with pytest.raises(DetectorError, match="leave out --resume"):
        training.make_detector(plan, SCANS, tmp_path / "run", resume=True)


def test_a_detector_that_calls_good_scans_anomalous_is_made_only_if_asked(tmp_path: Path) -> None:
    """Points alone, without their places on the part, tell nothing of one half from the other."""
    refused = decide(SCANS[:1], replace(QUICK, anyway=False))
    with pytest.raises(PoorDetectorError, match=r"would call 16 of 16 .* --anyway makes"):
        make(refused, tmp_path / "run", SCANS[:1])
    assert not any(tmp_path.iterdir())
    card = make(decide(SCANS[:1], QUICK), tmp_path / "run", SCANS[:1])
    assert "made all the same (--anyway)" in card.choices[-1]


TINY_PLANE = {
    "num_points": 128, "num_groups": 16, "num_views": 1, "adapter_hidden": 32, "extra_points": 16,
    "template_context": False, "place_resolutions": [8], "max_steps": 101,
}  # fmt: skip


@pytest.mark.slow
def test_a_training_that_was_refused_need_not_be_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "MOST_FALSE_ALARMS", -1.0)
    options = TrainOptions("Plane", TINY_PLANE, common_pose=True)
    out = tmp_path / "run"
    with pytest.raises(PoorDetectorError, match=r"--resume --anyway makes it"):
        make(decide(SCANS, options), out)
    assert [path.name for path in tmp_path.iterdir()] == ["run.unfinished"]
    again = decide(SCANS, replace(options, anyway=True))
    card = training.make_detector(again, SCANS, out, resume=True)
    assert "made all the same (--anyway)" in " ".join(card.choices)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]

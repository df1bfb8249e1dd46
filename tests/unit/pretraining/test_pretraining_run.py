"""A whole tiny run: it learns, goes on where it was left, and its file is the model."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open

from plane_anomalib.backbones.encoder_files import load_point_language_model
from plane_anomalib.core.errors import WeightsError
from plane_anomalib.pretraining import training as running
from plane_anomalib.pretraining import training as whole
from plane_anomalib.pretraining.config import PretrainConfig
from plane_anomalib.pretraining.evaluation import HeldOut
from plane_anomalib.pretraining.model import WeightAverage, learning_rate
from plane_anomalib.pretraining.pool import ShapePool
from plane_anomalib.pretraining.run_folder import PretrainingState, export
from plane_anomalib.pretraining.training import PretrainingRun, pretrain

CPU = torch.device("cpu")


def _with(config: PretrainConfig, **changes: object) -> PretrainConfig:
    return replace(config, train=replace(config.train, **changes))


def _state(run: PretrainingRun) -> dict[str, torch.Tensor]:
    return {**run.model.state_dict(), **run.heads.state_dict()}


def test_interrupted_run_ends_with_the_weights_of_one_without_a_break(
    config: PretrainConfig, pool: ShapePool, tmp_path: Path
) -> None:
    config = _with(config, ema=0.9)
    unbroken = PretrainingRun(config, tmp_path / "whole", CPU)
    assert unbroken.train(pool)
    first = PretrainingRun(config, tmp_path / "parts", CPU)
    step = PretrainingRun.step

    def stopping(self, pool, prepared, rate):
        found = step(self, pool, prepared, rate)
        if prepared.step == 2:
            os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C does
        return found

    first.step = stopping.__get__(first)  # type: ignore[method-assign]
    assert not first.train(pool)
    assert first.progress.step == 3
    first.save()
    second = PretrainingRun(config, tmp_path / "parts", CPU)
    second.resume()
    assert second.train(pool)
    for name, value in _state(unbroken).items():
        assert torch.equal(value, _state(second)[name]), name
    for one, other in zip(unbroken.average.values, second.average.values, strict=True):
        assert torch.equal(one, other)


def test_run_of_another_recipe_is_not_gone_on_with(config: PretrainConfig, tmp_path: Path) -> None:
    PretrainingRun(config, tmp_path, CPU).save()
    other = PretrainingRun(_with(config, learning_rate=0.5, minutes=3.0), tmp_path, CPU)
    with pytest.raises(WeightsError, match=r"different: train.learning_rate\."):
        other.resume()
    with pytest.raises(WeightsError, match="no checkpoint"):
        PretrainingRun(config, tmp_path / "empty", CPU).resume()


def test_losses_fall(config: PretrainConfig, pool: ShapePool, tmp_path: Path) -> None:
    config = _with(config, steps=40, learning_rate=3e-3, log_every=10)
    run = PretrainingRun(config, tmp_path, CPU)
    run.train(pool)
    with (tmp_path / "log.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["10", "20", "30", "40"]
    for name in ("total", "masked", "normals"):
        assert float(rows[-1][name]) < 0.9 * float(rows[0][name]), name


def test_exported_file_is_the_model_within_float16(
    config: PretrainConfig, pool: ShapePool, tmp_path: Path
) -> None:
    run = PretrainingRun(config, tmp_path, CPU)
    run.train(pool)
    path = tmp_path / "weights.safetensors"
    progress = PretrainingState(6, 6, 7.0)
    export(run.model, path, config, progress, CPU, len(pool), {"seen_name_top1": 0.5}, "abc")
    loaded = load_point_language_model(path)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    for name, value in run.model.state_dict().items():
        found = loaded.state_dict()[name]
        assert found.dtype == value.dtype
        torch.testing.assert_close(found, value, rtol=1e-3, atol=1e-4)
    points = torch.rand(2, 128, 3) - 0.5
    run.model.eval()
    expected = run.model.encode_points(points, layers=[], num_groups=16).pooled
    torch.testing.assert_close(
        loaded.encode_points(points, layers=[], num_groups=16).pooled,
        expected,
        rtol=0.02,
        atol=0.02,
    )
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        assert file.get_tensor("point_projection").dtype == torch.float16
    assert metadata["steps"] == "6"
    assert metadata["commit"] == "abc"
    assert '"seed":3' in metadata["recipe"].replace(" ", "")
    assert metadata["held_out"].replace(" ", "") == '{"seen_name_top1":0.5}'


def test_whole_command_trains_evaluates_and_writes(
    config: PretrainConfig, pool: ShapePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "training_pool", lambda *_: pool)
    monkeypatch.setattr(whole, "held_out_shapes", lambda _: HeldOut(pool, pool))
    out = tmp_path / "new" / "weights.safetensors"
    outcome = pretrain(config, out, tmp_path, CPU)
    assert outcome.finished
    assert outcome.file == out
    assert out.is_file()
    expected = {"group_auroc", "object_auroc", "retrieval_top1", "retrieval_top5", "name_top1",
                "family_top1"}  # fmt: skip
    assert set(outcome.metrics) == {f"{a}_{b}" for a in ("seen", "held_out") for b in expected}
    assert outcome.metrics["seen_group_auroc"] == outcome.metrics["held_out_group_auroc"]


def test_second_part_begins_with_the_weights_of_the_first_and_names_it(
    config: PretrainConfig, pool: ShapePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "training_pool", lambda *_: pool)
    monkeypatch.setattr(whole, "held_out_shapes", lambda _: HeldOut(pool, pool))
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    pretrain(config, first, tmp_path / "1", CPU)
    still = _with(config, learning_rate=0.0, weight_decay=0.0, seed=8)
    pretrain(still, second, tmp_path / "2", CPU, start=first)
    weights = [load_point_language_model(path).text.state_dict() for path in (first, second)]
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-3, atol=1e-4)
    with safe_open(second, "pt") as file:
        said = json.loads(file.metadata()["start"])
    assert said["sha256"] == hashlib.sha256(first.read_bytes()).hexdigest()
    assert json.loads(said["recipe"])["train"]["seed"] == 3


def test_weights_of_another_shape_are_no_start(config: PretrainConfig, tmp_path: Path) -> None:
    other = replace(config, model=replace(config.model, text={**config.model.text, "depth": 1}))
    with pytest.raises(WeightsError, match="another shape"):
        PretrainingRun(config, tmp_path, CPU).start(PretrainingRun(other, tmp_path, CPU).model)


def test_number_of_steps_follows_the_time(
    config: PretrainConfig, pool: ShapePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(running, "time", SimpleNamespace(monotonic=lambda: now[0]))
    run = PretrainingRun(_with(config, minutes=2.0, steps=10**6), tmp_path, CPU)

    def half_a_second(*_: object) -> dict[str, torch.Tensor]:
        now[0] += 0.5
        return {"total": torch.zeros(())}

    monkeypatch.setattr(run, "step", half_a_second)
    assert run.train(pool)
    # After 160 steps 20 of 100 seconds are left for others, 4 % of them unused.
    assert run.progress.step == run.progress.steps == 160 + int(0.96 * 20 / 0.5)


def test_run_ends_in_time_even_if_steps_become_slower(
    config: PretrainConfig, pool: ShapePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(running, "time", SimpleNamespace(monotonic=lambda: now[0]))
    run = PretrainingRun(_with(config, minutes=2.0, steps=10**6), tmp_path, CPU)

    def slower(
        pool: ShapePool, prepared: running.PreparedStep, rate: float
    ) -> dict[str, torch.Tensor]:
        now[0] += 0.5 if prepared.step < 50 else 1.0
        return {"total": torch.zeros(())}

    monkeypatch.setattr(run, "step", slower)
    assert run.train(pool)
    assert run.progress.step < run.progress.steps
    assert now[0] <= 102


def test_learning_rate_rises_falls_and_ends_at_nothing(config: PretrainConfig) -> None:
    train = replace(config.train, warmup=10, learning_rate=2.0)
    rates = [learning_rate(train, step, 110) for step in range(111)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9] == rates[10] == pytest.approx(2.0)
    assert rates[60] == pytest.approx(1.0)
    assert rates[110] == pytest.approx(0.0)
    # What happens before the number of steps is known does not depend on it.
    assert rates[:10] == [learning_rate(train, step, 5000) for step in range(10)]


def test_average_is_applied_for_a_while_only() -> None:
    module = torch.nn.BatchNorm1d(2)
    average = WeightAverage(module, 0.5)
    with torch.no_grad():
        module.weight += 2
    average.update(1000)
    with average.applied():
        assert module.weight.tolist() == [2.0, 2.0]
    assert module.weight.tolist() == [3.0, 3.0]

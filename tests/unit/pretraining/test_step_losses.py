"""A batch's losses: what is switched off costs nothing, words are those of the text encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from plane_anomalib.pretraining.batches import Batch, relative_groups
from plane_anomalib.pretraining.config import LossesConfig, PretrainConfig
from plane_anomalib.pretraining.losses import LOSSES
from plane_anomalib.pretraining.model import create_model
from plane_anomalib.pretraining.plans import encode, tokenize
from plane_anomalib.pretraining.pool import ShapePool
from plane_anomalib.pretraining.training import PretrainingRun

OFF = dict.fromkeys(LOSSES, 0.0)


def _run(config: PretrainConfig, **weights: float) -> PretrainingRun:
    losses = replace(config.losses, **{**OFF, **weights}) if weights else config.losses
    return PretrainingRun(replace(config, losses=losses), Path("unused"), torch.device("cpu"))


def test_all_losses_are_there_and_reach_every_parameter(
    config: PretrainConfig, pool: ShapePool
) -> None:
    run = _run(config)
    found = run.step(pool, run.prepare(pool, 0), 1e-3)
    assert set(LOSSES) <= set(found)
    assert all(torch.isfinite(value) for value in found.values())
    idle = [
        f"{title}.{name}"
        for title, module in (("model", run.model), ("heads", run.heads))
        for name, parameter in module.named_parameters()
        if parameter.grad is None
    ]
    assert not idle


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_alone_computes_nothing_else(
    config: PretrainConfig, pool: ShapePool, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _run(config, **{name: 1.0})
    runs = []
    original = type(run.model.points).run
    monkeypatch.setattr(
        type(run.model.points),
        "run",
        lambda self, tokens, *rest, **named: (
            runs.append(tokens.shape[1]) or original(self, tokens, *rest, **named)
        ),
    )
    found = run.step(pool, run.prepare(pool, 0), 1e-3)
    assert set(found) == {name, "total", "gradient"}
    assert len(runs) == 1  # the encoder runs once, on all groups or on the visible ones
    spoken = name in {"contrast", "segmentation", "state"}
    assert (run.model.text.projection.grad is not None) == spoken
    assert (run.heads.decoder is not None) == (name == "masked")
    assert (run.heads.surface is not None) == (name in {"normals", "curvature"})
    assert bool(run.heads.patches) == (name == "segmentation")


def test_sentences_are_encoded_as_the_model_does(config: PretrainConfig) -> None:
    model = create_model(config.model, 0)
    sentences = ["a cup", "a cup with a very long handle and a dent", "a cup", "x" * 200]
    rows = tokenize(model, sentences)
    assert len(rows.tokens) == 3
    expected = model.encode_sentences([f"{text}." for text in sentences])
    expected = torch.nn.functional.normalize(expected, dim=-1)
    torch.testing.assert_close(encode(model, rows), expected)


def test_hidden_groups_do_not_reach_the_masked_encoder(config: PretrainConfig) -> None:
    model = create_model(config.model, 0).eval()
    points = torch.rand(2, 128, 3) - 0.5
    centers, index = model.points.group(points, num_groups=10)
    tokens = model.points.embed(points, centers, index)
    seen = model.points.run(tokens[:, :4], centers[:, :4])[2]
    tokens[:, 4:] = 9
    assert torch.equal(seen, model.points.run(tokens[:, :4], centers[:, :4])[2])


def test_the_parts_of_the_encoder_are_the_encoder(config: PretrainConfig) -> None:
    model = create_model(config.model, 0).eval()
    points = torch.rand(2, 128, 3) - 0.5
    whole = model.encode_points(points, layers=[1, 3], num_groups=10)
    tokens = model.points.embed(points, whole.centers, whole.group_index)
    outputs, pooled, _ = model.points.run(tokens, whole.centers, layers=[1, 3])
    torch.testing.assert_close(pooled, whole.pooled)
    torch.testing.assert_close(outputs[1], whole.tokens[1])


def test_groups_are_in_units_of_their_radius() -> None:
    points = torch.rand(2, 50, 3)
    index = torch.randint(50, (2, 6, 8))
    dummy = torch.zeros(2, 6)
    batch = Batch(points, dummy, points[:, :6], index, dummy, dummy, dummy)
    groups = relative_groups(batch)
    torch.testing.assert_close(groups.norm(dim=-1).amax(-1), torch.ones(2, 6))
    first = points[1][index[1, 2]] - points[1, 2]
    torch.testing.assert_close(groups[1, 2], first / first.norm(dim=-1).max())


def test_weights_of_losses_must_make_sense() -> None:
    with pytest.raises(ValueError, match="at least one must be positive"):
        PretrainConfig(losses=LossesConfig(**OFF))

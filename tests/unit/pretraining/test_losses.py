"""The losses against formulas written another way."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812

from plane_anomalib.pretraining import losses


def _unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_contrast_is_the_mean_of_both_directions_without_ignored_pairs() -> None:
    clouds, texts = _unit(4, 5), _unit(4, 5, seed=1)
    ignored = torch.zeros(4, 4, dtype=torch.bool)
    ignored[0, 2] = ignored[3, 1] = True
    logits = 7 * clouds.double().numpy() @ texts.double().numpy().T
    weights = np.exp(logits) * ~ignored.numpy()
    expected = -np.mean(
        [
            np.log(weights[i, i]) - 0.5 * np.log(weights[i].sum() * weights[:, i].sum())
            for i in range(4)
        ]
    )  # fmt: skip
    found = losses.contrast(clouds, texts, torch.tensor(7.0), ignored)
    assert abs(found.item() - expected) < 1e-5


def test_probability_is_the_softmax_over_both_cosines() -> None:
    features, normal, anomalous = _unit(2, 6, 5), _unit(2, 5, seed=1), _unit(2, 5, seed=2)
    logits = losses.anomaly_logits(features, torch.stack((normal, anomalous)), 0.07)
    for i in range(2):
        cosines = torch.stack((features[i] @ normal[i], features[i] @ anomalous[i]), -1) / 0.07
        torch.testing.assert_close(logits[i].sigmoid(), cosines.softmax(-1)[:, 1])


def test_perfect_soft_prediction_has_no_dice_loss_and_no_gradient() -> None:
    target = torch.tensor([[0.3, 0.9, 0.5, 0.1]])
    counted = torch.ones(1, 4, dtype=torch.bool)
    logits = target.logit().requires_grad_()
    loss = losses.dice(logits, target, counted) + losses.focal(logits, target, counted)
    loss.backward()
    assert abs(losses.dice(logits, target, counted).item()) < 1e-6
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-5


def test_groups_that_are_not_counted_change_nothing() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5]])
    target = torch.tensor([[1.0, 0.0, 0.05]])
    counted = torch.tensor([[True, True, False]])
    other = torch.tensor([[2.0, -1.0, -30.0]])
    for loss in (losses.focal, losses.dice):
        assert torch.equal(loss(logits, target, counted), loss(other, target, counted))


def test_focal_is_weighted_cross_entropy() -> None:
    logits = torch.tensor([1.0, -2.0, 0.3, -1.0])
    target = torch.tensor([1.0, 0.0, 0.0, 0.0])
    p = 1 / (1 + np.exp(-logits.numpy().astype(float)))
    entropy = np.where(target.numpy() > 0.5, -np.log(p), -np.log(1 - p))
    wrong = np.where(target.numpy() > 0.5, 1 - p, p)
    weight = np.array([3.0, 1, 1, 1])  # one in four, so three times as much
    expected = (weight * wrong**2 * entropy).sum() / weight.sum()
    found = losses.focal(logits, target, torch.ones(4, dtype=torch.bool))
    assert abs(found.item() - expected) < 1e-6


def test_chamfer_is_nearest_distance_both_ways_in_any_order() -> None:
    first, second = torch.rand(3, 7, 3), torch.rand(3, 5, 3)
    squared = torch.cdist(first.double(), second.double()).square()
    expected = squared.amin(2).mean() + squared.amin(1).mean()
    found = losses.chamfer(first, second)
    assert abs(found.item() - expected.item()) < 1e-5
    assert abs(losses.chamfer(first.flip(1), second).item() - found.item()) < 1e-6
    assert losses.chamfer(first, first).item() < 1e-6


def test_directions_and_curvature_ignore_damaged_groups() -> None:
    normals = _unit(1, 3, 3)
    counted = torch.tensor([[True, True, False]])
    predicted = normals.clone()
    predicted[0, 2] *= -1
    assert losses.directions(5 * predicted, normals, counted).item() < 1e-6
    assert losses.directions(-predicted, normals, counted).item() > 1.99
    curved = torch.tensor([[0.5, 0.01, 0.2]])
    assert losses.curvature(curved.log(), curved, counted).item() < 1e-6
    assert losses.curvature(curved.log() + 2, curved, counted).item() > 1

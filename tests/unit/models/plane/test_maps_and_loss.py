from __future__ import annotations

import numpy as np
import pytest
import torch

from plane_anomalib.models.plane.maps import anomaly_probability, dice_loss, focal_loss


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng()


def equation_6(f: np.ndarray, normal: np.ndarray, anomalous: np.ndarray, t: float) -> np.ndarray:
    def cosine(text: np.ndarray) -> np.ndarray:
        product = np.einsum("btj,bj->bt", f, text)
        return product / (np.linalg.norm(f, axis=-1) * np.linalg.norm(text, axis=-1)[:, None])

    a, n = np.exp(cosine(anomalous) / t), np.exp(cosine(normal) / t)
    return a / (n + a)


@pytest.mark.parametrize("temperature", [1.0, 0.3, 0.07])
def test_probability_is_equation_6(generator: np.random.Generator, temperature: float) -> None:
    f, n, a = (
        generator.normal(size=(3, 9, 6)),
        generator.normal(size=(3, 6)),
        generator.normal(size=(3, 6)),
    )
    found = anomaly_probability(*map(torch.from_numpy, (f, n, a)), temperature)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, equation_6(f, n, a, temperature), rtol=1e-4, atol=1e-6)


def test_temperature_1_keeps_within_the_bounds_and_reaches_them() -> None:
    axis = torch.eye(4)[:1]
    features = torch.stack([axis, -axis], 1).reshape(1, 2, 4)
    low_high = anomaly_probability(features, -axis, axis, 1.0)[0]
    bound = np.exp(1) / (np.exp(1) + np.exp(-1))
    assert low_high.tolist() == pytest.approx([bound, 1 - bound], abs=1e-6)
    assert round(bound, 2) == 0.88
    random = anomaly_probability(torch.randn(5, 99, 4), torch.randn(5, 4), torch.randn(5, 4), 1.0)
    assert ((random >= 1 - bound - 1e-6) & (random <= bound + 1e-6)).all()


def test_exchanging_the_texts_gives_the_complement() -> None:
    f, n, a = torch.randn(2, 7, 5), torch.randn(2, 5), torch.randn(2, 5)
    forward, backward = anomaly_probability(f, n, a, 0.07), anomaly_probability(f, a, n, 0.07)
    torch.testing.assert_close(forward + backward, torch.ones(2, 7))


def test_probability_is_computed_in_float32_under_autocast() -> None:
    f, n, a = torch.randn(2, 7, 5), torch.randn(2, 5), torch.randn(2, 5)
    expected = anomaly_probability(f, n, a, 0.07)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(anomaly_probability(f, n, a, 0.07), expected)


def test_zero_features_are_undecided_not_undefined() -> None:
    found = anomaly_probability(torch.zeros(1, 3, 5), torch.randn(1, 5), torch.randn(1, 5), 0.07)
    assert found.tolist() == [[0.5, 0.5, 0.5]]


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0, 3.5])
def test_focal_loss_is_the_formula(generator: np.random.Generator, gamma: float) -> None:
    p, target = generator.uniform(0.01, 0.99, (4, 30)), generator.random((4, 30)) < 0.2
    expected = np.mean(
        np.where(target, -((1 - p) ** gamma) * np.log(p), -(p**gamma) * np.log(1 - p))
    )
    found = focal_loss(torch.from_numpy(p), torch.from_numpy(target).float(), gamma)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_focal_loss_without_gamma_is_cross_entropy(generator: np.random.Generator) -> None:
    p = torch.from_numpy(generator.uniform(0.01, 0.99, (4, 30))).float()
    target = torch.from_numpy(generator.random((4, 30)) < 0.5).float()
    expected = torch.nn.functional.binary_cross_entropy(p, target)
    torch.testing.assert_close(focal_loss(p, target, 0.0), expected)


@pytest.mark.parametrize("smooth", [1.0, 0.1])
def test_dice_loss_is_the_formula_cloud_by_cloud(
    generator: np.random.Generator, smooth: float
) -> None:
    p, target = generator.random((4, 30)), generator.random((4, 30)) < 0.2
    target[2] = False
    per_cloud = [
        1 - (2 * (a * b).sum() + smooth) / (a.sum() + b.sum() + smooth)
        for a, b in zip(p, target, strict=True)
    ]
    found = dice_loss(torch.from_numpy(p), torch.from_numpy(target).float(), smooth)
    assert found.item() == pytest.approx(np.mean(per_cloud), rel=1e-5)


@pytest.mark.parametrize("loss", [focal_loss, dice_loss])
def test_perfect_maps_lose_nothing_and_wrong_ones_much(loss) -> None:  # type: ignore[no-untyped-def]
    target = torch.zeros(2, 50)
    target[0, :10] = 1
    assert loss(target, target).item() == pytest.approx(0, abs=1e-5)
    assert loss(1 - target, target).item() > 0.8


def test_losses_and_their_gradients_stay_finite_at_the_ends() -> None:
    for value in (0.0, 1.0):
        p = torch.full((2, 9), value, requires_grad=True)
        target = torch.zeros(2, 9)
        target[0, 0] = 1
        (focal_loss(p, target) + dice_loss(p, target)).backward()
        assert p.grad.isfinite().all()


def test_paper_temperature_keeps_dice_high_at_few_anomalies() -> None:
    """plane.md, gap 8: within 0.12 and 0.88, dice cannot fall below about 0.77 at 2 %."""
    target = torch.zeros(1, 2048)
    target[:, :41] = 1
    best = torch.where(target > 0, 0.8808, 0.1192)
    assert dice_loss(best, target).item() == pytest.approx(0.77, abs=0.02)

"""From tokens to maps, and their loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from torch import nn

from plane_anomalib.models.plane.maps import (
    FeatureAdapter,
    anomaly_probability,
    dice_loss,
    focal_loss,
    propagate,
)
from plane_anomalib.models.plane.prompts import PointPrompts, seeded_linear


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


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def literal(adapter: FeatureAdapter, tokens: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
    """Concatenate the prompts with every token, then the FFN (eq. 5)."""
    repeated = prompts.flatten(1)[:, None].expand(-1, tokens.shape[1], -1)
    x = torch.cat([repeated, tokens], -1)
    assert adapter.prompt is not None
    weight = torch.cat([adapter.prompt.weight, adapter.token.weight], 1)
    x = x @ weight.T + adapter.token.bias
    for layer in adapter.rest:
        x = nn.functional.gelu(x) @ layer.weight.T + layer.bias
    return x


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_split_first_layer_equals_concatenating_channels(depth: int) -> None:
    adapter = FeatureAdapter(7, 10, 6, hidden=11, depth=depth, generator=draw())
    for parameter in adapter.parameters():
        nn.init.normal_(parameter, std=0.3)
    tokens, prompts = torch.randn(3, 8, 7), torch.randn(3, 2, 5)
    torch.testing.assert_close(
        adapter(tokens, prompts), literal(adapter, tokens, prompts), rtol=1e-5, atol=1e-5
    )
    assert len(adapter.rest) == depth


def test_without_prompts_nothing_of_them_is_used() -> None:
    adapter = FeatureAdapter(7, 0, 6, depth=0, generator=draw())
    tokens = torch.randn(2, 5, 7)
    expected = tokens @ adapter.token.weight.T + adapter.token.bias
    torch.testing.assert_close(adapter(tokens, torch.empty(2, 0, 7)), expected)
    assert adapter.prompt is None


def test_gradients_reach_prompts_and_all_layers() -> None:
    adapter = FeatureAdapter(7, 10, 6, hidden=11, depth=2, generator=draw())
    prompts = torch.randn(3, 2, 5, requires_grad=True)
    adapter(torch.randn(3, 8, 7), prompts).square().sum().backward()
    assert (prompts.grad.abs() > 0).all()
    assert all((p.grad.abs() > 0).any() for p in adapter.parameters())


def test_prompts_of_a_category_and_their_mean_for_an_unknown_one() -> None:
    prompts = PointPrompts(3, 4, 5, generator=draw())
    found = prompts([2, None, 0])
    assert found.shape == (3, 8, 5)
    assert torch.equal(found[0], prompts.vectors[2])
    assert torch.equal(found[2], prompts.vectors[0])
    mean = (prompts.vectors[0] + prompts.vectors[1] + prompts.vectors[2]) / 3
    torch.testing.assert_close(found[1], mean)


def test_normal_and_anomalous_vectors_are_separate_and_class_specific() -> None:
    vectors = PointPrompts(2, 4, 5, generator=draw()).vectors.flatten(0, 1)
    assert len(torch.unique(vectors, dim=0)) == 2 * 2 * 4


def test_a_category_in_a_batch_teaches_its_own_prompts_only() -> None:
    prompts = PointPrompts(3, 4, 5, generator=draw())
    prompts([1, 1]).sum().backward()
    assert prompts.vectors.grad.abs().sum((1, 2)).tolist() == [0, 2 * 8 * 5, 0]


def test_no_static_prompts_leave_nothing() -> None:
    assert PointPrompts(3, 0, 5, generator=draw())([0, None]).shape == (2, 0, 5)


def test_seeded_linear_follows_its_generator_and_leaves_the_global_one() -> None:
    before = torch.random.get_rng_state()
    first = seeded_linear(400, 300, generator=draw(3), gain=2.0)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first.weight, seeded_linear(400, 300, generator=draw(3), gain=2.0).weight)
    assert first.weight.std().item() == pytest.approx(2 / 20, rel=0.02)
    assert not first.bias.any()
    assert seeded_linear(4, 3, generator=draw(), bias=False).bias is None


def oracle(centers: np.ndarray, values: np.ndarray, points: np.ndarray, k: int) -> np.ndarray:
    distances, index = cKDTree(centers).query(points, list(range(1, k + 1)))
    weights = 1 / np.square(distances)
    weights /= weights.sum(1, keepdims=True)
    return np.einsum("pk,pkc->pc", weights, values[index])


@pytest.mark.parametrize("k", [1, 3, 5])
def test_equals_inverse_squared_distance_interpolation_cloud_by_cloud(k: int) -> None:
    generator = np.random.default_rng()
    centers, points = generator.normal(size=(2, 10, 3)), generator.normal(size=(2, 40, 3))
    values = generator.normal(size=(2, 10, 4))
    spread = propagate(torch.from_numpy(centers).float(), torch.from_numpy(points).float(), k)
    found = spread(torch.from_numpy(values).float())
    assert found.shape == (2, 40, 4)
    for i in range(2):
        expected = oracle(centers[i], values[i], points[i], k)
        np.testing.assert_allclose(found[i], expected, rtol=1e-3, atol=1e-4)


def test_a_point_on_a_center_takes_its_value() -> None:
    centers, values = torch.randn(2, 10, 3), torch.randn(2, 10, 1)
    torch.testing.assert_close(propagate(centers, centers)(values), values, rtol=1e-5, atol=1e-5)


def test_fewer_centers_than_neighbours_share_among_themselves() -> None:
    points, values = torch.randn(1, 9, 3), torch.tensor([[[2.0], [4.0]]])
    found = propagate(torch.randn(1, 2, 3), points)(values)
    assert ((found >= 2) & (found <= 4)).all()
    one = propagate(torch.randn(1, 1, 3), points)(torch.tensor([[[5.0]]]))
    torch.testing.assert_close(one, torch.full((1, 9, 1), 5.0))


def test_centers_that_coincide_do_not_divide_by_zero() -> None:
    centers = torch.ones(1, 4, 3)
    values = torch.tensor([[[1.0], [2.0], [3.0], [4.0]]], requires_grad=True)
    found = propagate(centers, torch.cat([centers, torch.zeros(1, 2, 3)], 1))(values)
    assert found.isfinite().all()
    found.sum().backward()
    assert values.grad.isfinite().all()


def test_gradients_are_the_weights() -> None:
    generator = np.random.default_rng()
    centers, points = generator.normal(size=(10, 3)), generator.normal(size=(1, 3))
    values = torch.zeros(1, 10, 1, requires_grad=True)
    spread = propagate(
        torch.from_numpy(centers[None]).float(), torch.from_numpy(points[None]).float()
    )
    spread(values).sum().backward()
    weights = oracle(centers, np.eye(10), points, 3)[0]
    np.testing.assert_allclose(values.grad[0, :, 0], weights, rtol=1e-3, atol=1e-5)


def test_values_keep_their_precision() -> None:
    spread = propagate(torch.randn(1, 5, 3), torch.randn(1, 7, 3))
    assert spread(torch.randn(1, 5, 2).bfloat16()).dtype == torch.bfloat16
    assert spread(torch.randn(1, 5, 2)).dtype == torch.float32

from __future__ import annotations

import pytest
import torch
from torch import nn

from plane_anomalib.models.plane.maps import FeatureAdapter
from plane_anomalib.models.plane.prompts import PointPrompts, seeded_linear


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

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from plane_anomalib.backbones.encoders import (
    BUILTIN_POINTS,
    BUILTIN_TEXT,
    create_backbone,
    create_random,
)
from plane_anomalib.backbones.layers import Attention, MiniPointNet, hold
from plane_anomalib.backbones.point_language_model import PointLanguageModel
from tests.support.small_plane import save_small_backbone


@pytest.fixture(scope="module")
def model() -> PointLanguageModel:
    return create_random(BUILTIN_POINTS, BUILTIN_TEXT, torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def halved(model: PointLanguageModel) -> PointLanguageModel:
    held = copy.deepcopy(model)
    hold(held, torch.bfloat16)
    return held


def size(model: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in model.parameters())


def test_held_matrices_compute_what_autocast_makes_of_float32(
    model: PointLanguageModel, halved: PointLanguageModel
) -> None:
    points, prompts = torch.randn(1, 300, 3), 0.02 * torch.randn(1, 4, model.text_width)
    held = halved.encode_points(points, layers=(11,), num_groups=32)
    with torch.autocast("cpu", torch.bfloat16):
        cast = model.encode_points(points, layers=(11,), num_groups=32)
    assert torch.equal(held.tokens[11], cast.tokens[11])
    assert torch.equal(held.pooled, cast.pooled)
    # The table of tokens is rounded too, which autocast leaves as it is.
    similar = nn.functional.cosine_similarity(
        halved.encode_text(prompts, ["cup"]), model.encode_text(prompts, ["cup"])
    )
    assert similar.item() > 0.999


def test_half_the_memory_and_results_in_float32(
    model: PointLanguageModel, halved: PointLanguageModel
) -> None:
    assert size(halved) < 0.56 * size(model)
    prefix = halved.encode_prefix(torch.zeros(1, 2, model.text_width))
    found = halved.encode_text(None, ["tap"], after=prefix)
    features = halved.encode_points(torch.randn(1, 64, 3), layers=(0,))
    assert found.dtype == features.pooled.dtype == features.tokens[0].dtype == torch.float32


def test_prompts_of_a_held_encoder_learn(halved: PointLanguageModel) -> None:
    prompts = (0.02 * torch.randn(2, 3, halved.text_width)).requires_grad_()
    halved.encode_text(prompts, ["bowl", "cap"]).sum().backward()
    assert prompts.grad is not None
    assert (prompts.grad.abs().sum(-1) > 0).all()


@pytest.mark.parametrize("name", ["builtin", "file"])
def test_backbones_are_had_in_either_precision(name: str, tmp_path: Path) -> None:
    source = save_small_backbone(tmp_path / "small.safetensors") if name == "file" else name
    for dtype in (torch.float32, torch.bfloat16):
        held = create_backbone(source, dtype=dtype)
        assert held.points.blocks.get_parameter("0.attn.qkv.weight").dtype == dtype
        assert held.text.token_embedding.weight.dtype == dtype
        assert held.points.norm.weight.dtype == torch.float32


@pytest.mark.parametrize("tokens", [7, 65, 513])
def test_attention_by_products_is_the_fused_one(tokens: int) -> None:
    generator = torch.Generator().manual_seed(0)
    attention = Attention(48, 3, qkv_bias=False, causal=False)
    for parameter in attention.parameters():
        nn.init.normal_(parameter, 0, 0.15, generator=generator)
    attention.to(torch.bfloat16)
    x = torch.randn(2, tokens, 48, generator=generator).to(torch.bfloat16)
    fused = attention(x)  # with gradients
    with torch.no_grad():
        products = attention(x)
    exact = attention.float()(x.float())
    worst = (fused.float() - exact).abs().max()
    assert (products.float() - exact).abs().max() < 3 * worst + 1e-3


def random_net(in_channels: int = 3) -> MiniPointNet:
    net = MiniPointNet(in_channels, 8, 20)
    for norm in (net.norm1, net.norm2):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    return net


def as_published(net: MiniPointNet, groups: Tensor) -> Tensor:
    """The textbook form: concatenate the maximum to every point, normalise layer by layer."""

    def normalise(norm: torch.nn.BatchNorm1d, x: Tensor) -> Tensor:
        return norm(x.flatten(0, 1)).view_as(x)

    x = net.linear2(normalise(net.norm1, net.linear1(groups)).relu())
    x = torch.cat((x.amax(1, keepdim=True).expand_as(x), x), -1)
    return net.linear4(normalise(net.norm2, net.linear3(x)).relu()).amax(1)


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 32, 3), (300, 16, 3), (2, 5000, 3)])
def test_split_folded_and_chunked_equals_the_textbook_form(shape: tuple[int, int, int]) -> None:
    net = random_net().eval()
    groups = torch.randn(shape)
    torch.testing.assert_close(net(groups), as_published(net, groups), rtol=1e-4, atol=1e-4)


def test_training_uses_the_statistics_of_the_batch_and_learns_them() -> None:
    net = random_net().train()
    groups = torch.randn(9, 11, 3)
    before = net.norm1.running_mean.clone()  # type: ignore[union-attr]
    torch.testing.assert_close(net(groups), as_published(net, groups), rtol=1e-4, atol=1e-4)
    assert not torch.equal(before, net.norm1.running_mean)  # type: ignore[arg-type]


def test_order_of_points_in_a_group_does_not_matter() -> None:
    net = random_net().eval()
    groups = torch.randn(4, 10, 3)
    torch.testing.assert_close(net(groups), net(groups[:, torch.randperm(10)]))


@pytest.mark.parametrize("shape", [(7, 32, 3), (300, 16, 3)])
def test_batch_statistics_are_those_of_training_and_are_not_remembered(
    shape: tuple[int, int, int],
) -> None:
    net = random_net().eval()
    groups = torch.randn(shape)
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    found = net(groups, batch_statistics=True)
    assert all(torch.equal(state[name], tensor) for name, tensor in net.state_dict().items())
    torch.testing.assert_close(found, net.train()(groups), rtol=1e-4, atol=1e-4)

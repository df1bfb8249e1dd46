from __future__ import annotations

import pytest
import torch
from torch import Tensor

from plane_anomalib.backbones.mini_pointnet import MiniPointNet


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

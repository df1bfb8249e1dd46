"""Operations counted equal those counted by hand."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from plane_anomalib.backbones.point_transformer import PointTransformer, PointTransformerConfig
from plane_anomalib.benchmark.training import count_cost
from plane_anomalib.geometry.neighbours import NeighbourIndex, knn


def test_products_and_parameters_of_a_layer() -> None:
    layer = nn.Linear(7, 5)
    layer.bias.requires_grad_(False)
    cost = count_cost(layer, lambda: layer(torch.zeros(3, 7)))
    assert (cost.products, cost.distances) == (2 * 3 * 7 * 5, 0)
    assert (cost.parameters, cost.trainable) == (40, 35)


def test_distances_by_cdist_and_by_tree_are_seen() -> None:
    a, b = torch.zeros(2, 10, 3), torch.zeros(2, 20, 3)
    assert count_cost(nn.Identity(), lambda: torch.cdist(a, b)).products == 3 * 2 * 10 * 20 * 3
    points = np.random.default_rng(0).random((50, 3), np.float32)
    assert count_cost(nn.Identity(), lambda: knn(points, points[:9], 4)).distances == 8 * 50 * 9


def test_attention_is_seen_with_and_without_a_mask() -> None:
    query, key = torch.zeros(2, 3, 10, 8), torch.zeros(2, 3, 14, 8)
    mask = torch.ones(10, 14, dtype=torch.bool)
    for given in (None, mask):
        cost = count_cost(
            nn.Identity(),
            lambda given=given: F.scaled_dot_product_attention(query, key, key, given),
        )
        assert cost.products == 4 * 2 * 3 * 10 * 14 * 8


def test_a_point_transformer_costs_what_its_shape_says() -> None:
    config = PointTransformerConfig(
        width=64, depth=2, num_heads=1, num_groups=16, group_size=8, stem=4, encoder_width=12
    )
    model = PointTransformer(config).requires_grad_(False).eval()
    cost = count_cost(model, lambda: model(torch.rand(1, 100, 3)))
    tokens = 17
    block = 2 * tokens * 64 * (3 * 64 + 64 + 2 * 4 * 64) + 4 * tokens * tokens * 64
    embedding = 2 * 16 * 8 * (3 * 4 + 4 * 8 + 8 * 16 + 16 * 12) + 2 * 16 * 8 * 16
    around = 2 * 16 * (12 * 64 + 3 * 128 + 128 * 64)
    assert cost.products == 2 * block + embedding + around
    assert cost.distances == 8 * 100 * 16 * 2
    assert cost.trainable == 0


def test_what_is_counted_works_as_before_afterwards() -> None:
    query = NeighbourIndex.query
    count_cost(nn.Identity(), lambda: None)
    assert NeighbourIndex.query is query

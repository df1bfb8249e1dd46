from __future__ import annotations

import pytest
import torch

from plane_anomalib.models.plane.prompts import VisualPrompts
from tests.support.small_plane import DEPTH, random_views, small_backbone, small_model

BLOCKS = {"vpt-shallow": 1, "vpt-deep": DEPTH}


@pytest.mark.parametrize("adapter", ["pcfa", "linear"])
def test_only_vpt_has_tokens_in_the_encoder(adapter: str) -> None:
    draw = torch.Generator().manual_seed(0)
    assert VisualPrompts.create(adapter, 4, small_backbone(), generator=draw) is None


@pytest.mark.parametrize("adapter", BLOCKS)
def test_tokens_are_given_to_the_blocks_they_are_for(adapter: str) -> None:
    draw = torch.Generator().manual_seed(0)
    prompts = VisualPrompts.create(adapter, 4, small_backbone(), generator=draw)
    assert prompts is not None
    for layer in range(DEPTH):
        given = prompts(layer, 3)
        if layer < BLOCKS[adapter]:
            assert given is not None
            assert torch.equal(given, prompts.vectors[layer].expand(3, 4, 24))
        else:
            assert given is None


@pytest.mark.parametrize("adapter", BLOCKS)
def test_every_token_changes_the_maps_and_gets_a_gradient(adapter: str) -> None:
    model = small_model(feature_adapter=adapter)
    points, features = random_views(model)
    before = model.maps(points, features, ["bowl0", "cup1"])
    before.square().sum().backward()
    prompts = model.visual_prompts
    assert prompts is not None
    assert (prompts.vectors.grad.abs().sum(-1) > 0).all()
    with torch.no_grad():
        prompts.vectors[-1] = torch.randn(4, 24)
        after = model.maps(points, features, ["bowl0", "cup1"])
    assert not torch.allclose(before, after, atol=1e-5)


@pytest.mark.parametrize("adapter", BLOCKS)
def test_vpt_projects_linearly_without_point_prompts(adapter: str) -> None:
    model = small_model(feature_adapter=adapter)
    for layer in model.adapters:
        assert layer.prompt is None
        assert len(layer.rest) == 0


def test_deep_tokens_of_one_block_leave_earlier_outputs_alone() -> None:
    backbone = small_backbone()
    draw = torch.Generator().manual_seed(0)
    prompts = VisualPrompts(DEPTH, 2, 24, generator=draw)
    points = torch.rand(1, 64, 3)

    def tokens() -> dict[int, torch.Tensor]:
        with torch.no_grad():
            return backbone.encode_points(points, layers=range(DEPTH), token_prompts=prompts).tokens

    before = tokens()
    with torch.no_grad():
        prompts.vectors[2] = torch.randn(2, 24)
    after = tokens()
    same = [torch.equal(before[i], after[i]) for i in range(DEPTH)]
    assert same == [True, True, False, False]

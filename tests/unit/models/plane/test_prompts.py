"""Prompts of text, of places and within the encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator
from torch import nn

from plane_anomalib.models.plane.prompts import (
    REACH,
    DynamicPrompts,
    PlacePrompts,
    TextPrompts,
    VisualPrompts,
    object_name,
)
from tests.support.small_plane import DEPTH, random_views, small_backbone, small_model

WIDTH, JOINT = 16, 20


class Recorder:
    """Stands for the backbone: keeps what it is asked to encode and numbers the rows."""

    def __init__(self) -> None:
        self.prefix = torch.empty(0)
        self.names: list[str] = []

    def encode_text(self, prefix: torch.Tensor, names: list[str]) -> torch.Tensor:
        self.prefix, self.names = prefix, list(names)
        return torch.arange(len(names)).float()[:, None].expand(-1, JOINT)


def prompts(length: int = 6, seed: int = 0) -> TextPrompts:
    return TextPrompts(WIDTH, length, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("category", "name"),
    [
        ("bowl0", "bowl"),
        ("cap_3", "cap"),
        ("007", "object"),
        ("", "object"),
        ("water_bottle", "water bottle"),
        ("candybar", "candybar"),
        ("toffees-2", "toffees"),
        ("3_gear_12", "gear"),
    ],
)
def test_object_name_is_the_category_as_words(category: str, name: str) -> None:
    assert object_name(category) == name


@pytest.mark.parametrize("dynamic_length", [0, 1, 3])
def test_every_row_is_static_then_dynamic_then_name_normal_rows_first(dynamic_length: int) -> None:
    text, recorder = prompts(), Recorder()
    dynamic = torch.randn(3, dynamic_length, WIDTH)
    normal, anomalous = text(recorder, ["bowl", "cup", "tap"], dynamic)
    assert recorder.names == ["bowl", "cup", "tap"] * 2
    for polarity in (0, 1):
        for cloud in range(3):
            expected = torch.cat([text.vectors[polarity], dynamic[cloud]])
            assert torch.equal(recorder.prefix[3 * polarity + cloud], expected)
    assert normal[:, 0].tolist() == [0, 1, 2]
    assert anomalous[:, 0].tolist() == [3, 4, 5]


def test_a_row_equals_the_sequence_put_together_by_hand() -> None:
    backbone, text = small_backbone(), prompts(2)
    dynamic = torch.randn(1, 1, WIDTH)
    _, anomalous = text(backbone, ["tap"], dynamic)
    embed, tokenizer = backbone.text.token_embedding, backbone.tokenizer
    ids = torch.tensor(tokenizer.encode("tap."))
    row = torch.cat(
        [
            embed(torch.tensor([tokenizer.start])),
            text.vectors[1],
            dynamic[0],
            embed(ids),
            embed(torch.tensor([tokenizer.end])),
        ]
    )
    expected = backbone.text(row[None], torch.tensor([len(row) - 1]))
    torch.testing.assert_close(anomalous, expected, rtol=1e-5, atol=1e-6)


def test_without_gradients_the_static_part_is_encoded_once_and_follows_the_prompts() -> None:
    backbone, text = small_backbone(), prompts()
    dynamic, names = torch.randn(3, 1, WIDTH), ["bowl", "cup", "a longer name"]

    def close() -> None:
        expected = torch.stack(text(backbone, names, dynamic)).detach()
        with torch.no_grad():
            found = torch.stack(text(backbone, names, dynamic))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)

    close()
    with torch.no_grad():
        text.vectors.mul_(-3)
    close()
    text.load_state_dict(prompts(seed=5).state_dict())
    close()
    other = small_backbone()
    with torch.no_grad():
        other.text.token_embedding.weight.mul_(2)
    backbone = other
    close()


def test_a_model_made_in_inference_mode_encodes_the_same_texts() -> None:
    expected = prompts()(small_backbone(), ["bowl"], torch.zeros(1, 0, WIDTH))
    with torch.inference_mode():
        found = prompts()(small_backbone(), ["bowl"], torch.zeros(1, 0, WIDTH))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_both_polarities_start_apart_and_follow_the_generator() -> None:
    first = prompts(seed=1).vectors
    assert torch.equal(first, prompts(seed=1).vectors)
    assert not torch.equal(first, prompts(seed=2).vectors)
    assert not torch.equal(first[0], first[1])


def test_initial_vectors_have_the_standard_deviation_asked_for() -> None:
    draw = torch.Generator().manual_seed(0)
    vectors = TextPrompts(512, 50, std=0.3, generator=draw).vectors
    assert vectors.std().item() == pytest.approx(0.3, rel=0.02)
    assert vectors.mean().item() == pytest.approx(0, abs=0.01)


def test_a_cloud_changes_only_its_own_texts() -> None:
    backbone, text = small_backbone(), prompts()
    dynamic = torch.randn(3, 1, WIDTH)
    before = text(backbone, ["bowl"] * 3, dynamic)
    dynamic[1] = torch.randn(1, WIDTH)
    after = text(backbone, ["bowl"] * 3, dynamic)
    for was, now in zip(before, after, strict=True):
        changed = (was - now).abs().amax(1) > 1e-4
        assert changed.tolist() == [False, True, False]


def test_gradients_reach_static_vectors_and_every_layer_of_dpcm() -> None:
    model = small_model()
    points, features = random_views(model)
    model.maps(points, features, ["bowl0", "cup1"]).square().sum().backward()
    assert (model.text_prompts.vectors.grad.abs().sum(-1) > 0).all()
    assert model.dynamic is not None
    for name, parameter in model.dynamic.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_dynamic_prompts_are_the_mlp_written_out_and_cut_in_two() -> None:
    draw = torch.Generator().manual_seed(0)
    dpcm = DynamicPrompts(12, 5, 7, num_text=2, num_points=3, hidden=9, generator=draw)
    pooled = torch.randn(4, 12)
    text, points = dpcm(pooled)
    centered = pooled - pooled.mean(1, keepdim=True)
    normed = centered / (centered.square().mean(1, keepdim=True) + 1e-5).sqrt()
    hidden = normed @ dpcm.hidden.weight.T + dpcm.hidden.bias
    hidden = 0.5 * hidden * (1 + torch.erf(hidden / 2**0.5))
    flat = hidden @ dpcm.out.weight.T + dpcm.out.bias
    assert text.shape == (4, 2, 5)
    assert points.shape == (4, 3, 7)
    torch.testing.assert_close(torch.cat([text.flatten(1), points.flatten(1)], 1), flat)


def test_dynamic_prompts_start_near_zero_so_that_static_ones_lead() -> None:
    draw = torch.Generator().manual_seed(0)
    dpcm = DynamicPrompts(384, 128, 192, generator=draw)
    text, points = dpcm(torch.randn(16, 384))
    assert 0 < text.abs().max() < 0.1
    assert 0 < points.abs().max() < 0.1
    assert not list(dpcm.norm.parameters())
    assert isinstance(dpcm.hidden, nn.Linear)


SHAPE = {"octaves": 2, "resolutions": (4, 8), "channels": 3}


def place_prompts(num: int = 2, seed: int = 0, **changes: object) -> PlacePrompts:
    draw = torch.Generator().manual_seed(seed)
    made = PlacePrompts(num, **{**SHAPE, "slots": 512, **changes}, generator=draw)  # type: ignore[arg-type]
    torch.nn.init.normal_(made.vectors)
    return made


def places(batch: int = 2, num: int = 50) -> torch.Tensor:
    return 2 * torch.rand(batch, num, 3) - 1


def test_coordinates_then_their_waves_then_the_prompts() -> None:
    where = places()
    found = place_prompts()(where, [0, 1])
    assert found.shape == (2, 50, PlacePrompts.width(*SHAPE.values()))  # type: ignore[arg-type]
    assert torch.equal(found[..., :3], where)
    phases = (where[..., None] * torch.tensor([1.5, 3.0])).flatten(-2)
    torch.testing.assert_close(found[..., 3:9], phases.sin())
    torch.testing.assert_close(found[..., 9:15], phases.cos())


def test_prompts_between_the_corners_of_a_cell_are_interpolated() -> None:
    made = place_prompts(1, resolutions=(4,))
    axis = torch.linspace(-REACH, REACH, 5)
    corners = torch.cartesian_prod(axis, axis, axis)
    # A hair inside, so that rounding cannot choose the neighbouring cell of the border.
    values = made((corners * (1 - 1e-6))[None], [0])[0, :, 15:].detach().view(5, 5, 5, 3)
    where = places(1)
    expected = RegularGridInterpolator([axis.numpy()] * 3, values.numpy())(where[0].numpy())
    np.testing.assert_allclose(made(where, [0])[0, :, 15:].detach(), expected, atol=1e-3)


def test_categories_have_places_of_their_own_and_strangers_none() -> None:
    made, where = place_prompts(), places(1).expand(3, -1, -1)
    found = made(where, [0, 1, None])[..., 15:]
    assert (found[0] != found[1]).all()
    assert not found[2].any()
    found[1].sum().backward()
    taught = made.vectors.grad.abs().sum(1).view(2, 2, 512).sum((0, 2))
    assert taught[0] == 0
    assert taught[1] > 0


def test_places_out_of_reach_share_the_border() -> None:
    made = place_prompts()
    far = torch.tensor([[[9.0, 0.1, 0.2], [REACH, 0.1, 0.2]]])
    found = made(far, [0])[0, :, 15:]
    assert found.isfinite().all()
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("slots", [16, 512])
def test_order_of_points_and_clouds_does_not_matter(slots: int) -> None:
    made, where = place_prompts(slots=slots), places()
    found = made(where, [0, 1])
    torch.testing.assert_close(made(where.flip(1), [0, 1]), found.flip(1))
    torch.testing.assert_close(made(where.flip(0), [1, 0]), found.flip(0))


def test_initial_vectors_follow_the_generator() -> None:
    def drawn(seed: int) -> torch.Tensor:
        draw = torch.Generator().manual_seed(seed)
        return PlacePrompts(1, slots=64, generator=draw).vectors.detach()

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    assert 0 < drawn(1).abs().max() < 0.1


@pytest.mark.slow
def test_gradients_are_the_same_bits_on_two_threads() -> None:
    prompts = PlacePrompts(
        2, octaves=2, resolutions=(4, 8, 16), channels=4, generator=torch.Generator().manual_seed(0)
    )
    generator = torch.Generator().manual_seed(1)
    places = torch.rand(4, 2304, 3, generator=generator) - 0.5
    threads = torch.get_num_threads()
    found = []
    try:
        torch.set_num_threads(2)
        for _ in range(5):
            prompts.zero_grad()
            prompts(places, [0, 1, 0, 1]).square().sum().backward()
            found.append(prompts.vectors.grad.clone())
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(found[0], other) for other in found[1:])


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

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from plane_anomalib.backbones.point_transformer import PointTransformer, PointTransformerConfig
from plane_anomalib.core.errors import ConfigurationError

CONFIG = PointTransformerConfig(
    width=32, depth=3, num_heads=4, stem=8, encoder_width=24, num_groups=20, group_size=6
)


@pytest.fixture
def encoder() -> PointTransformer:
    return PointTransformer(CONFIG).requires_grad_(False).eval()


def test_every_cloud_is_encoded_as_if_alone(encoder: PointTransformer) -> None:
    points = torch.randn(3, 90, 3)
    together = encoder(points, layers=(0, 2))
    for index in range(3):
        alone = encoder(points[index : index + 1], layers=(0, 2))
        torch.testing.assert_close(together.tokens[2][index], alone.tokens[2][0])
        torch.testing.assert_close(together.pooled[index], alone.pooled[0])
        assert torch.equal(together.group_index[index], alone.group_index[0])


def test_groups_are_the_nearest_points_of_their_center(encoder: PointTransformer) -> None:
    points = torch.randn(1, 60, 3)
    features = encoder(points)
    distances = torch.cdist(features.centers.double(), points.double())
    expected = distances.topk(6, largest=False).values
    torch.testing.assert_close(distances.gather(2, features.group_index), expected)


def test_pooled_is_class_token_and_maximum_after_the_final_norm(encoder: PointTransformer) -> None:
    features = encoder(torch.randn(2, 50, 3), layers=(2,))
    maximum = encoder.norm(features.tokens[2]).amax(1)
    torch.testing.assert_close(features.pooled[:, 32:], maximum)
    assert not torch.allclose(features.pooled[:, :32], maximum)


def test_number_and_size_of_groups_are_free(encoder: PointTransformer) -> None:
    points = torch.randn(1, 64, 3)
    features = encoder(points, layers=(1,), num_groups=33, group_size=11)
    assert features.tokens[1].shape == (1, 33, 32)
    assert features.group_index.shape == (1, 33, 11)
    with pytest.raises(ConfigurationError, match="num_groups"):
        encoder(points, num_groups=0)


@pytest.mark.parametrize("count", [1, 2, 5, 19])
def test_fewer_points_than_a_group_needs_are_enough(encoder: PointTransformer, count: int) -> None:
    features = encoder(torch.randn(1, count, 3), layers=(2,))
    assert features.tokens[2].shape == (1, count, 32)
    assert features.tokens[2].isfinite().all()


def test_dense_features_pass_the_final_norm_block_by_block(encoder: PointTransformer) -> None:
    points = torch.randn(1, 50, 3)
    dense, features = encoder.dense_features(points, layers=(2, 0), num_groups=9)
    expected = [encoder.norm(features.tokens[layer]) for layer in (2, 0)]
    torch.testing.assert_close(dense, torch.cat(expected, -1))


def test_without_class_token_every_token_is_a_group() -> None:
    config = PointTransformerConfig(
        width=32, depth=1, num_heads=4, stem=8, encoder_width=32, class_token=False
    )
    encoder = PointTransformer(config).eval()
    features = encoder(torch.randn(1, 40, 3), layers=(0,))
    normed = encoder.norm(features.tokens[0])
    torch.testing.assert_close(features.pooled, torch.cat((normed.mean(1), normed.amax(1)), -1))


def test_origin_is_skipped_only_if_asked_for() -> None:
    points = torch.randn(1, 12, 3) + 5
    points[0, 7] = 0
    for skip in (False, True):
        config = PointTransformerConfig(
            width=32, depth=1, num_heads=4, stem=8, num_groups=4, skip_origin=skip
        )
        centers, _ = PointTransformer(config).group(points)
        assert bool((centers == 0).all(-1).any()) is not skip


def test_grouping_stays_in_float32_under_autocast(encoder: PointTransformer) -> None:
    points = torch.rand(1, 400, 3)
    plain = encoder(points, layers=(2,))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = encoder(points, layers=(2,))
    assert torch.equal(plain.centers, mixed.centers)
    assert torch.equal(plain.group_index, mixed.group_index)
    torch.testing.assert_close(mixed.tokens[2].float(), plain.tokens[2], rtol=0.1, atol=0.2)


def test_deep_prompts_change_the_tokens_and_learn(encoder: PointTransformer) -> None:
    points = torch.randn(2, 50, 3)
    prompts = torch.randn(3, 4, 32, requires_grad=True)

    def deep(layer: int, batch: int) -> Tensor:
        return prompts[layer].expand(batch, -1, -1)

    plain = encoder(points, layers=(0, 1, 2))
    prompted = encoder(points, layers=(0, 1, 2), token_prompts=deep)
    for layer in range(3):
        assert prompted.tokens[layer].shape == plain.tokens[layer].shape
        assert not torch.allclose(prompted.tokens[layer], plain.tokens[layer])
    prompted.tokens[2].square().sum().backward()
    assert prompts.grad is not None
    assert (prompts.grad.flatten(1).abs().sum(1) > 0).all()
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_prompts_stay_until_others_are_given(encoder: PointTransformer) -> None:
    points, given = torch.randn(1, 50, 3), torch.randn(1, 4, 32)
    shallow = encoder(
        points, layers=(0, 1), token_prompts=lambda layer, _: None if layer else given
    )
    removed = encoder(
        points, layers=(0, 1), token_prompts=lambda layer, _: given[:, :0] if layer else given
    )
    none = encoder(points, layers=(0, 1), token_prompts=lambda *_: None)
    plain = encoder(points, layers=(0, 1))
    torch.testing.assert_close(shallow.tokens[0], removed.tokens[0])
    assert not torch.allclose(shallow.tokens[1], removed.tokens[1])
    torch.testing.assert_close(none.tokens[1], plain.tokens[1], rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(50, 3), (1, 50, 4), (1, 0, 3)])
def test_clouds_of_another_shape_are_refused(
    encoder: PointTransformer, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ConfigurationError, match=r"\(batch, points, 3\)"):
        encoder(torch.zeros(shape))


@pytest.mark.parametrize("layer", [3, -1])
def test_blocks_that_do_not_exist_are_named(encoder: PointTransformer, layer: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"blocks 0 to 2.*\[{layer}\]"):
        encoder(torch.randn(1, 50, 3), layers=(0, layer))


def test_training_mode_drops_branches_at_random_and_never_those_of_the_first_block(
    encoder: PointTransformer,
) -> None:
    last = encoder.config.depth - 1
    points = torch.randn(1, 200, 3)

    def tokens(seed: int) -> dict[int, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return encoder(points, layers=(0, last), as_training=generator).tokens

    first, outcomes = tokens(0), [tokens(seed) for seed in range(20)]
    assert all(torch.equal(found[0], first[0]) for found in outcomes)
    assert torch.equal(outcomes[0][last], first[last])
    assert any(not torch.equal(found[last], first[last]) for found in outcomes)
    factors = encoder._branch_factors(20_000, torch.Generator().manual_seed(1))
    assert factors is not None
    dropped = (factors == 0).float().mean((2, 3, 4))
    expected = torch.linspace(0, 0.1, encoder.config.depth)[:, None].expand(-1, 2)
    torch.testing.assert_close(dropped, expected, atol=0.01, rtol=0)
    torch.testing.assert_close(factors.mean((2, 3, 4)), torch.ones_like(dropped), atol=0.01, rtol=0)

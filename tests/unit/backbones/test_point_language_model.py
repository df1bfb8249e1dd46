from __future__ import annotations

import copy
import logging

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plane_anomalib.backbones.encoders import (
    BUILTIN_POINTS,
    BUILTIN_TEXT,
    create_random,
    create_untrained,
)
from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.backbones.text_encoder import ByteTokenizer, ClipTokenizer, create_tokenizer
from plane_anomalib.core.errors import ConfigurationError


@pytest.fixture(scope="module")
def model() -> PointLanguageModel:
    return create_random(BUILTIN_POINTS, BUILTIN_TEXT, torch.Generator().manual_seed(3))


def prefix(rows: int, count: int, model: PointLanguageModel) -> torch.Tensor:
    return 0.02 * torch.randn(rows, count, model.text_width)


def test_sizes_say_what_comes_out(model: PointLanguageModel) -> None:
    features = model.encode_points(torch.randn(2, 100, 3), layers=(2, 11), num_groups=16)
    assert set(features.tokens) == {2, 11}
    assert features.tokens[11].shape == (2, 16, model.point_width)
    assert features.pooled.shape == (2, 2 * model.point_width)
    assert model.embed_points(features.pooled).shape == (2, model.joint_dim)
    assert model.encode_text(prefix(2, 6, model), ["a", "b"]).shape == (2, model.joint_dim)
    assert model.num_blocks == len(model.points.blocks) == 12


def test_prompts_learn_and_nothing_else_does(model: PointLanguageModel) -> None:
    prompts = prefix(3, 6, model).requires_grad_()
    model.encode_text(prompts, ["bowl", "cap", "an unheard-of thing"]).sum().backward()
    assert prompts.grad is not None
    assert (prompts.grad.abs().sum(-1) > 0).all()
    assert all(p.grad is None and not p.requires_grad for p in model.parameters())


def test_text_gradient_equals_finite_differences(model: PointLanguageModel) -> None:
    double = copy.deepcopy(model).double()
    prompts = prefix(1, 2, model).double().requires_grad_()
    direction = torch.randn_like(prompts)
    weights = torch.randn(double.joint_dim, dtype=torch.float64)

    def value(x: torch.Tensor) -> torch.Tensor:
        return (double.encode_text(x, ["tap"]) @ weights).sum()

    (gradient,) = torch.autograd.grad(value(prompts), prompts)
    with torch.no_grad():
        step = 1e-5
        numeric = value(prompts + step * direction) - value(prompts - step * direction)
    torch.testing.assert_close(
        (gradient * direction).sum(), numeric / (2 * step), rtol=1e-5, atol=0
    )


def test_frozen_model_never_leaves_evaluation(model: PointLanguageModel) -> None:
    model.train()
    assert not any(module.training for module in model.modules())


def test_unfrozen_model_trains_for_pretraining() -> None:
    free = create_random(
        BUILTIN_POINTS, BUILTIN_TEXT, torch.Generator().manual_seed(3), frozen=False
    )
    assert free.training
    assert all(parameter.requires_grad for parameter in free.parameters())
    assert not any(module.training for module in free.eval().modules())


def test_rows_do_not_see_each_other(model: PointLanguageModel) -> None:
    names = ["x", "a considerably longer name than x", "vase"]
    prompts = prefix(3, 6, model)
    together = model.encode_text(prompts, names)
    for index, name in enumerate(names):
        alone = model.encode_text(prompts[index : index + 1], [name])
        torch.testing.assert_close(together[index], alone[0], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(together[0], together[2], atol=1e-3)


def test_no_prefix_is_a_prefix_of_none(model: PointLanguageModel) -> None:
    empty = torch.zeros(1, 0, model.text_width)
    torch.testing.assert_close(model.encode_text(None, ["cup"]), model.encode_text(empty, ["cup"]))
    torch.testing.assert_close(model.encode_text(None, ["cup"]), model.encode_sentences(["cup."]))


def test_prompts_made_of_words_equal_the_words(model: PointLanguageModel) -> None:
    words = model.embed_words("a photo of")
    assert not words.requires_grad
    torch.testing.assert_close(
        model.encode_text(words[None], ["bowl"]), model.encode_sentences(["a photo ofbowl."])
    )
    words.zero_()
    assert model.embed_words("a photo of").abs().sum() > 0


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.text(max_size=200))
def test_any_category_name_can_be_encoded(model: PointLanguageModel, name: str) -> None:
    encoded = model.encode_text(prefix(1, 6, model), [name])
    assert encoded.isfinite().all()


def test_names_differ_in_the_joint_space(model: PointLanguageModel) -> None:
    names = ["bowl", "bottle", "Bottle", "microphone", "bowl2"]
    encoded = torch.nn.functional.normalize(model.encode_text(None, names), dim=-1)
    similarity = encoded @ encoded.T
    assert similarity[1, 2] > 0.9999
    assert similarity[0, 1] < 0.999
    assert similarity[0, 4] < 0.9999


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((1, 6, 128), "2 names"),
        ((2, 6, 64), "2 names"),
        ((2, 128), "2 names"),
        ((2, 94, 128), "room"),
    ],
)
def test_prompts_that_do_not_fit_are_refused(
    model: PointLanguageModel, shape: tuple[int, ...], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        model.encode_text(torch.zeros(shape), ["a", "b"])


def test_no_names_are_refused(model: PointLanguageModel) -> None:
    with pytest.raises(ConfigurationError, match="at least one name"):
        model.encode_text(None, [])


def test_byte_tokens_are_the_text() -> None:
    tokenizer = ByteTokenizer()
    assert bytes(tokenizer.encode("  Tea\tCup ÄÖ ")).decode() == "tea cup äö"
    assert max(tokenizer.encode("\U0010ffff")) < tokenizer.start < tokenizer.end


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("A VASE.", [320, 20431, 269]),
        ("vase  &amp;lt; vase", [20431, 283, 20431]),
        ("it's 10", [585, 568, 272, 271]),
    ],
)
def test_clip_tokens_need_no_other_package(
    text: str, tokens: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "open_clip", None)
    assert ClipTokenizer().encode(text) == tokens


def test_unknown_tokenizer_is_named() -> None:
    with pytest.raises(ConfigurationError, match='"words"'):
        create_tokenizer("words")


def test_untrained_model_is_the_same_for_a_seed_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second, other = (create_untrained(seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    same = [torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)]
    assert all(same)
    points = torch.rand(1, 300, 3) - 0.5
    values = [m.encode_points(points, layers=(), num_groups=32).pooled for m in (first, other)]
    assert not torch.allclose(*values)


def test_untrained_model_is_small_well_scaled_and_loud(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        model = create_untrained()
    assert model.weights == "random"
    assert "UNTRAINED" in caplog.text
    assert 4e6 < sum(parameter.numel() for parameter in model.parameters()) < 6.5e6
    directions = torch.nn.functional.normalize(torch.randn(2, 2048, 3), dim=-1)
    features = model.encode_points(directions, layers=(2, 5, 8, 11), num_groups=64)
    for tokens in features.tokens.values():
        assert 0.2 < tokens.std() < 10
        # Groups differ: an encoder that says the same everywhere could not find anything.
        assert tokens.std(dim=1).mean() > 0.1


@pytest.mark.parametrize("dynamic", [0, 1, 3])
def test_a_prefix_encoded_once_changes_nothing(model: PointLanguageModel, dynamic: int) -> None:
    names = ["bowl", "an unheard-of thing", "tap"]
    static, own = prefix(1, 6, model), prefix(3, dynamic, model)
    whole = model.encode_text(torch.cat([static.expand(3, -1, -1), own], 1), names)
    after = model.encode_prefix(static).repeated(3)
    assert after.length == 7
    torch.testing.assert_close(model.encode_text(own, names, after=after), whole)
    if dynamic == 0:
        torch.testing.assert_close(model.encode_text(None, names, after=after), whole)


def test_a_long_name_after_a_prefix_is_cut_where_it_is_without(model: PointLanguageModel) -> None:
    static = prefix(1, 6, model)
    whole = model.encode_text(static, ["x" * 500])
    after = model.encode_prefix(static)
    torch.testing.assert_close(model.encode_text(None, ["x" * 500], after=after), whole)

"""Which captions are counter-examples, and what a step is made of."""

from __future__ import annotations

import numpy as np
import torch

from plane_anomalib.generation.defects.profiles import BATCHED_KINDS
from plane_anomalib.pretraining.config import PretrainConfig, TrainConfig
from plane_anomalib.pretraining.plans import (
    anchors,
    caption,
    choose_kinds,
    choose_sizes,
    not_negatives,
    plan_step,
)
from plane_anomalib.pretraining.pool import ShapePool

DENT, HOLE = 3 + BATCHED_KINDS.index("dent"), 3 + BATCHED_KINDS.index("hole")


def _ignored(rows: list[tuple[str, str, int, bool]]) -> torch.Tensor:
    names, texts, senses, full = zip(*rows, strict=True)
    ids = [torch.tensor([list(dict.fromkeys(c)).index(x) for x in c]) for c in (names, texts)]
    return not_negatives(ids[0], ids[1], torch.tensor(senses), torch.tensor(full))


def test_a_caption_that_may_be_true_of_another_cloud_is_no_counter_example() -> None:
    rows = [
        ("cup", "a cup", 1, False),
        ("cup", "a perfect cup", 0, False),
        ("cup", "a cup with a dent", DENT, False),
        ("cup", "a damaged cup", 2, False),
        ("bowl", "a bowl", 1, False),
    ]
    ignored = _ignored(rows)
    assert ignored[2, 0]  # a dented cup is a cup
    assert not ignored[0, 2]  # a cup is not a dented one
    assert not ignored[1, 2]
    assert not ignored[2, 1]
    assert ignored[0, 1]
    assert ignored[2, 3]
    assert not ignored[4].any()
    assert not ignored[:, 4].any()
    assert not ignored.diagonal().any()


def test_defects_of_other_kinds_and_other_specimens_are_counter_examples() -> None:
    rows = [
        ("cup", "a cup with a dent", DENT, False),
        ("cup", "a cup with a hole", HOLE, False),
        ("cup", "a tall cup", 1, True),
        ("cup", "a wide cup", 1, True),
        ("cup", "a tall cup", 1, True),
    ]
    ignored = _ignored(rows)
    assert not ignored[0, 1]
    assert not ignored[2, 3]
    assert ignored[2, 4]
    assert ignored[4, 2]


def test_words_of_a_damaged_cloud_say_so_and_of_a_good_one_do_not() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        good = caption(generator, "cup", "a tall cup", ())
        bad = caption(generator, "cup", "a tall cup", ("dent",))
        assert good.sense < 2 <= bad.sense
        assert "cup" in good.text
        assert "cup" in bad.text
    normal, anomalous = anchors(generator, "urn", ("hole",))
    assert not set(normal) & set(anomalous)
    assert all("urn" in text for text in normal + anomalous)


def test_a_step_is_the_same_again_and_another_is_different(
    config: PretrainConfig, pool: ShapePool
) -> None:
    first, again = (plan_step(config, pool.names, pool.captions, 4) for _ in range(2))
    other = plan_step(config, pool.names, pool.captions, 5)
    assert first.captions == again.captions
    assert np.array_equal(first.shapes, again.shapes)
    assert first.captions != other.captions
    assert len(set(first.shapes)) == len(first.shapes)


def test_sizes_stay_within_the_cost() -> None:
    generator = np.random.default_rng(0)
    config = PretrainConfig(train=TrainConfig(max_distances=1 << 20))
    sizes = {choose_sizes(config, generator) for _ in range(300)}
    assert max(points * groups for points, groups in sizes) == 1 << 20
    assert {groups for _, groups in sizes} == {64, 128, 256, 512}


def test_every_kind_is_drawn_as_often_as_configured(config: PretrainConfig) -> None:
    kinds = choose_kinds(config.defects, 4000, np.random.default_rng(0))
    assert {kind for row in kinds for kind in row} == set(BATCHED_KINDS)
    assert abs(np.mean([bool(row) for row in kinds]) - 0.65) < 0.03
    assert abs(np.mean([len(row) == 2 for row in kinds]) - 0.65 * 0.3) < 0.03

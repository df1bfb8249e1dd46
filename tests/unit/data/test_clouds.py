from collections import Counter

import numpy as np
import pytest

from plane_anomalib.data.clouds import Draw, EpochSampler


def test_every_cloud_comes_once_and_the_order_changes_with_the_epoch() -> None:
    sampler = EpochSampler(20, None, seed=1)
    first, second = list(sampler), list(sampler)
    assert sorted(draw.row for draw in first) == list(range(20))
    assert [d.row for d in first] != [d.row for d in second]
    assert {d.epoch for d in second} == {1}


@pytest.mark.parametrize(("size", "draws"), [(4, 10), (4, 8), (9, 4), (1, 3)])
def test_longer_epochs_repeat_clouds_evenly(size: int, draws: int) -> None:
    sampler = EpochSampler(size, draws, seed=0)
    drawn = list(sampler)
    counts = Counter(draw.row for draw in drawn)
    assert len(drawn) == len(sampler) == draws
    assert max(counts.values()) - min([*counts.values(), draws // size]) <= 1
    assert len(set(drawn)) == draws


def test_resumed_run_draws_what_the_uninterrupted_one_drew() -> None:
    whole = EpochSampler(7, 10, seed=3)
    expected = [list(whole) for _ in range(4)][3]
    resumed = EpochSampler(7, 10, seed=3)
    resumed.set_epoch(3)
    assert list(resumed) == expected


def test_each_draw_has_its_own_randomness() -> None:
    draws = [Draw(0), Draw(1), Draw(0, 1), Draw(0, 0, 1)]
    values = {draw.generator(5).random() for draw in draws} | {Draw(0).generator(6).random()}
    assert len(values) == 5
    assert Draw(2, 1, 4).generator(5).random() == Draw(2, 1, 4).generator(5).random()
    assert isinstance(Draw(0).generator(0), np.random.Generator)


@pytest.mark.parametrize(("size", "draws"), [(6, 12), (4, None), (5, 7), (1, None)])
def test_processes_share_the_draws_of_one_and_none_is_taken_twice(
    size: int, draws: int | None
) -> None:
    alone = EpochSampler(size, draws, seed=2)
    ranks = [EpochSampler(size, draws, seed=2, num_replicas=2, rank=rank) for rank in range(2)]
    for _ in range(2):
        whole, (first, second) = list(alone), (list(sampler) for sampler in ranks)
        assert len(first) == len(second) == len(ranks[0]) == -(-len(whole) // 2)
        assert not set(first) & set(second)
        together = [draw for pair in zip(first, second, strict=True) for draw in pair]
        assert together[: len(whole)] == whole


def test_no_two_processes_corrupt_the_same_cloud_the_same_way() -> None:
    # One cloud in the data set: both processes get it, each with other randomness.
    ranks = [EpochSampler(1, None, seed=2, num_replicas=2, rank=rank) for rank in range(2)]
    (first,), (second,) = (list(sampler) for sampler in ranks)
    assert first.row == second.row
    assert first.generator(2).random() != second.generator(2).random()

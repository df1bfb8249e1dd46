import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet
from plane_anomalib.data.clouds import CloudCache, CloudTable, Draw, EpochSampler
from plane_anomalib.data.dataset import PointCloudDataset
from tests.support.trees import shapenet_tree


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


def table_of(module: AnomalyShapeNet, split: str) -> CloudTable:
    """The rows of a datamodule's dataset, read without anomalib."""
    data = getattr(module, f"{split}_data")
    rows = [data.row(index) for index in range(len(data))][::-1]
    return CloudTable(rows, data.reader, seed=data.seed)


def same(table: CloudTable, data: PointCloudDataset) -> None:
    assert len(table) == len(data)
    for cloud, item in zip(table, (data.untransformed(i) for i in range(len(data))), strict=True):
        np.testing.assert_array_equal(cloud.points, item.points.numpy())
        np.testing.assert_array_equal(cloud.mask, item.gt_mask.numpy())
        assert cloud.anomalous == bool(item.gt_label)
        found = (cloud.category, cloud.path, cloud.defect)
        assert found == (item.category, item.path, item.defect)


def test_clouds_without_anomalib_are_those_of_the_datamodule(tmp_path: Path) -> None:
    shapenet_tree(tmp_path, np.random.default_rng(0), count=60)
    whole = AnomalyShapeNet(tmp_path, val_split_mode="none", seed=5)
    split = AnomalyShapeNet(tmp_path, val_variants=2, seed=5)
    whole.setup()
    split.setup()
    same(table_of(whole, "train"), whole.train_data)
    same(table_of(whole, "test"), whole.test_data)
    kept, held = table_of(whole, "train").split(split.val_split_ratio)
    same(kept, split.train_data)
    same(held.synthetic(2), split.val_data)


def test_clouds_come_by_category_and_are_read_in_their_turn(tmp_path: Path) -> None:
    shapenet_tree(tmp_path, np.random.default_rng(0), count=60)
    whole = AnomalyShapeNet(tmp_path, val_split_mode="none")
    whole.setup()
    expected = [(name, len([*items])) for name, items in whole.train_data.by_category()]
    table = table_of(whole, "train")
    assert [(name, len([*clouds])) for name, clouds in table.by_category()] == expected
    shutil.rmtree(tmp_path)
    lazily = [name for name, _ in table.by_category()]
    assert lazily == [name for name, _ in expected]


def test_changing_a_cloud_does_not_change_the_next_one_read(tmp_path: Path) -> None:
    shapenet_tree(tmp_path, np.random.default_rng(0), count=60)
    module = AnomalyShapeNet(tmp_path)
    module.setup()
    data = module.test_data
    rows = [data.row(index) for index in range(len(data))]
    table = CloudTable(rows, data.reader, cache=CloudCache(2**20))
    first = table[0].points
    before = first.copy()
    first += 1
    np.testing.assert_array_equal(table[0].points, before)

"""Packed ragged batches: what goes in comes out, cloud by cloud, in order."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.data.point_cloud import PointCloudBatch, PointCloudItem


def _item(num_points: int, *, category: str = "cup0", mask: bool = True) -> PointCloudItem:
    return PointCloudItem(
        points=torch.rand(num_points, 3),
        gt_mask=torch.rand(num_points) > 0.5 if mask else None,
        gt_label=num_points % 2 == 1,
        category=category,
        path=f"{category}_{num_points}.pcd",
        defect="hole",
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_collate_then_items_gives_back_every_cloud(sizes: list[int]) -> None:
    items = [_item(size) for size in sizes]
    batch = PointCloudBatch.collate(items)
    assert batch.batch_size == len(batch) == len(sizes)
    for before, after in zip(items, batch, strict=True):
        assert torch.equal(before.points, after.points)
        assert torch.equal(before.gt_mask, after.gt_mask)
        assert bool(before.gt_label) == bool(after.gt_label)
        assert (before.category, before.path, before.defect) == (
            after.category,
            after.path,
            after.defect,
        )
    assert torch.equal(torch.bincount(batch.batch_index), batch.lengths)


def test_500_and_two_million_points_share_a_batch_without_padding() -> None:
    batch = PointCloudBatch.collate([_item(500), _item(2_000_000)])
    assert batch.points.shape == (2_000_500, 3)
    assert batch.lengths.tolist() == [500, 2_000_000]


def test_a_cloud_without_point_truth_takes_nothing_from_its_neighbours() -> None:
    items = [_item(4), _item(5, mask=False), _item(6)]
    batch = PointCloudBatch.collate(items)
    assert batch.gt_mask is not None
    assert not batch.split(batch.gt_mask)[1].any()
    assert batch.masks_known == [True, False, True]
    for before, after in zip(items, batch, strict=True):
        assert (before.gt_mask is None) == (after.gt_mask is None)
        assert before.gt_mask is None or torch.equal(before.gt_mask, after.gt_mask)
    assert PointCloudBatch.collate([_item(5, mask=False)]).gt_mask is None


def test_update_in_place_is_what_evaluators_read() -> None:
    batch = PointCloudBatch.collate([_item(4), _item(6)])
    batch.update(anomaly_map=torch.arange(10.0), pred_score=torch.tensor([1.0, 2.0]))
    assert [item.anomaly_map.tolist() for item in batch] == [
        [0.0, 1.0, 2.0, 3.0],
        [4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
    ]
    assert batch.image_path == ["cup0_4.pcd", "cup0_6.pcd"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"points": torch.zeros(3, 2)}, "shape"),
        ({"points": torch.zeros(3, 3), "gt_mask": torch.zeros(2)}, "2 entries for 3 points"),
        ({"points": torch.zeros(3, 3), "image": torch.zeros(1)}, "no image"),
    ],
)
def test_a_wrong_item_says_what_is_wrong(fields: dict, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        PointCloudItem(**fields)


def test_a_map_of_the_wrong_length_is_refused() -> None:
    batch = PointCloudBatch.collate([_item(4)])
    with pytest.raises(ConfigurationError, match="anomaly_map has 3 entries"):
        batch.update(anomaly_map=torch.zeros(3))

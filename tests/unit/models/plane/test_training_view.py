from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch

from plane_anomalib.data.point_cloud import PointCloudItem
from plane_anomalib.generation.defects.corruption import SyntheticCloud
from plane_anomalib.generation.defects.mixture import create_synthesis
from plane_anomalib.models.plane.lightning_model import ItemView
from plane_anomalib.models.plane.training import TrainingView
from tests.support.small_plane import small_inputs
from tests.support.trees import surface


def item(size: int = 400, seed: int = 0) -> PointCloudItem:
    cloud = 30 * surface(np.random.default_rng(seed), size) + np.float32(9)
    return PointCloudItem(
        points=torch.from_numpy(cloud), category="bowl0", path="a/bowl0.pcd", defect="good"
    )


def item_view(*arguments: Any, **keywords: Any) -> ItemView:
    """The view as the transform of a dataset's items."""
    return ItemView(TrainingView(*arguments, **keywords))


class Lower:
    """Labels what lies below a height, and sends it far away, where labels can be checked."""

    def __init__(self, share: float) -> None:
        self.share = share

    def __call__(self, points: np.ndarray, generator: np.random.Generator) -> SyntheticCloud:
        mask = points[:, 2] < np.quantile(points[:, 2], self.share)
        moved = points + 500 * mask[:, None].astype(np.float32)
        return SyntheticCloud(moved[::-1], mask[::-1], "lower")


def test_labels_stay_with_their_points() -> None:
    view = item_view(small_inputs(), Lower(0.3))(item(), np.random.default_rng())
    far = view.points[:, 0] > 0
    assert torch.equal(far, view.gt_mask)
    assert 0 < far.sum() < 64


def test_view_is_cut_from_the_unit_sphere_of_the_corrupted_cloud() -> None:
    inputs = small_inputs(num_points=400)
    view = item_view(inputs, Lower(0.1))(item(), np.random.default_rng())
    assert view.points.norm(dim=1).max().item() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(view.points.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    assert len(torch.unique(view.points, dim=0)) == 400


@pytest.mark.parametrize("size", [1, 20, 64, 4000])
def test_every_view_has_the_same_number_of_points(size: int) -> None:
    inputs = small_inputs(local_geometry=True)
    synthesis = create_synthesis("ano3d")
    view = item_view(inputs, synthesis, extra_points=10)(item(size), np.random.default_rng())
    assert view.points.shape == (74, 3)
    assert view.features.shape == (74, inputs.channels)
    assert view.gt_mask.shape == (74,)
    assert view.points.isfinite().all()
    assert view.features.isfinite().all()


def test_what_the_encoder_sees_is_a_uniform_sample_without_repeats() -> None:
    generator, shares = np.random.default_rng(), []
    transform = item_view(small_inputs(), Lower(0.2), extra_points=30)
    for _ in range(60):
        view = transform(item(), generator)
        assert len(torch.unique(view.points[:64], dim=0)) == 64
        shares.append(view.gt_mask[:64].float().mean().item())
    assert np.mean(shares) == pytest.approx(0.2, abs=0.04)


def test_extra_points_come_last_and_lie_on_the_defect() -> None:
    for extra in (0, 1, 200):
        view = item_view(small_inputs(), Lower(0.1), extra_points=extra)(
            item(), np.random.default_rng()
        )
        assert len(view.points) == 64 + extra
        assert view.gt_mask[64:].all()


def test_extra_points_of_a_normal_cloud_lie_anywhere() -> None:
    transform = item_view(small_inputs(), create_synthesis("none"), extra_points=50)
    view = transform(item(), np.random.default_rng())
    assert len(torch.unique(view.points[64:], dim=0)) > 25
    assert not view.gt_mask.any()
    assert not view.gt_label


def test_label_of_the_cloud_says_whether_it_has_a_defect() -> None:
    generator, labels = np.random.default_rng(0), set()
    transform = item_view(small_inputs(), create_synthesis("ano3d"), extra_points=9)
    for _ in range(20):
        view = transform(item(), generator)
        assert bool(view.gt_label) == bool(view.gt_mask.any())
        labels.add(bool(view.gt_label))
    assert labels == {True, False}


def test_what_the_cloud_is_stays_and_the_item_is_not_changed() -> None:
    cloud = item()
    before = cloud.points.clone()
    view = item_view(small_inputs(), Lower(0.1))(cloud, np.random.default_rng())
    assert (view.category, view.path, view.defect) == ("bowl0", "a/bowl0.pcd", "good")
    assert torch.equal(cloud.points, before)


@pytest.mark.parametrize("name", ["ano3d", "extended", "none"])
def test_generator_alone_decides_in_this_process_and_in_a_worker(name: str) -> None:
    transform = item_view(
        small_inputs(local_geometry=True), create_synthesis(name, one_sided=True), extra_points=9
    )
    copied = pickle.loads(pickle.dumps(transform))  # noqa: S301
    first = transform(item(), np.random.default_rng(5))
    again = copied(item(), np.random.default_rng(5))
    other = transform(item(), np.random.default_rng(6))
    assert torch.equal(first.points, again.points)
    assert torch.equal(first.features, again.features)
    assert torch.equal(first.gt_mask, again.gt_mask)
    assert not torch.equal(first.points, other.points)


def test_views_of_one_damaged_cloud_share_the_defect_and_not_the_points() -> None:
    size = 64 + 10
    transform = item_view(small_inputs(local_geometry=True), Lower(0.2), views=3, extra_points=10)
    shown = transform(item(), np.random.default_rng())
    assert shown.points.shape == (3 * size, 3)
    assert shown.features.shape == (3 * size, small_inputs(local_geometry=True).channels)
    views, masks = shown.points.view(3, size, 3), shown.gt_mask.view(3, size)
    seen = views[:, :64].reshape(-1, 3)
    assert len(torch.unique(seen, dim=0)) == 3 * 64
    assert masks[:, 64:].all()
    # One cloud, hence one unit sphere: what was moved lies far away in each view.
    assert torch.equal(views[..., 0] > 0, masks)

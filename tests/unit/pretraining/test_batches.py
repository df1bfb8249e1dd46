"""Batches of labelled scans, and their fast grouping against the encoder's own."""

from __future__ import annotations

import torch

from plane_anomalib.backbones.encoders import BUILTIN_POINTS
from plane_anomalib.backbones.point_transformer import PointTransformer
from plane_anomalib.generation.defects.profiles import BATCHED_KINDS
from plane_anomalib.geometry.neighbours import knn_torch
from plane_anomalib.geometry.sampling import farthest_point_sampling
from plane_anomalib.pretraining.batches import farthest_points, group, make_batch, nearest_points
from plane_anomalib.pretraining.config import DefectsConfig, ViewsConfig
from plane_anomalib.pretraining.pool import ShapePool


def test_small_clouds_are_grouped_as_the_encoder_does() -> None:
    points = torch.randn(2, 300, 3, generator=torch.Generator().manual_seed(0))
    with torch.device("meta"):
        encoder = PointTransformer(BUILTIN_POINTS)
    centers, index = encoder.group(points, num_groups=40)
    found, found_index = group(points, 40, 32)
    torch.testing.assert_close(found, centers)
    assert torch.equal(found_index.sort(-1).values, index.sort(-1).values)


def test_farthest_points_are_those_of_the_reference() -> None:
    points = torch.rand(3, 200, 3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(farthest_points(points, 60), farthest_point_sampling(points, 60))


def test_nearest_points_are_exact_in_chunks(monkeypatch) -> None:
    monkeypatch.setattr("plane_anomalib.pretraining.batches._ELEMENTS", 5000)
    points = torch.rand(3, 500, 3, generator=torch.Generator().manual_seed(2))
    found = nearest_points(points, points[:, :20], 16).sort(-1).values
    assert torch.equal(found, knn_torch(points, points[:, :20], 16).sort(-1).values)


def test_centers_of_a_large_cloud_are_distinct_and_spread() -> None:
    generator = torch.Generator().manual_seed(3)
    points = torch.nn.functional.normalize(torch.randn(1, 4096, 3, generator=generator), dim=-1)
    centers, _ = group(points, 128, 32)
    gaps = (torch.cdist(centers, centers) + 9 * torch.eye(128)).amin(-1)
    assert gaps.min() > 0.15  # random centers come as near as 0.01


def test_views_and_densities_alone_are_never_labelled(pool: ShapePool) -> None:
    views = ViewsConfig(one_sided=1.0, density=1.0, noise=(0.0, 0.02))
    generator = torch.Generator().manual_seed(0)
    shapes = torch.arange(12)
    kinds = [()] * 12
    batch = make_batch(pool, shapes, kinds, (128, 16), 16, (views, DefectsConfig()), generator)
    assert not batch.labels.any()
    assert batch.counted.all()


def test_clouds_fill_the_unit_sphere_whatever_happened_to_them(pool: ShapePool) -> None:
    generator = torch.Generator().manual_seed(0)
    kinds = [(kind,) for kind in BATCHED_KINDS[:12]]
    configs = (ViewsConfig(), DefectsConfig())
    batch = make_batch(pool, torch.arange(12), kinds, (256, 32), 16, configs, generator)
    radius = batch.points.norm(dim=-1).amax(1)
    torch.testing.assert_close(radius, torch.ones(12))
    assert batch.points.mean(1).abs().max() < 1e-5
    expected = batch.labels[:, None].expand(-1, 32, -1).gather(2, batch.index).float().mean(2)
    torch.testing.assert_close(batch.share, expected)

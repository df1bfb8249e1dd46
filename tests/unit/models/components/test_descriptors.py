"""Which points are described, and that their pose and order do not matter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from plane_anomalib.backbones.encoders import create_point_encoder
from plane_anomalib.geometry.neighbours import knn
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.models.btf import BTFConfig
from plane_anomalib.models.components.descriptors import (
    Coordinates,
    Fpfh,
    TransformerFeatures,
    thinned,
)
from plane_anomalib.models.components.recipe import Sampling


def lump(num: int, seed: int | None = None) -> FloatArray:
    directions = np.random.default_rng(seed).normal(size=(num, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    x, y, z = directions.T
    radius = 1 + 0.25 * np.sin(2 * x + 1) * np.cos(3 * y) + 0.2 * z * x
    return np.asarray(radius[:, None] * directions * [1.0, 0.7, 0.5], np.float32)


def fpfh_of(sampling: Sampling) -> Fpfh:
    return Fpfh(sampling, sampling, normal_radius=0.12, radius=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("sampling", [Sampling(), Sampling(most=50), Sampling(voxel=0.1, most=500)])
def test_the_order_of_the_points_does_not_matter(sampling: Sampling) -> None:
    cloud = lump(2000)
    order = np.random.default_rng().permutation(len(cloud))
    for describe in (Coordinates(sampling, sampling), fpfh_of(sampling)):
        plain, shuffled = (describe(c, fitting=False) for c in (cloud, cloud[order]))
        np.testing.assert_array_equal(shuffled.places, plain.places)
        torch.testing.assert_close(shuffled.values, plain.values)


def test_strides_count_in_file_order() -> None:
    cloud = lump(95)
    describe = Coordinates(Sampling(stride=10), Sampling(stride=50))
    np.testing.assert_array_equal(describe(cloud, fitting=True).places, cloud[::10])
    np.testing.assert_array_equal(describe(cloud, fitting=False).places, cloud[::50])


def test_thinning_evens_out_the_density_and_leaves_no_gap() -> None:
    # Half of the object was scanned ten times as densely as the other.
    dense = lump(40_000)
    cloud = np.concatenate([dense[dense[:, 0] > 0], lump(4000)])
    kept = thinned(cloud, Sampling(voxel=0.1))
    half = (kept[:, 0] > 0.05).sum() / (np.abs(kept[:, 0]) > 0.05).sum()
    assert 0.4 < half < 0.65
    assert knn(kept, cloud, 1)[0].max() < 0.2


@pytest.mark.slow
def test_turning_a_cloud_changes_neither_its_descriptors_nor_its_score() -> None:
    cloud = lump(9000)
    rotation = Rotation.random()
    turned = np.asarray(rotation.apply(cloud), np.float32)
    whole = fpfh_of(Sampling(most=20_000))
    before, after = (whole(c, fitting=False) for c in (cloud, turned))
    places = rotation.apply(before.places).astype(np.float32)
    match = knn(after.places, places, 1)[1][:, 0]
    change = (after.values[match] - before.values).norm(dim=1) / before.values.norm(dim=1)
    assert change.median() < 1e-3
    model = BTFConfig().create()
    model.fit([("lump", [lump(9000), lump(9000)])])
    scores = [float(model(c, "lump").pred_score) for c in (cloud, turned)]
    assert scores[1] == pytest.approx(scores[0], rel=0.01)


def test_transformer_features_stand_at_the_centers_of_the_groups() -> None:
    encoder = create_point_encoder()
    describe = TransformerFeatures(encoder, 16, 8, layers=(3, 7), most_points=500)
    cloud = lump(700)
    found = describe(cloud, fitting=True)
    assert found.values.shape == (16, 2 * encoder.config.width)
    assert knn(cloud, found.places, 1)[0].max() == 0
    order = np.random.default_rng().permutation(len(cloud))
    again = describe(cloud[order], fitting=False)
    torch.testing.assert_close(again.values, found.values)
    tiny = describe(lump(3), fitting=False)
    assert tiny.values.shape == (3, 2 * encoder.config.width)
    assert tiny.values.isfinite().all()


def test_training_mode_gives_the_same_cloud_the_same_features_and_others_than_evaluation() -> None:
    encoder, cloud = create_point_encoder(), lump(300)
    noisy = TransformerFeatures(encoder, 16, 8, layers=(3, 7), training_mode=True)
    plain = TransformerFeatures(encoder, 16, 8, layers=(3, 7))
    found = noisy(cloud, fitting=True).values
    assert torch.equal(noisy(cloud, fitting=False).values, found)
    assert not torch.allclose(plain(cloud, fitting=False).values, found, rtol=0.1)

"""Clouds of a category in one pose."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from plane_anomalib.geometry.points import FloatArray, RigidTransform
from plane_anomalib.models.components import alignment
from plane_anomalib.models.components.alignment import Centered, Registered, RegistrationMethod


def lump(num: int, seed: int) -> FloatArray:
    """An object without symmetry: no two of its sides are alike."""
    directions = np.random.default_rng(seed).normal(size=(num, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    x, y, z = directions.T
    radius = 1 + 0.25 * np.sin(2 * x + 1) * np.cos(3 * y) + 0.2 * z * x
    return np.asarray(radius[:, None] * directions * [10.0, 7.0, 5.0], np.float32)


def turned(points: FloatArray, seed: int) -> FloatArray:
    rotation = Rotation.random(random_state=seed)
    shift = np.array([3.0, -20.0, 40.0])
    return np.asarray(rotation.apply(points) + shift, np.float32)


def test_centered_clouds_lie_at_the_origin_in_radii_of_the_category() -> None:
    clouds = [lump(500, 0) + np.float32(100), 2 * lump(400, 1)]
    aligner = Centered(unit=True)
    aligned = aligner.fit(clouds)
    radii = [np.linalg.norm(cloud, axis=1).max() for cloud in aligned]
    assert np.mean(radii) == pytest.approx(1, rel=1e-5)
    assert radii[1] > 1.8 * radii[0]
    for before, after in zip(clouds, aligned, strict=True):
        np.testing.assert_allclose(after.mean(0), 0, atol=1e-5)
        np.testing.assert_array_equal(aligner(before), after)
    kept = Centered(unit=False).fit(clouds)[1]
    np.testing.assert_allclose(np.ptp(kept, 0), np.ptp(clouds[1], 0), rtol=1e-5)


@pytest.mark.slow
def test_a_turned_scan_is_laid_onto_the_first_one() -> None:
    first, other = lump(3000, 0), lump(2500, 1)
    aligner = Registered("robust", unit=False)
    aligner.fit([first])
    found = aligner(turned(other, 5))
    expected = other - first.mean(0, dtype=np.float64)
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.02 * np.ptp(first)


def test_a_scan_that_lies_right_stays_where_it_is() -> None:
    first, other = lump(3000, 0), lump(2500, 1)
    aligner = Registered("robust", unit=True)
    aligned = aligner.fit([first, other])
    radius = np.linalg.norm(first - first.mean(0), axis=1).max()
    expected = (other - first.mean(0, dtype=np.float64)) / np.mean(
        [radius, np.linalg.norm(other - other.mean(0), axis=1).max()]
    )
    np.testing.assert_allclose(aligned[1], expected, atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["robust", "reference"])
def test_the_order_of_the_points_does_not_matter(method: RegistrationMethod) -> None:
    aligner = Registered(method, unit=False)
    aligner.fit([lump(1500, 0)])
    cloud = turned(lump(1200, 1), 3)
    order = np.random.default_rng().permutation(len(cloud))
    np.testing.assert_array_equal(aligner(cloud[order]), aligner(cloud)[order])


@pytest.mark.slow
def test_matched_features_find_the_pose_at_the_scale_they_are_made_for() -> None:
    first, other = lump(6000, 0), lump(6000, 1)
    aligner = Registered("reference", unit=False)
    aligner.fit([first])
    found = aligner(turned(other, 5))
    expected = other - first.mean(0, dtype=np.float64)
    assert np.median(np.linalg.norm(found - expected, axis=1)) < 2.0


def test_a_cloud_matched_by_racing_threads_lies_the_same_way_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng()

    def racing(*_: object, **__: object) -> RigidTransform:
        return RigidTransform(Rotation.random(random_state=random).as_matrix(), np.zeros(3))

    monkeypatch.setattr(alignment, "match_features", racing)
    aligner = Registered("reference", unit=False)
    aligner.fit([lump(200, 0)])
    first = aligner(lump(200, 1))
    assert np.array_equal(aligner(lump(200, 1)), first)
    aligner.fit([lump(200, 2)])
    assert not np.allclose(aligner(lump(200, 1)), first)


@pytest.mark.slow
def test_a_loaded_aligner_aligns_the_same() -> None:
    aligner = Registered("robust", unit=True, seed=3)
    aligner.fit([lump(1500, 0)])
    fresh = Registered("robust", unit=True, seed=3)
    fresh.load_state_dict(aligner.state_dict())
    cloud = turned(lump(900, 2), 8)
    np.testing.assert_array_equal(fresh(cloud), aligner(cloud))


def test_a_registered_cloud_of_version_0_1_is_loaded() -> None:
    aligner = Registered("robust", unit=True)
    aligner.fit([np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)])
    before = {name.replace("centered", "centred"): v for name, v in aligner.state_dict().items()}
    assert before.keys() != aligner.state_dict().keys()
    fresh = Registered("robust", unit=True)
    fresh.target = torch.zeros(50, 3)
    fresh.load_state_dict(before)
    assert fresh.centered.radius == aligner.centered.radius != 1

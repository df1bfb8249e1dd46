from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.generation.defects.corruption import AnomalyTransform
from plane_anomalib.generation.defects.mixture import (
    DEFAULT_WEIGHTS,
    EXTENDED_KINDS,
    POINT_DEFECTS,
    DefectMix,
)
from plane_anomalib.generation.defects.point_defects import LABEL_THRESHOLD, PUSHES
from plane_anomalib.geometry.points import unit_sphere

SEEDS = st.integers(0, 2**31 - 1)
STILL: dict[str, Any] = {"resample": 0, "deform": 0, "density": 0, "one_side": 0, "noise": 0}
MOVERS = sorted(set(POINT_DEFECTS) - {"hole", "broken", "crack"})


def blob(num: int, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(num, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return (points * (1 + 0.2 * np.sin(3 * points[:, :1])) * [1.0, 0.8, 1.2]).astype(np.float32)


def make(kind: str, points: np.ndarray, seed: int = 0, **options: Any) -> Any:
    return DefectMix({kind: 1.0}, **options)(points, np.random.default_rng(seed))


def test_it_is_an_anomaly_transform_that_can_make_everything() -> None:
    assert isinstance(DefectMix(), AnomalyTransform)
    assert set(DEFAULT_WEIGHTS) == set(EXTENDED_KINDS)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(EXTENDED_KINDS), st.integers(1, 900), SEEDS)
def test_every_kind_gives_a_labelled_cloud_the_same_twice(kind: str, num: int, seed: int) -> None:
    points = 40 * blob(num, seed) + np.float32(5)
    before = points.copy()
    first, again = make(kind, points, seed), make(kind, points, seed)
    assert first.points.dtype == np.float32
    assert first.points.shape == (len(first.mask), 3)
    assert first.mask.dtype == np.bool_
    assert np.isfinite(first.points).all()
    assert np.array_equal(first.points, again.points)
    assert np.array_equal(first.mask, again.mask)
    assert np.array_equal(points, before)
    assert first.kind == (kind if first.mask.any() else "normal")


@pytest.mark.parametrize("kind", MOVERS)
def test_what_is_labelled_moved_and_what_is_not_did_not(kind: str) -> None:
    points = unit_sphere(blob(4000, 1)).points
    greatest = PUSHES[kind].height[1] if kind in PUSHES else 0.12
    for seed in range(6):
        result = make(kind, points, seed, rotation="none", renormalise=False, **STILL)
        moved = np.linalg.norm(result.points[: len(points)] - points, axis=1)
        mask = result.mask[: len(points)]
        assert mask.any()
        assert moved[mask].min() > 1e-4
        assert moved[mask].max() > 0.01
        assert moved[~mask].max() <= max(LABEL_THRESHOLD * greatest, 0.01) + 1e-5
        # Added points lie on the defect's surface, between points that were moved.
        added = result.points[len(points) :]
        if len(added):
            assert cKDTree(result.points[: len(points)]).query(added)[0].max() < 0.2


@pytest.mark.parametrize("kind", ["hole", "broken"])
def test_what_is_left_of_a_gap_is_untouched_and_its_rim_is_labelled(kind: str) -> None:
    points = unit_sphere(blob(5000, 2)).points
    for seed in range(6):
        result = make(kind, points, seed, rotation="none", renormalise=False, **STILL)
        assert len(result.points) < len(points)
        assert cKDTree(points).query(result.points)[0].max() < 1e-6
        assert 0 < result.mask.mean() < 0.12
        lost = points[cKDTree(result.points).query(points)[0] > 1e-6]
        gap = cKDTree(lost).query(result.points)[0]
        assert np.median(gap[result.mask]) < 0.1
        assert gap[~result.mask].min() > 1e-3
        assert np.median(gap[result.mask]) < np.median(gap[~result.mask])


def test_inward_and_outward_defects_go_their_way() -> None:
    points = unit_sphere(blob(4000, 3)).points
    for kind, sign in (("bulge", 1), ("ridge", 1), ("concavity", -1), ("scratch", -1)):
        result = make(kind, points, 5, rotation="none", renormalise=False, **STILL)
        steps = result.points[: len(points)] - points
        outward = np.einsum("ij,ij->i", steps, points)[result.mask[: len(points)]]
        assert (sign * outward > 0).mean() > 0.95


def test_a_scratch_is_long_and_narrow() -> None:
    points = unit_sphere(blob(12_000, 4)).points
    for seed in range(4):
        result = make("scratch", points, seed, rotation="none", renormalise=False, **STILL)
        extents = np.sqrt(np.linalg.eigvalsh(np.cov(result.points[result.mask].T)))
        assert extents[2] > 3 * extents[1]


def test_thin_walls_are_not_pushed_together() -> None:
    generator = np.random.default_rng(6)
    sheet = generator.uniform(-1, 1, (9000, 2))
    levels = np.where(np.arange(9000) < 4500, 0.0, 0.08)
    points = unit_sphere(np.column_stack([sheet, levels])).points
    for seed in range(6):
        result = make("concavity", points, seed, rotation="none", renormalise=False, **STILL)
        touched = result.mask[:9000]
        assert touched[:4500].any() != touched[4500:].any()


def test_a_bulge_keeps_the_density_of_a_scan() -> None:
    points = unit_sphere(blob(20_000, 7)).points
    ratios = []
    for seed in range(10):
        result = make("lump", points, seed, rotation="none", renormalise=False, **STILL)
        gaps = cKDTree(result.points).query(result.points, k=9)[0][:, -1]
        ratios.append(np.median(gaps[result.mask]) / np.median(gaps[~result.mask]))
    assert 0.8 < np.median(ratios) < 1.2


def test_neither_centroid_nor_size_gives_the_defect_away() -> None:
    points = 8 * blob(2000, 8)
    for kind in ("lump", "broken", "bend", "normal"):
        result = make(kind, points, 3)
        np.testing.assert_allclose(
            result.points.mean(0, dtype=np.float64), points.mean(0), atol=1e-3
        )
        radius = np.linalg.norm(result.points - points.mean(0), axis=1).max()
        assert radius == pytest.approx(np.linalg.norm(points - points.mean(0), axis=1).max(), 1e-3)


def test_the_mix_follows_its_weights() -> None:
    generator, points = np.random.default_rng(0), blob(300)
    mix = DefectMix({"bulge": 1, "normal": 3})
    kinds = [mix(points, generator).kind for _ in range(200)]
    assert set(kinds) == {"bulge", "normal"}
    assert 0.15 < kinds.count("bulge") / 200 < 0.35


@pytest.mark.parametrize("num", [1, 2, 3, 5, 40])
@pytest.mark.parametrize("kind", EXTENDED_KINDS)
def test_tiny_and_duplicate_clouds_survive(kind: str, num: int) -> None:
    for points in (blob(num), np.ones((num, 3))):
        result = make(kind, points, deform=1, density=1, one_side=1, noise=1)
        assert len(result.points) == len(result.mask) >= 1
        assert np.isfinite(result.points).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kinds": {"dnet": 1}}, "Unknown defect dnet"),
        ({"kinds": {}}, "not all zero"),
        ({"rotation": "y"}, "rotation must be one of"),
        ({"noise": 1.5}, "noise is a probability"),
    ],
)
def test_impossible_settings_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        DefectMix(**arguments)

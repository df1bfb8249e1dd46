"""AU-PRO against a naive oracle that visits every threshold and walks the radius graph."""

from __future__ import annotations

import numpy as np
import pytest

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.metrics import aupro
from plane_anomalib.metrics.aupro import au_pro, find_regions, region_weights


def naive_regions(points: np.ndarray, radius_factor: float) -> np.ndarray:
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    nearest = np.sort(distances, axis=1)[:, 1:7]
    radius = radius_factor * np.median(nearest.mean(axis=1))
    labels = np.full(len(points), -1)
    for seed in range(len(points)):
        if labels[seed] >= 0:
            continue
        region = labels.max() + 1
        stack = [seed]
        while stack:
            current = stack.pop()
            if labels[current] >= 0:
                continue
            labels[current] = region
            stack.extend(np.flatnonzero((distances[current] <= radius) & (labels < 0)))
    return labels


def naive_au_pro(
    scores: np.ndarray, mask: np.ndarray, regions: np.ndarray, limit: float, thresholds: np.ndarray
) -> float:
    rates, overlaps = [0.0], [0.0]
    for threshold in np.sort(thresholds)[::-1]:
        hit = scores >= threshold
        rates.append(hit[~mask].mean())
        overlaps.append(np.mean([hit[mask][regions == r].mean() for r in np.unique(regions)]))
    rate, overlap = np.array(rates), np.array(overlaps)
    inside = rate <= limit
    at_limit = np.interp(limit, rate, overlap)
    return float(
        np.trapezoid(np.append(overlap[inside], at_limit), np.append(rate[inside], limit)) / limit
    )


def blobs(generator: np.random.Generator, sizes: list[int], distance: float = 60.0) -> np.ndarray:
    """Patches of equal density: jittered unit grids, five rows wide, far from each other."""
    parts = []
    for i, size in enumerate(sizes):
        rows, columns = np.divmod(np.arange(size), 5)
        patch = np.stack([rows, columns, np.zeros(size)], axis=1)
        parts.append(patch + generator.uniform(-0.2, 0.2, patch.shape) + [0, distance * i, 0])
    return np.concatenate(parts)


def same_partition(left: np.ndarray, right: np.ndarray) -> bool:
    pairs = set(zip(left.tolist(), right.tolist(), strict=True))
    return len(pairs) == len(np.unique(left)) == len(np.unique(right))


@pytest.mark.parametrize("radius_factor", [0.8, 1.2, 2.5, 5.0])
def test_regions_equal_a_brute_force_walk(radius_factor: float) -> None:
    generator = np.random.default_rng()
    points = generator.uniform(size=(400, 3)) * [1, 1, 0.05]
    found = find_regions(points, radius_factor)
    expected = naive_regions(points, radius_factor)
    assert same_partition(found, expected)
    assert sorted(np.unique(found)) == list(range(found.max() + 1))


def test_regions_do_not_depend_on_how_many_pairs_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng().uniform(size=(300, 3)) * [1, 1, 0.05]
    whole = find_regions(points, 1.0)
    monkeypatch.setattr(aupro, "_MAX_PAIRS", 50)
    assert same_partition(whole, find_regions(points, 1.0))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_separate_defects_are_separate_regions_in_any_unit(scale: float) -> None:
    points = blobs(np.random.default_rng(), [200, 50, 120]) * scale
    found = find_regions(points)
    assert same_partition(found, np.repeat([0, 1, 2], [200, 50, 120]))


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_points_are_allowed(count: int) -> None:
    points = np.random.default_rng().normal(size=(count, 3))
    assert find_regions(points).shape == (count,)
    assert len(np.unique(find_regions(points[:1]))) == min(count, 1)


def test_repeated_points_do_not_shrink_the_radius_to_zero() -> None:
    line = np.stack([np.arange(20.0), np.zeros(20), np.zeros(20)], axis=1)
    assert find_regions(np.repeat(line, 8, axis=0)).max() == 0
    assert find_regions(np.zeros((10, 3))).max() == 0


def test_bad_points_and_arguments_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"\(M, 3\)"):
        find_regions(np.zeros((4, 2)))
    with pytest.raises(ConfigurationError, match="NaN"):
        find_regions(np.full((4, 3), np.nan))
    with pytest.raises(ConfigurationError, match="radius_factor"):
        find_regions(np.zeros((4, 3)), radius_factor=0)
    with pytest.raises(ConfigurationError, match="limit"):
        au_pro([0.0, 1.0], [False, True], [0], limit=0)


def test_every_region_weighs_one() -> None:
    weights = region_weights([7, 7, 2, 7, 2])
    assert weights.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 2, 1 / 3, 1 / 2])


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("levels", [5, 60, None])
def test_equal_to_the_naive_curve_over_every_threshold(limit: float, levels: int | None) -> None:
    generator = np.random.default_rng()
    regions = find_regions(blobs(generator, [40, 12, 3]))
    mask = generator.permutation(np.arange(700) < len(regions))
    scores = generator.normal(size=700) + 1.2 * mask
    if levels is not None:
        scores = np.digitize(scores, np.linspace(-2, 3, levels)).astype(float)
    expected = naive_au_pro(scores, mask, regions, limit, np.unique(scores))
    assert au_pro(scores, mask, regions, limit) == pytest.approx(expected, abs=1e-9)


def test_close_to_the_usual_grid_of_200_thresholds() -> None:
    generator = np.random.default_rng()
    regions = np.repeat(np.arange(6), 50)
    mask = np.arange(6000) < 300
    scores = generator.uniform(size=6000) + 0.3 * mask
    grid = np.linspace(scores.min(), scores.max(), 200)
    expected = naive_au_pro(scores, mask, regions, 0.3, grid)
    assert au_pro(scores, mask, regions) == pytest.approx(expected, abs=0.02)


def test_random_scores_give_half_the_limit_and_perfect_ones_give_one() -> None:
    generator = np.random.default_rng()
    mask = generator.random(400_000) < 0.05
    regions = generator.integers(0, 300, int(mask.sum()))
    assert au_pro(generator.random(mask.size), mask, regions) == pytest.approx(0.15, abs=0.01)
    assert au_pro(mask + generator.uniform(0, 0.5, mask.size), mask, regions) == pytest.approx(1.0)
    assert au_pro(np.zeros(mask.size), mask, regions) == pytest.approx(0.15)
    assert au_pro(-1.0 * mask, mask, regions) == 0.0


def test_small_regions_count_as_much_as_large_ones() -> None:
    # The large region is found, the small one is missed.
    mask = np.array([True] * 101 + [False] * 1000)
    regions = np.array([0] * 100 + [1])
    scores = np.array([2.0] * 100 + [0.0] + [1.0] * 1000)
    assert au_pro(scores, mask, regions) == pytest.approx(0.5 + 0.0, abs=1e-12)


@pytest.mark.parametrize("label", [True, False])
def test_one_class_gives_nan(label: bool) -> None:
    regions = [0] * 4 if label else []
    assert np.isnan(au_pro(np.arange(4.0), np.full(4, label), regions))

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gamma
from sklearn.neighbors import NearestNeighbors

from plane_anomalib.models.template_residual.deviations import WorkingCloud
from plane_anomalib.models.template_residual.sheets import Sheets, smooth_residuals
from plane_anomalib.models.template_residual.smooth_field import (
    SmoothField,
    field_centers,
    fit_deviation,
)
from plane_anomalib.models.template_residual.template import gap_significance, squared_gaps
from tests.unit.models.template_residual.shapes import lump, wall


def test_a_wall_thinner_than_the_spacing_keeps_its_two_sides() -> None:
    generator = np.random.default_rng(0)
    thickness = 0.012  # the spacing of 4000 points on two unit squares is some 0.011 and more
    sheets = Sheets.fit(wall(generator, 4000, thickness))
    middle = np.all(np.abs(sheets.points[:, :2] - 0.5) < 0.4, axis=1)
    heights = sheets.points[middle, 2]
    off = np.minimum(np.abs(heights), np.abs(heights - thickness))
    assert np.quantile(off, 0.95) < 0.1 * thickness
    scan = wall(generator, 500, thickness)
    scan = scan[np.all(np.abs(scan[:, :2] - 0.5) < 0.4, axis=1)]
    assert np.quantile(np.abs(sheets.residuals(scan)[0]), 0.95) < 0.1 * thickness


def test_residuals_are_signed_distances_positive_outward() -> None:
    generator = np.random.default_rng(1)
    directions = generator.normal(size=(20_000, 3))
    sphere = np.float32(directions / np.linalg.norm(directions, axis=1, keepdims=True))
    sheets = Sheets.fit(sphere)
    probes = generator.normal(size=(300, 3))
    probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    for height in (-0.03, 0.03):
        measured, normals, nearest = sheets.residuals(np.float32((1 + height) * probes))
        np.testing.assert_allclose(measured, height, atol=0.006)
        assert np.einsum("ni,ni->n", normals, probes).min() > 0.98
        gaps = np.linalg.norm(sheets.points[None] - (1 + height) * probes[:, None], axis=2)
        own = np.take_along_axis(gaps, nearest[:, None], 1)[:, 0]
        np.testing.assert_allclose(own, gaps.min(1), atol=1e-6)


def test_a_smooth_deviation_is_found_and_a_dent_is_left() -> None:
    generator = np.random.default_rng(2)
    sheets = Sheets.fit(lump(generator, 8000))
    scan = lump(generator, 4000)
    bent = scan + np.float32(0.01) * np.sin(2 * scan[:, [1, 2, 0]])
    dented = np.linalg.norm(bent - bent[np.argmax(bent[:, 1])], axis=1) < 0.1
    bent[dented] *= np.float32(0.93)
    field = SmoothField(field_centers(sheets.points), 0.3)
    coefficients = fit_deviation(np.float32(bent), sheets, field, 0.01, 0.01)
    before = np.abs(sheets.residuals(np.float32(bent))[0])
    moved = np.float32(bent) + field.displacement(np.float32(bent), coefficients)
    after = np.abs(sheets.residuals(moved)[0])
    assert np.median(after[~dented]) < 0.4 * np.median(before[~dented])
    assert np.median(after[dented]) > 0.6 * np.median(before[dented])


def test_the_field_has_the_covariance_of_its_kernel() -> None:
    points = lump(np.random.default_rng(3), 40)
    field = SmoothField(points, 0.25)
    local = field.basis(points)[:, :-4]
    squared = np.square(points[:, None].astype(float) - points[None]).sum(-1)
    np.testing.assert_allclose(local @ local.T, np.exp(-squared / (2 * 0.25**2)), atol=1e-3)


def test_the_field_is_evaluated_as_its_basis_times_the_coefficients() -> None:
    generator = np.random.default_rng(6)
    points = lump(generator, 5000)
    field = SmoothField(field_centers(points), 0.25)
    coefficients = generator.normal(size=(field.size, 3))
    expected = field.basis(points) @ coefficients
    np.testing.assert_allclose(field.displacement(points, coefficients), expected, atol=1e-5)


def test_smoothing_is_the_plain_mean_on_one_flat_sheet() -> None:
    generator = np.random.default_rng(4)
    points = np.float32(np.column_stack([generator.random((200, 2)), np.zeros(200)]))
    neighbours = NearestNeighbors(n_neighbors=9).fit(points).kneighbors(points)[1]
    residuals = generator.normal(0, 1e-4, 200).astype(np.float32)
    normals = np.tile(np.float32([0, 0, 1]), (200, 1))
    lifted = points + residuals[:, None] * normals
    smoothed = smooth_residuals(lifted, residuals, normals, neighbours, (1, 9), 0.01)
    np.testing.assert_allclose(smoothed[:, 0], residuals, atol=1e-9)
    np.testing.assert_allclose(smoothed[:, 1], residuals[neighbours].mean(1), atol=1e-8)


def test_smoothing_turns_opposite_normals_and_skips_other_sheets() -> None:
    points = np.float32([[0, 0, 0.1], [0.1, 0, 0.1], [0, 0.1, 0.6]])
    residuals = np.float32([0.1, -0.1, 0.1])
    normals = np.float32([[0, 0, 1], [0, 0, -1], [0, 0, 1]])
    around = np.array([[0, 1, 2], [1, 0, 2], [2, 0, 1]])
    smoothed = smooth_residuals(points, residuals, normals, around, (3,), 0.05)[:, 0]
    np.testing.assert_allclose(smoothed, [0.1, -0.1, 0.1], atol=1e-6)


def test_gap_significance_is_that_of_the_gamma_distribution() -> None:
    ratios = np.float32([0.2, 1.0, 3.0, 10.0])
    expected = np.sqrt(-2 * gamma.logsf(3 * ratios.astype(float), 3))
    found = gap_significance(ratios * np.float32(0.7), np.full(4, 0.7, np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_gaps_are_third_distances_free_of_the_number_of_points() -> None:
    generator = np.random.default_rng(5)
    cloud, places = lump(generator, 500), lump(generator, 30)
    distances, indices = NearestNeighbors(n_neighbors=3).fit(cloud).kneighbors(places)
    gaps, nearest = squared_gaps(places, cloud)
    np.testing.assert_allclose(gaps, distances[:, 2] ** 2 * 500, rtol=1e-4)
    np.testing.assert_array_equal(nearest, indices[:, 0])


@pytest.mark.parametrize("most", [1000, 60])
def test_working_cloud_ignores_order_and_repeats(most: int) -> None:
    generator = np.random.default_rng(6)
    cloud = np.concatenate([lump(generator, 100), lump(generator, 50)])
    cloud = np.concatenate([cloud, cloud[:40]])
    shuffle = generator.permutation(len(cloud))
    first, second = WorkingCloud.of(cloud, most, 0), WorkingCloud.of(cloud[shuffle], most, 0)
    assert np.array_equal(first.points, second.points)
    assert len(np.unique(first.points, axis=0)) == len(first.points) == min(most, 150)
    scores = generator.random(len(first.points)).astype(np.float32)
    np.testing.assert_allclose(first.to_given(scores)[shuffle], second.to_given(scores), rtol=1e-6)
    known = first.place >= 0
    assert np.array_equal(first.points[first.place[known]], cloud[known])
    assert np.array_equal(first.to_given(scores)[known], scores[first.place[known]])

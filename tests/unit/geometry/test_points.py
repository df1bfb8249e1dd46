"""The unit sphere and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plane_anomalib.geometry.points import unit_sphere


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 50), st.floats(-3, 3), st.integers(0, 2**32 - 1))
def test_a_cloud_fits_the_unit_sphere_and_finds_its_way_back(
    num: int, magnitude: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    points = (10.0**magnitude * generator.normal(size=(num, 3)) + generator.normal(size=3)).astype(
        np.float32
    )
    unit, center, scale = unit_sphere(points)
    assert unit.dtype == np.float32
    assert np.linalg.norm(unit, axis=1).max() == pytest.approx(1, abs=1e-4)
    assert np.abs(unit.mean(0)).max() < 1e-4
    np.testing.assert_allclose(unit * scale + center, points, rtol=1e-4, atol=1e-5 * scale)


def test_coinciding_points_keep_their_scale() -> None:
    unit, center, scale = unit_sphere(np.full((4, 3), 7.0))
    assert scale == 1.0
    assert center.tolist() == [7.0] * 3
    assert not unit.any()

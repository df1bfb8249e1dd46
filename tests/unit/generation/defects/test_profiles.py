"""Profiles: what their names say, and the same of numpy's arrays and torch's tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from plane_anomalib.generation.defects import profiles
from plane_anomalib.generation.defects.profiles import FALLOFFS, distance_to_path, falloff, walk


@pytest.mark.parametrize("name", sorted(FALLOFFS))
def test_falloffs_fall_from_one_to_zero_and_stay_there(name: str) -> None:
    r = np.linspace(0, 1.5, 301)
    values = falloff(name, r)
    assert values[0] == pytest.approx(1)
    assert (np.diff(values) <= 1e-12).all()
    assert not values[r >= 1].any()


BOTH: dict[str, Callable[[Any], Any]] = {
    **{name: lambda r, name=name: falloff(name, r) for name in FALLOFFS},
    "crater": profiles.crater,
    "ripple": lambda r: profiles.ripple(r, 2.5, 0.3),
    "flattened": lambda r: profiles.flattened(r - 0.7, 0.2),
    "groove": lambda r: profiles.groove(r, 0.4 * r, 0.8, "linear"),
    "uneven": lambda r: profiles.uneven(r, r[:2]),
    "fracture": lambda r: profiles.fracture(
        r[:30].reshape(10, 3), r[:12].reshape(3, 4), r[:4].reshape(1, 4), 0.1
    ),
    "walk": lambda r: profiles.walk(r[:16], 2.0),
    "distance": lambda r: profiles.distance_to_path(r, 1 - r, profiles.walk(r[:16], 2.0))[0],
}


@pytest.mark.parametrize("name", BOTH)
def test_arrays_and_tensors_give_the_same(name: str) -> None:
    r = np.linspace(0, 1.5, 301)
    found = BOTH[name](torch.from_numpy(r))
    assert isinstance(found, torch.Tensor)
    np.testing.assert_allclose(found.numpy(), BOTH[name](r), atol=1e-12)


def test_a_walk_has_its_length_and_ends_where_it_headed() -> None:
    generator = np.random.default_rng(0)
    path = walk(generator.normal(0, 0.3, 24), 2.0)
    assert np.allclose(np.linalg.norm(np.diff(path, axis=0), axis=1), 2.0 / 24)
    assert np.allclose(path[0], 0)
    ends = np.array([walk(generator.normal(0, 0.1, 24), 2.0)[-1] for _ in range(200)])
    assert ends[:, 0].min() > 1.7
    assert abs(ends[:, 1].mean()) < 0.1


def test_distance_to_a_path_is_that_to_the_nearest_of_many_places_on_it() -> None:
    generator = np.random.default_rng(1)
    path = walk(generator.normal(0, 0.5, 12), 1.0)
    u, v = generator.uniform(-1, 1.5, (2, 200))
    distance, along = distance_to_path(u, v, path)
    shares = np.linspace(0, 12, 4801)
    dense = np.stack([np.interp(shares, np.arange(13), path[:, axis]) for axis in (0, 1)], 1)
    gaps = np.hypot(u[:, None] - dense[:, 0], v[:, None] - dense[:, 1])
    np.testing.assert_allclose(distance, gaps.min(1), atol=1e-4)
    np.testing.assert_allclose(along, shares[gaps.argmin(1)] / 12, atol=0.02)

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from plane_anomalib.models.plane.maps import propagate


def oracle(centers: np.ndarray, values: np.ndarray, points: np.ndarray, k: int) -> np.ndarray:
    distances, index = cKDTree(centers).query(points, list(range(1, k + 1)))
    weights = 1 / np.square(distances)
    weights /= weights.sum(1, keepdims=True)
    return np.einsum("pk,pkc->pc", weights, values[index])


@pytest.mark.parametrize("k", [1, 3, 5])
def test_equals_inverse_squared_distance_interpolation_cloud_by_cloud(k: int) -> None:
    generator = np.random.default_rng()
    centers, points = generator.normal(size=(2, 10, 3)), generator.normal(size=(2, 40, 3))
    values = generator.normal(size=(2, 10, 4))
    spread = propagate(torch.from_numpy(centers).float(), torch.from_numpy(points).float(), k)
    found = spread(torch.from_numpy(values).float())
    assert found.shape == (2, 40, 4)
    for i in range(2):
        expected = oracle(centers[i], values[i], points[i], k)
        np.testing.assert_allclose(found[i], expected, rtol=1e-3, atol=1e-4)


def test_a_point_on_a_center_takes_its_value() -> None:
    centers, values = torch.randn(2, 10, 3), torch.randn(2, 10, 1)
    torch.testing.assert_close(propagate(centers, centers)(values), values, rtol=1e-5, atol=1e-5)


def test_fewer_centers_than_neighbours_share_among_themselves() -> None:
    points, values = torch.randn(1, 9, 3), torch.tensor([[[2.0], [4.0]]])
    found = propagate(torch.randn(1, 2, 3), points)(values)
    assert ((found >= 2) & (found <= 4)).all()
    one = propagate(torch.randn(1, 1, 3), points)(torch.tensor([[[5.0]]]))
    torch.testing.assert_close(one, torch.full((1, 9, 1), 5.0))


def test_centers_that_coincide_do_not_divide_by_zero() -> None:
    centers = torch.ones(1, 4, 3)
    values = torch.tensor([[[1.0], [2.0], [3.0], [4.0]]], requires_grad=True)
    found = propagate(centers, torch.cat([centers, torch.zeros(1, 2, 3)], 1))(values)
    assert found.isfinite().all()
    found.sum().backward()
    assert values.grad.isfinite().all()


def test_gradients_are_the_weights() -> None:
    generator = np.random.default_rng()
    centers, points = generator.normal(size=(10, 3)), generator.normal(size=(1, 3))
    values = torch.zeros(1, 10, 1, requires_grad=True)
    spread = propagate(
        torch.from_numpy(centers[None]).float(), torch.from_numpy(points[None]).float()
    )
    spread(values).sum().backward()
    weights = oracle(centers, np.eye(10), points, 3)[0]
    np.testing.assert_allclose(values.grad[0, :, 0], weights, rtol=1e-3, atol=1e-5)


def test_values_keep_their_precision() -> None:
    spread = propagate(torch.randn(1, 5, 3), torch.randn(1, 7, 3))
    assert spread(torch.randn(1, 5, 2).bfloat16()).dtype == torch.bfloat16
    assert spread(torch.randn(1, 5, 2)).dtype == torch.float32

import numpy as np
from scipy.spatial.transform import Rotation

from plane_anomalib.geometry.least_variance import least_variance


def covariances(values: np.ndarray, seed: int) -> np.ndarray:
    turns = Rotation.random(len(values), random_state=seed).as_matrix()
    return np.einsum("mij,mj,mkj->mik", turns, values, turns)


def entries(matrices: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(matrices.reshape(-1, 9)[:, [0, 1, 2, 4, 5, 8]].T)


def test_the_direction_is_the_eigenvector_of_the_smallest_eigenvalue() -> None:
    generator = np.random.default_rng(0)
    values = np.sort(generator.uniform(0.1, 1, (2000, 3)), axis=1) * 10.0 ** generator.integers(
        -12, 12, (2000, 1)
    )
    values[:, 0] *= 0.5
    matrices = covariances(values, 1)
    found = least_variance(entries(matrices))
    expected = np.linalg.eigh(matrices)[1][:, :, 0]
    np.testing.assert_allclose(np.abs(np.einsum("mi,mi->m", found, expected)), 1, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-9)


def test_flat_line_like_and_equal_variances_give_unit_vectors_of_least_variance() -> None:
    shapes = np.array([[0, 1, 1], [0, 0, 1], [1, 1, 1], [1, 1, 2], [0, 1, 2], [0, 0, 0.0]])
    for seed in range(20):
        matrices = covariances(shapes, seed)
        found = least_variance(entries(matrices))
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
        variances = np.einsum("mi,mij,mj->m", found, matrices, found)
        np.testing.assert_allclose(variances, shapes[:, 0], atol=1e-6)


def test_diagonal_matrices_are_told_by_their_axes() -> None:
    matrices = np.stack([np.diag(v) for v in ([1.0, 2, 3], [2, 1, 3], [2, 3, 1], [1, 1, 2])])
    np.testing.assert_array_equal(least_variance(entries(matrices)), np.eye(3)[[0, 1, 2, 2]])

import numpy as np
import pytest

from plane_anomalib.geometry.pair_angles import PairAngles


def angles(p: np.ndarray, n: np.ndarray, q: np.ndarray, m: np.ndarray) -> list[float]:
    """The features of Rusu et al. in [0, 11), by vectors in float64; 5.5 where there are none."""
    d = q - p
    length = np.linalg.norm(d)
    if length == 0:
        return [5.5] * 3
    d = d / length
    if abs(n @ d) < abs(m @ d):
        d, n, m = -d, m, n
    v = np.cross(d, n)
    if np.linalg.norm(v) == 0:
        return [5.5] * 3
    v /= np.linalg.norm(v)
    w = np.cross(n, v)
    return [(np.arctan2(w @ m, n @ m) / np.pi + 1) * 5.5, (v @ m + 1) * 5.5, (n @ d + 1) * 5.5]


def cloud(kind: str, num: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points that float32 holds exactly, and unit normals."""
    points, normals = generator.normal(size=(2, num, 3))
    if kind == "smooth":
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        normals = points + 0.01 * normals
    elif kind == "along":
        points[:, :2] *= 1e-4
        normals = [0, 0, 1] + 1e-4 * normals
    elif kind == "copies":
        points = points[generator.integers(0, num // 2, num)]
    points *= {"tiny": 1e-25, "huge": 1e25}.get(kind, 1.0)
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    return points.astype(np.float32).astype(np.float64), normals


@pytest.mark.parametrize("kind", ["even", "smooth", "along", "copies", "tiny", "huge"])
def test_bins_are_those_of_float64(kind: str) -> None:
    generator = np.random.default_rng(3)
    points, normals = cloud(kind, 80, generator)
    rows, sets = np.arange(80), np.tile(np.arange(80, dtype=np.int32), (80, 1))
    found = PairAngles(np.concatenate([points.T, normals.T])).bins(rows, sets)
    assert all(bins.dtype == np.int32 for bins in found)
    for i in rows:
        for j in rows:
            expected = angles(points[i], normals[i], points[j], normals[j])
            for bins, place in zip(found, expected, strict=True):
                # Not where float64 itself rounds to one side or the other.
                if abs(place - round(place)) > 1e-7:
                    assert bins[i, j] == min(int(place), 10), (i, j, expected)


def test_pairs_along_a_normal_count_as_those_of_float64() -> None:
    """In float32 their sine is 0, as if the points had no features."""
    height = np.float32(1.3)
    points = np.array([[0, 0, 0], [1e-5, 0, height]], np.float32).astype(np.float64)
    normals = np.array([[0, 0, 1], [0.6, 0, 0.8]])
    angle_bins = PairAngles(np.concatenate([points.T, normals.T])).bins(
        np.array([0]), np.array([[1]], np.int32)
    )
    expected = angles(points[0], normals[0], points[1], normals[1])
    assert [int(bins[0, 0]) for bins in angle_bins] == [min(int(x), 10) for x in expected]
    assert expected[2] > 10.9

"""Histograms as Open3D computes them, and the angles that they count."""

from __future__ import annotations

import tracemalloc

import numpy as np
import open3d as o3d
import pytest
import torch
from scipy.spatial.transform import Rotation

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry.fpfh import PairAngles, fpfh
from plane_anomalib.geometry.normals import surface_normals

RADII = [(2.0, 30, 5.0, 100), (0.7, 30, 1.5, 100), (3.0, 40, 2.0, 20), (3.0, 60, 1.2, 100)]
"""Normal radius and neighbours, radius and neighbours: the numbers, the radii, or both cut."""


def surface(num: int, seed: int, noise: float = 0.03) -> np.ndarray:
    """A bumpy ellipsoid with the noise of a scan, some 30 units long."""
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(num, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points *= 1 + 0.2 * np.sin(5 * points[:, :1]) * np.cos(4 * points[:, 1:2])
    points = points * [15, 10, 6] + noise * generator.normal(size=(num, 3))
    return points.astype(np.float32)


def reference_cloud(points: np.ndarray) -> o3d.geometry.PointCloud:
    return o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points.astype(np.float64)))


def reference_fpfh(
    points: np.ndarray, normals: np.ndarray, radius: float, neighbours: int
) -> np.ndarray:
    cloud = reference_cloud(points)
    cloud.normals = o3d.utility.Vector3dVector(normals)
    search = o3d.geometry.KDTreeSearchParamHybrid(radius, neighbours)
    return np.asarray(o3d.pipelines.registration.compute_fpfh_feature(cloud, search).data).T


def relative(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    scale = np.maximum(np.linalg.norm(expected, axis=1), 1e-9)
    return np.linalg.norm(found - expected, axis=1) / scale


@pytest.mark.parametrize(("normal_radius", "normal_k", "radius", "k"), RADII)
@pytest.mark.parametrize("seed", [0, 1])
def test_descriptors_equal_those_of_open3d_on_the_same_normals(
    normal_radius: float, normal_k: int, radius: float, k: int, seed: int
) -> None:
    points = surface(3000, seed)
    cloud = reference_cloud(points)
    cloud.estimate_normals(o3d.geometry.KDTreeSearchParamHybrid(normal_radius, normal_k))
    normals = np.asarray(cloud.normals)
    found = fpfh(points, normal_radius=1.0, radius=radius, neighbours=k, normals=normals)
    assert found.dtype == np.float32
    wrong = relative(found, reference_fpfh(points, normals, radius, k)) > 1e-5
    assert wrong.mean() <= 1e-3


@pytest.mark.parametrize(("normal_radius", "normal_k", "radius", "k"), RADII)
def test_normals_and_descriptors_are_one_computation(
    normal_radius: float, normal_k: int, radius: float, k: int
) -> None:
    points = surface(3000, 7)
    search = {"normal_radius": normal_radius, "normal_neighbours": normal_k}
    found = fpfh(points, **search, radius=radius, neighbours=k)
    normals = surface_normals(points, radius=normal_radius, neighbours=normal_k)
    expected = reference_fpfh(points, normals.astype(np.float64), radius, k)
    # Float32 normals: some angles fall on the other side of an edge, by far most do not.
    assert np.median(relative(found, expected)) < 1e-4
    assert (relative(found, expected) > 0.02).mean() <= 1e-3


@pytest.mark.parametrize(("radius", "neighbours"), [(2.0, 30), (0.5, 30), (5.0, 7)])
def test_unoriented_normals_equal_those_of_open3d_with_their_sign(
    radius: float, neighbours: int
) -> None:
    points = surface(3000, 2)
    cloud = reference_cloud(points)
    cloud.estimate_normals(o3d.geometry.KDTreeSearchParamHybrid(radius, neighbours))
    found = surface_normals(points, radius=radius, neighbours=neighbours, oriented=False)
    gaps = np.linalg.norm(found - np.asarray(cloud.normals), axis=1)
    assert (gaps > 1e-4).mean() <= 1e-3


def test_oriented_normals_point_away_from_the_centroid() -> None:
    points = surface(2000, 3)
    oriented = surface_normals(points, radius=2.0)
    plain = surface_normals(points, radius=2.0, oriented=False)
    assert (np.einsum("ij,ij->i", oriented, points - points.mean(0)) >= -1e-5).all()
    np.testing.assert_allclose(np.abs(np.einsum("ij,ij->i", oriented, plain)), 1, atol=1e-5)


def lattice() -> np.ndarray:
    """Equal distances everywhere: only a fixed order can make ties come out the same."""
    axis = np.arange(12.0, dtype=np.float32)
    return np.random.default_rng(4).permutation(
        np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, 3)
    )


@pytest.mark.parametrize(("normal_radius", "normal_k", "radius", "k"), RADII)
@pytest.mark.parametrize("make", [lambda: surface(6000, 5), lattice], ids=["surface", "lattice"])
def test_few_descriptors_are_exactly_those_rows_of_all(
    make: object, normal_radius: float, normal_k: int, radius: float, k: int
) -> None:
    points = make()  # type: ignore[operator]
    search = {"normal_radius": normal_radius, "normal_neighbours": normal_k}
    search |= {"radius": radius, "neighbours": k}
    everything = fpfh(points, **search)
    generator = np.random.default_rng(6)
    for queries in (
        np.arange(0, len(points), 100),
        generator.integers(0, len(points), 50),
        np.array([3, 3, 0]),
    ):
        np.testing.assert_array_equal(fpfh(points, queries=queries, **search), everything[queries])


def test_threads_change_nothing() -> None:
    points = surface(4000, 8)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = fpfh(points, normal_radius=1.0, radius=2.5)
        torch.set_num_threads(3)
        np.testing.assert_array_equal(fpfh(points, normal_radius=1.0, radius=2.5), alone)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("seed", range(3))
def test_rotation_changes_no_oriented_descriptor(seed: int) -> None:
    points = surface(4000, seed)
    turn = Rotation.random(random_state=seed).as_matrix()
    search = {"normal_radius": 1.5, "radius": 4.0}
    turned = fpfh((points @ turn.T).astype(np.float32), **search)
    gaps = relative(turned, fpfh(points, **search))
    assert np.median(gaps) < 1e-5
    assert np.quantile(gaps, 0.99) < 1e-2


def test_the_order_of_points_does_not_matter() -> None:
    points = surface(4000, 9)
    order = np.random.default_rng(9).permutation(len(points))
    search = {"normal_radius": 1.5, "radius": 4.0}
    gaps = relative(fpfh(points[order], **search), fpfh(points, **search)[order])
    assert np.quantile(gaps, 0.99) < 1e-2


def test_blocks_sum_to_200_where_there_are_neighbours() -> None:
    points = surface(3000, 10)
    points[0] = 100.0
    found = fpfh(points, normal_radius=1.5, radius=4.0).reshape(-1, 3, 11)
    np.testing.assert_allclose(found[1:].sum(2), 200, rtol=1e-4)
    assert not found[0].any()


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((1, 3)),
        np.eye(3)[:2],
        np.eye(3),
        np.zeros((50, 3)),
        np.repeat(np.eye(3), 20, axis=0),
        np.arange(30.0)[:, None] * [1, 2, 3],
        np.full((5000, 3), 7.0),
    ],
    ids=["one", "two", "three", "equal", "copies", "line", "many equal"],
)
def test_degenerate_clouds_have_finite_descriptors(points: np.ndarray) -> None:
    found = fpfh(points, normal_radius=1.0, radius=50.0)
    assert found.shape == (len(points), 33)
    assert np.isfinite(found).all()
    normals = surface_normals(points, radius=1.0)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)


def test_copies_of_points_are_treated_as_open3d_treats_them() -> None:
    points = np.repeat(surface(700, 11), 3, axis=0)
    cloud = reference_cloud(points)
    cloud.estimate_normals(o3d.geometry.KDTreeSearchParamHybrid(3.0, 60))
    normals = np.asarray(cloud.normals)
    found = fpfh(points, normal_radius=1.0, radius=3.0, neighbours=400, normals=normals)
    assert (relative(found, reference_fpfh(points, normals, 3.0, 400)) > 1e-5).mean() <= 1e-3


def test_memory_grows_by_less_than_a_kilobyte_per_point() -> None:
    peaks = []
    for num in (10_000, 40_000):
        points = surface(num, 12)
        queries = np.arange(0, num, 500)
        tracemalloc.start()
        fpfh(points, queries=queries, normal_radius=1.0, radius=2.5)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 1000 * 30_000


def test_bad_arguments_are_named() -> None:
    points = surface(50, 0)
    good = {"normal_radius": 1.0, "radius": 2.0}
    with pytest.raises(ConfigurationError, match="must be positive"):
        fpfh(points, normal_radius=1.0, radius=0.0)
    with pytest.raises(ConfigurationError, match="must be positive"):
        fpfh(points, normal_radius=-1.0, radius=1.0)
    with pytest.raises(ConfigurationError, match="must be positive"):
        fpfh(points, normal_radius=1.0, radius=float("nan"))
    with pytest.raises(ConfigurationError, match="must be positive"):
        fpfh(points, **good, neighbours=0)
    with pytest.raises(ConfigurationError, match="must be positive"):
        surface_normals(points, radius=1.0, neighbours=0)
    with pytest.raises(ConfigurationError, match=r"queries must lie in 0..49"):
        fpfh(points, queries=np.array([50]), **good)
    with pytest.raises(ConfigurationError, match="queries must be"):
        fpfh(points, queries=np.array([0.5]), **good)
    with pytest.raises(ConfigurationError, match="normals must have the shape"):
        fpfh(points, normals=np.ones((49, 3)), **good)


def test_no_queries_give_no_rows() -> None:
    found = fpfh(surface(50, 0), queries=np.array([], np.int64), normal_radius=1.0, radius=2.0)
    assert found.shape == (0, 33)


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


def points_and_normals(
    kind: str, num: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
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
    points, normals = points_and_normals(kind, 80, generator)
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

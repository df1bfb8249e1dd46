from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.generation.defects.ano3d import ANO3D_KINDS, Ano3D
from plane_anomalib.generation.defects.corruption import AnomalyTransform

SEEDS = st.integers(0, 2**31 - 1)
PLAIN: dict[str, Any] = {"rotation": "none", "renormalise": False}


def sphere(num: int, seed: int = 0, radius: float = 1.0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(num, 3))
    return (radius * points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def make(kind: str, points: np.ndarray, seed: int = 0, **options: Any) -> Any:
    return Ano3D({kind: 1.0}, **options)(points, np.random.default_rng(seed))


def test_it_is_an_anomaly_transform() -> None:
    assert isinstance(Ano3D(), AnomalyTransform)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(ANO3D_KINDS),
    st.sampled_from(["cosine", "iid", "sorted", "none"]),
    st.sampled_from(["patch", "point", "radial"]),
    st.sampled_from(["so3", "z", "none"]),
    st.booleans(),
    st.integers(1, 300),
    SEEDS,
)
def test_every_setting_gives_a_labelled_cloud_the_same_twice(
    kind: str, profile: Any, direction: Any, rotation: Any, renormalise: bool, num: int, seed: int
) -> None:
    points = sphere(num, seed, radius=30.0)
    before = points.copy()
    options = {"profile": profile, "direction": direction, "rotation": rotation}
    first = make(kind, points, seed, renormalise=renormalise, **options)
    again = make(kind, points, seed, renormalise=renormalise, **options)
    assert first.points.dtype == np.float32
    assert first.points.shape == (len(first.mask), 3)
    assert first.mask.dtype == np.bool_
    assert np.isfinite(first.points).all()
    assert np.array_equal(first.points, again.points)
    assert np.array_equal(first.mask, again.mask)
    assert np.array_equal(points, before)
    assert (first.kind in ("normal", "rotation")) == (not first.mask.any())
    assert len(first.points) == num or kind == "hole"


@pytest.mark.parametrize("profile", ["cosine", "iid", "sorted", "none"])
@pytest.mark.parametrize(("kind", "sign"), [("bulge", 1), ("concavity", -1)])
def test_bulges_go_out_and_concavities_in_where_labelled_and_nowhere_else(
    kind: str, sign: int, profile: Any
) -> None:
    points = sphere(3000, 1, radius=50.0)
    for seed in range(5):
        result = make(kind, points, seed, profile=profile, **PLAIN)
        rise = sign * (np.linalg.norm(result.points, axis=1) - 50.0) / 50.0
        assert 0 < result.mask.mean() <= 0.06 + 1e-3
        assert rise[result.mask].min() > 0.0005
        assert rise[result.mask].max() < 0.16
        # Points at the edge of a cosine patch move less than 5 % of its height.
        assert np.abs(rise[~result.mask]).max() < 0.05 * 0.15 + 1e-5
        if profile != "cosine":
            np.testing.assert_allclose(result.points[~result.mask], points[~result.mask], atol=1e-4)


def test_profiles_do_what_their_names_say() -> None:
    points = sphere(4000, 2)

    def heights(profile: Any) -> tuple[np.ndarray, np.ndarray]:
        result = make("bulge", points, 7, profile=profile, label_threshold=0.0, **PLAIN)
        moved = np.linalg.norm(result.points - points, axis=1)[result.mask]
        patch = points[result.mask]
        top = points[np.linalg.norm(result.points - points, axis=1).argmax()]
        return moved, np.linalg.norm(patch - top, axis=1)

    moved, distance = heights("cosine")
    order = distance.argsort()
    assert np.diff(moved[order]).max() < 1e-3
    assert moved[order][-1] < 1e-3
    constant = heights("none")[0]
    assert np.ptp(constant) < 1e-5
    scattered, distance = heights("iid")
    assert scattered.std() > 0.01
    assert abs(np.corrcoef(scattered[1:], distance[1:])[0, 1]) < 0.5
    ordered, distance = heights("sorted")
    assert np.corrcoef(ordered, distance)[0, 1] < -0.9


def test_a_hole_is_a_ball_without_points_and_a_labelled_rim() -> None:
    points = sphere(3000, 3, radius=2.0)
    for seed in range(5):
        result = make("hole", points, seed, **PLAIN)
        gone = cKDTree(result.points).query(points)[0] > 1e-3
        assert gone.sum() == len(points) - len(result.points)
        assert 0.009 < gone.mean() < 0.051
        # One of the lost points is the center: every survivor lies outside its ball.
        explained = []
        for center in points[gone]:
            radius = np.linalg.norm(points[gone] - center, axis=1).max()
            gaps = np.linalg.norm(result.points - center, axis=1)
            rim = np.array_equal(result.mask, gaps <= 1.25 * radius)
            explained.append(rim and gaps.min() >= radius - 1e-4)
        assert any(explained)
        assert result.mask.any()


def test_rotation_turns_the_cloud_about_its_centroid_and_labels_nothing() -> None:
    points = sphere(500, 4) * [1, 2, 3] + 10
    result = make("rotation", points, **PLAIN)
    assert result.kind == "rotation"
    assert not result.mask.any()
    turned, still = result.points - result.points.mean(0), points - points.mean(0)
    assert np.abs(turned - still).max() > 0.5
    np.testing.assert_allclose(turned @ turned.T, still @ still.T, atol=2e-3)
    upright = make("normal", points, rotation="z", renormalise=False)
    np.testing.assert_allclose(upright.points[:, 2], points[:, 2], atol=1e-4)
    assert make("normal", points, **PLAIN).kind == "normal"


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(["bulge", "concavity", "hole"]), SEEDS)
def test_a_turned_scaled_cloud_gets_the_turned_scaled_defect(kind: str, seed: int) -> None:
    points = sphere(1500, seed) * np.array([1.0, 0.6, 1.4])
    matrix = Rotation.random(random_state=seed).as_matrix()
    shift = np.array([3.0, -1.0, 2.0])
    plain = make(kind, points, seed, **PLAIN)
    moved = make(kind, 5 * points @ matrix.T + shift, seed, **PLAIN)
    expected = 5 * plain.points @ matrix.T + shift
    if len(expected) == len(moved.points):  # rounding may decide a tie at the rim the other way
        np.testing.assert_allclose(moved.points, expected, atol=2e-3)
        assert (moved.mask != plain.mask).sum() <= 2
    else:
        pytest.fail("the hole lost another number of points")


def test_neither_centroid_nor_size_gives_the_defect_away() -> None:
    points = sphere(2000, 5, radius=8.0)
    for kind in ("bulge", "concavity", "hole", "normal"):
        result = make(kind, points, 3)
        centroid = result.points.mean(0, dtype=np.float64)
        np.testing.assert_allclose(centroid, points.mean(0), atol=1e-4)
        radius = np.linalg.norm(result.points - centroid, axis=1).max()
        reference = np.linalg.norm(points - points.mean(0), axis=1).max()
        assert radius == pytest.approx(reference, rel=1e-4)


def test_kinds_come_in_the_proportions_asked_for() -> None:
    generator = np.random.default_rng(0)
    points = sphere(50)
    kinds = [Ano3D({"bulge": 3, "normal": 1})(points, generator).kind for _ in range(400)]
    assert set(kinds) == {"bulge", "normal"}
    assert 0.68 < kinds.count("bulge") / 400 < 0.82


@pytest.mark.parametrize("num", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", ANO3D_KINDS)
def test_tiny_and_duplicate_clouds_survive(kind: str, num: int) -> None:
    for points in (sphere(num), np.ones((num, 3))):
        result = make(kind, points)
        assert len(result.points) == len(result.mask) >= 1
        assert np.isfinite(result.points).all()
        if kind == "hole" and num > 1:
            assert result.mask.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mix": {"buldge": 1}}, "Unknown defect buldge"),
        ({"mix": {"bulge": 0}}, "not all zero"),
        ({"mix": {"bulge": -1, "hole": 2}}, "not be negative"),
        ({"patch_share": (0.2, 0.1)}, "patch_share"),
        ({"hole_share": (0.0, 0.1)}, "hole_share"),
        ({"profile": "square"}, "profile must be one of"),
        ({"direction": "up"}, "direction must be one of"),
        ({"rotation": "x"}, "rotation must be one of"),
        ({"magnitude_limits": (0.2, 0.1)}, "magnitude_limits"),
        ({"hole_label_radius": 0.5}, "hole_label_radius"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Ano3D(**options)


def test_what_is_no_cloud_is_refused() -> None:
    for points in (np.zeros((0, 3)), np.zeros((4, 2))):
        with pytest.raises(ConfigurationError, match="points"):
            Ano3D()(points, np.random.default_rng(0))

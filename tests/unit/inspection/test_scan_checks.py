"""What can be judged, and what is left out, is found before anything is scored."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from plane_anomalib.core.units import MILLIMETRES
from plane_anomalib.geometry.sampling import typical_spacing
from plane_anomalib.inspection.scan_checks import (
    ScanProfile,
    check_scan,
    size_of,
    spread_of,
    strays,
)


def part(seed: int, count: int = 4_000) -> np.ndarray:
    """A lopsided ellipsoid, 80 long, with a little noise."""
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(count, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points *= (1 + 0.2 * points[:, :1] * points[:, 1:2]) * (40.0, 25.0, 15.0)
    return np.asarray(points + generator.normal(0, 0.02, points.shape), np.float32)


def profile_of(*clouds: np.ndarray, units: str = "") -> ScanProfile:
    return ScanProfile(
        tuple(size_of(cloud) for cloud in clouds),
        min(float(spread_of(cloud)[2]) for cloud in clouds),
        float(np.median([typical_spacing(cloud) for cloud in clouds])),
        units,
    )


PROFILE = profile_of(*(part(seed) for seed in range(3)))


@pytest.mark.parametrize("seed", range(5))
def test_a_scan_like_the_good_ones_is_judged_whole_and_without_a_word(seed: int) -> None:
    checked = check_scan(part(10 + seed), PROFILE)
    assert (checked.reason, checked.notes, bool(checked.kept.all())) == ("", (), True)


@pytest.mark.parametrize("unit", [unit for unit in MILLIMETRES if unit != "mm"])
def test_a_scan_in_another_unit_is_not_judged_and_the_unit_is_named(unit: str) -> None:
    scan = np.asarray(part(10) / MILLIMETRES[unit], np.float32)
    unstated, stated = PROFILE, profile_of(part(0), part(1), units="mm")
    assert "than the good scans" in check_scan(scan, unstated).reason
    assert f"--units {unit}" in check_scan(scan, stated).reason


@pytest.mark.parametrize("unit", [unit for unit in MILLIMETRES if unit != "m"])
def test_a_detector_of_another_unit_names_the_scans_unit_too(unit: str) -> None:
    good = [np.asarray(part(i) / MILLIMETRES[unit], np.float32) for i in range(2)]
    scan = np.asarray(part(10) / MILLIMETRES["m"], np.float32)
    assert "--units m" in check_scan(scan, profile_of(*good, units=unit)).reason


def test_where_the_good_scans_have_no_unit_the_way_out_is_one_that_works() -> None:
    reason = check_scan(np.asarray(part(10) / 1_000, np.float32), PROFILE).reason
    assert re.search(r"(1,0[01]\d|99\d) times smaller", reason)
    assert "Convert it, or train with --units" in reason


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9, 0.95])
def test_a_piece_of_a_part_is_not_taken_for_one_in_another_unit(share: float) -> None:
    scan = part(11)
    piece = scan[scan[:, 0] <= np.quantile(scan[:, 0], 1 - share)]
    assert check_scan(piece, PROFILE).reason == ""


@pytest.mark.parametrize("count", [1, 2, 3, 10, 49])
def test_a_few_points_show_no_surface(count: int) -> None:
    assert "show no surface" in check_scan(part(12)[:count], None).reason


@pytest.mark.parametrize("count", [50, 100, 200])
def test_points_too_far_apart_show_too_little(count: int) -> None:
    assert "times as far apart" in check_scan(part(12)[:count], PROFILE).reason


def test_points_in_one_place_or_on_a_line_are_no_scan() -> None:
    assert "all in one place" in check_scan(np.repeat(part(0)[:1], 500, 0), PROFILE).reason
    generator = np.random.default_rng(0)
    line = np.linspace(0, 80, 2_000)[:, None] * np.ones(3) + generator.normal(0, 0.02, (2_000, 3))
    assert "all on a line" in check_scan(line.astype(np.float32), PROFILE).reason


def test_a_flat_surface_is_no_scan_of_a_part_that_is_not_flat_but_of_one_that_is() -> None:
    generator = np.random.default_rng(1)
    flat = np.column_stack([generator.uniform(-40, 40, (6_000, 2)), np.zeros(6_000)])
    flat = np.asarray(flat + generator.normal(0, 0.03, flat.shape), np.float32)
    assert "a flat surface" in check_scan(flat, PROFILE).reason
    assert check_scan(flat, profile_of(flat[::2], flat[1::2])).reason == ""


@pytest.mark.parametrize("seed", range(5))
def test_strays_are_counted_placed_and_left_out(seed: int) -> None:
    generator = np.random.default_rng(seed)
    turn = Rotation.random(random_state=seed).as_matrix()
    scan = part(20 + seed) @ turn.T
    lost = generator.uniform(-300, 300, (6, 3))
    lost = lost[np.linalg.norm(lost, axis=1) > 60]
    cloud = np.concatenate([scan, lost]).astype(np.float32)
    checked = check_scan(cloud, PROFILE)
    assert checked.strays.nonzero()[0].tolist() == list(range(len(scan), len(cloud)))
    assert not checked.kept[checked.strays].any()
    farthest = lost[np.argmax(np.linalg.norm(lost - np.median(cloud, 0), axis=1))]
    assert f"{farthest[0]:.4g}" in checked.notes[0]


@pytest.mark.parametrize("count", [2_000, 40_000])
def test_no_point_of_an_uneven_scan_of_several_bodies_is_a_stray(count: int) -> None:
    generator = np.random.default_rng(2)
    uneven = part(30, count)
    uneven = uneven[generator.random(count) < np.clip(0.05 + (uneven[:, 0] + 40) / 80, 0, 1)]
    wire = np.column_stack([np.linspace(0, 60, 300), np.zeros(300), np.full(300, 40.0)])
    cloud = np.concatenate([uneven, wire]).astype(np.float32)
    assert not strays(cloud).any()


def test_a_denser_scan_is_thinned_to_the_good_ones_and_that_is_said() -> None:
    scan = part(40, 30_000)
    checked = check_scan(scan, PROFILE)
    judged = scan[checked.kept]
    assert checked.reason == ""
    assert 0.7 < typical_spacing(judged) / PROFILE.spacing < 2.2
    assert f"{len(judged):,} of 30,000 were judged" in checked.notes[0]


def test_a_scan_with_twice_the_points_of_the_good_ones_is_judged_whole() -> None:
    checked = check_scan(part(41, 8_000), PROFILE)
    assert (checked.reason, checked.notes, bool(checked.kept.all())) == ("", (), True)

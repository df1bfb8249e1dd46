"""Good scans as their owner has them: odd ones are told, units, poses and sides recognised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from plane_anomalib.core.errors import DatasetError
from plane_anomalib.formats.io import PointCloudData
from plane_anomalib.formats.writer import write_points
from plane_anomalib.geometry.sampling import seen_from
from plane_anomalib.inspection.card import ScanCard
from plane_anomalib.inspection.inputs import CloudFile, find_clouds
from plane_anomalib.inspection.scans import (
    GoodScan,
    ScansRead,
    is_one_sided,
    lie_alike,
    read_good_scans,
    without_odd_ones,
)
from tests.unit.models.template_residual.shapes import lump


def scan(number: int, num: int = 1_000) -> np.ndarray:
    return 50 * lump(np.random.default_rng(number), num)


def looked_at(folder: Path) -> ScansRead:
    return read_good_scans(find_clouds([str(folder)]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        write_points(tmp_path / f"{number}.ply", scan(number))
    return tmp_path


def test_scans_that_are_alike_are_measured_and_nothing_is_said(folder: Path) -> None:
    look = looked_at(folder)
    assert (look.warnings, look.failed) == ([], [])
    card = look.scans[0].card
    assert (card.name, card.num_points) == ("0", 1_000)
    assert card.extent == pytest.approx(np.ptp(scan(0), 0).max(), rel=1e-5)
    assert 0 < card.spacing < card.extent / 10


def test_a_bad_file_is_named_and_the_rest_goes_on(folder: Path) -> None:
    (folder / "bad.ply").write_text("ply\n")
    write_points(folder / "small.ply", scan(9, 20))
    look = looked_at(folder)
    assert [s.card.name for s in look.scans] == ["0", "1", "2"]
    assert len(look.failed) == 2
    assert str(folder / "bad.ply") in look.failed[0]
    assert "at least 50" in look.failed[1]


def test_no_usable_scan_is_an_error_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "bad.ply").write_text("ply\n")
    with pytest.raises(DatasetError, match=r"No good scan can be used: .*bad\.ply"):
        looked_at(tmp_path)


def test_the_same_bytes_count_once(folder: Path) -> None:
    (folder / "copy.ply").write_bytes((folder / "1.ply").read_bytes())
    look = looked_at(folder)
    assert len(look.scans) == 3
    assert len(look.warnings) == 1
    assert "counts once" in look.warnings[0]


@pytest.mark.parametrize(
    ("factor", "guess"), [(1 / 25.4, "inches and millimetres"), (0.001, "metres and millimetres"),
                          (1.5, "another part")],
)  # fmt: skip
def test_a_scan_of_another_size_is_said_once(folder: Path, factor: float, guess: str) -> None:
    write_points(folder / "odd.ply", scan(7) * np.float32(factor))
    look = looked_at(folder)
    assert len(look.warnings) == 1
    assert "odd.ply" in look.warnings[0]
    assert guess in look.warnings[0]


def test_another_density_few_points_and_lost_points_are_said(folder: Path) -> None:
    write_points(folder / "sparse.ply", scan(7, 150))
    holed = scan(8)
    holed[:5] = np.nan
    np.save(folder / "holed.npy", holed)
    said = looked_at(folder).warnings
    assert any("holed.npy: 5 of 1000 points are left out" in sentence for sentence in said)
    assert any("sparse.ply has 150 points only" in sentence for sentence in said)
    assert any("sparse.ply: its points lie 2." in sentence for sentence in said)
    assert len(said) == 3


def declaring(units: dict[int, str], factor: dict[int, float]) -> list[CloudFile]:
    """Scans of one part in units of their own, as files declare them."""

    class Declared(CloudFile):
        def read(self, options: object = None) -> tuple[PointCloudData, str]:
            number = int(self.name)
            points = (scan(number) * factor.get(number, 1.0)).astype(np.float32)
            return PointCloudData(points, units=units.get(number, "")), self.name

    return [Declared(Path(f"{n}.ply"), str(n)) for n in range(3)]


def test_scans_that_declare_another_unit_are_converted_and_that_is_said() -> None:
    look = read_good_scans(declaring({0: "mm", 1: "mm", 2: "in"}, {2: 1 / 25.4}))
    assert [s.units for s in look.scans] == ["mm"] * 3
    assert np.allclose(look.scans[2].points, scan(2), rtol=1e-5)
    assert look.scans[2].card.extent == pytest.approx(np.ptp(scan(2), 0).max(), rel=1e-5)
    assert look.decided == [
        "2.ply declares inches: converted to millimetres, 25.4 times the numbers."
    ]
    assert not look.warnings


def test_what_the_owner_states_is_the_unit_and_silent_files_are_taken_for_it() -> None:
    look = read_good_scans(declaring({0: "mm"}, {0: 10.0}), units="cm")
    assert [s.units for s in look.scans] == ["cm"] * 3
    assert np.allclose(look.scans[0].points, scan(0), rtol=1e-5)
    assert np.array_equal(look.scans[1].points, scan(1))


def test_files_that_declare_no_unit_among_others_are_said() -> None:
    look = read_good_scans(declaring({0: "mm"}, {}))
    assert [s.units for s in look.scans] == ["mm"] * 3
    assert "2 of 3 good scans declare no unit" in look.decided[0]


def test_without_any_unit_stated_none_is_said() -> None:
    look = read_good_scans(declaring({}, {}))
    assert ([s.units for s in look.scans], look.decided) == ([""] * 3, [])


@pytest.mark.parametrize("num", [1_000, 6_000])
@pytest.mark.parametrize("direction", [(0, 0, 1), (0.6, 0.8, 0), (-1, 0, 0)])
def test_a_whole_object_is_told_from_what_one_side_shows(
    num: int, direction: tuple[float, float, float]
) -> None:
    whole = 50 * lump(np.random.default_rng(0), num)
    noise = np.random.default_rng(1).normal(0, 0.1, whole.shape)
    whole = np.asarray(whole + noise, np.float32)
    assert not is_one_sided(whole)
    assert is_one_sided(whole[seen_from(whole, direction)])


def test_specimens_in_a_fixture_lie_alike_and_turned_ones_do_not() -> None:
    scans = [lump(np.random.default_rng(number), 1_500) for number in range(3)]
    stretched = [scan * np.float32(1 + 0.003 * i) for i, scan in enumerate(scans)]
    assert lie_alike(stretched)
    turn = Rotation.from_rotvec([0.3, 0, 0.2]).as_matrix()
    turned = np.asarray(scans[2] @ turn.T, np.float32)
    assert not lie_alike([*scans[:2], turned])
    assert not lie_alike([scans[0], scans[1] + np.float32(0.1)])


def test_sparse_scans_lie_alike_as_dense_ones_do() -> None:
    dense, sparse = lump(np.random.default_rng(0), 4_000), lump(np.random.default_rng(1), 300)
    assert lie_alike([dense, sparse])
    assert lie_alike([sparse, dense])


def posed(number: int, points: np.ndarray) -> GoodScan:
    turn = Rotation.random(random_state=number).as_matrix()
    points = np.asarray(points @ turn.T + 5 * number, np.float32)
    extent = float(np.ptp(points, 0).max())
    card = ScanCard(str(number), f"{number}.ply", len(points), 1.0, extent, 1.0, 1.0)
    return GoodScan(card, points, str(number))


def a_box(number: int) -> np.ndarray:
    """As large as the others, of another shape."""
    sides = np.array([90, 50, 30])
    points = np.random.default_rng(number).uniform(-0.5, 0.5, (1_500, 3))
    face = np.random.default_rng(number).integers(0, 3, len(points))
    points[np.arange(len(points)), face] = np.sign(points[np.arange(len(points)), face]) / 2
    return points * sides


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["another part", "a piece"])
def test_a_scan_of_something_else_is_named_and_left_out(kind: str) -> None:
    scans = [posed(number, scan(number, 1_500)) for number in range(3)]
    piece = scan(3, 1_500)
    odd = posed(3, a_box(3) if kind == "another part" else piece[piece[:, 0] > 0])
    said: list[str] = []
    kept = without_odd_ones([*scans[:1], odd, *scans[1:]], said)
    assert [s.card.name for s in kept] == ["0", "1", "2"]
    assert len(said) == 1
    assert "3.ply" in said[0]
    assert "--anyway" in said[0]
    said.clear()
    assert len(without_odd_ones([*scans, odd], said, anyway=True)) == 4
    assert "3.ply" in said[0]


@pytest.mark.slow
def test_scans_of_one_part_in_any_pose_are_all_kept() -> None:
    said: list[str] = []
    assert len(without_odd_ones([posed(n, scan(n, 1_500)) for n in range(4)], said)) == 4
    assert not said


@pytest.mark.slow
def test_where_too_few_agree_their_owner_is_asked() -> None:
    scans = [posed(0, scan(0, 1_500)), posed(1, scan(1, 1_500)), posed(2, a_box(2))]
    with pytest.raises(DatasetError, match=r"not all of one part: 2\.ply.*against 0\.ply, 1\.ply"):
        without_odd_ones(scans, [])
    with pytest.raises(DatasetError, match="--anyway"):
        without_odd_ones(scans[1:], [])

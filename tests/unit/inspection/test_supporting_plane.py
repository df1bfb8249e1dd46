"""A table is told from a part that is flat, and nothing but the table is taken out."""

from __future__ import annotations

import numpy as np
import pytest

from plane_anomalib.inspection.detector import Detector
from plane_anomalib.inspection.supporting_plane import largest_plane, on_table, tables_of
from plane_anomalib.inspection.training import train
from plane_anomalib.inspection.training_plan import TrainOptions


def height_map(
    place: tuple[float, float] | None,
    seed: int,
    *,
    frame: np.ndarray | None = None,
    field: float = 100.0,
) -> tuple[np.ndarray, np.ndarray]:
    """A camera looks down at a stepped block of 40 x 24 x 12 on a table; what is table."""
    x, y = np.meshgrid(np.arange(-field, field, 2.0), np.arange(-field, field, 2.0))
    z = np.zeros_like(x)
    if place is not None:
        z[(abs(x - place[0]) < 20) & (abs(y - place[1]) < 12)] = 8
        z[(abs(x - place[0] - 8) < 6) & (abs(y - place[1]) < 6)] = 12
    points = np.stack([x, y, z], -1).reshape(-1, 3)
    noisy = points + [0, 0, 1] * np.random.default_rng(seed).normal(0, 0.1, (len(points), 1))
    turned = noisy if frame is None else noisy @ frame.T + [3.0, -7.0, 400.0]
    return turned.astype(np.float32), points[:, 2] == 0


TILTED = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
MOVING_NEAR = [(-30.0, 20.0), (7.0, -10.0), (10.0, 35.0)]
MOVING = [(-50.0, 20.0), (12.0, -15.0), (10.0, 55.0)]


@pytest.mark.parametrize("frame", [None, TILTED])
def test_a_table_under_a_part_that_moves_is_taken_out_and_nothing_else(
    frame: np.ndarray | None,
) -> None:
    scans = [height_map(place, seed, frame=frame) for seed, place in enumerate(MOVING)]
    found = tables_of([points for points, _ in scans], None)
    assert "was taken out of 3 of 3 good scans, since the part lies elsewhere" in found.said
    for (_, table), plane in zip(scans, found.planes, strict=True):
        assert plane is not None
        assert not plane.own[~table].any()
        assert plane.own[table].mean() > 0.999


def test_where_the_part_never_moves_its_owner_is_asked() -> None:
    scans = [height_map((10.0, 5.0), seed)[0] for seed in range(3)]
    asked = tables_of(scans, None)
    assert not asked.planes
    assert "give --remove-table yes" in asked.said
    assert "as asked for" in tables_of(scans, True).said
    assert not tables_of(scans, False).said
    assert not tables_of(scans[:1], None).planes


def turned(points: np.ndarray, angle: float) -> np.ndarray:
    sine, cosine = np.sin(angle), np.cos(angle)
    return points @ np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])


@pytest.mark.parametrize("outline", ["rectangle", "disc"])
@pytest.mark.parametrize(
    ("angles", "shifts"),
    [
        ((0.0, 0.7, 1.9), (0.0, 0.0, 0.0)),
        ((0.0, np.pi, 0.0), (0.0, 0.0, 0.0)),
        ((0.0, 0.0, 0.0), (0.0, 5.0, 9.0)),
        ((0.0, 0.02, -0.01), (0.0, 0.3, 0.2)),
    ],
)
def test_a_plate_with_a_boss_stays_whole_however_it_is_put_down(
    outline: str, angles: tuple[float, ...], shifts: tuple[float, ...]
) -> None:
    scans = []
    for seed, (angle, shift) in enumerate(zip(angles, shifts, strict=True)):
        points, _ = height_map((30.0, 10.0), seed)
        radius = np.linalg.norm(points[:, :2], axis=1)
        plate = points[radius < 90 if outline == "disc" else abs(points[:, 1]) < 60]
        place = np.array([shift, -shift, 0.0])
        scans.append(np.asarray(turned(plate, angle) + place, np.float32))
    found = tables_of(scans, None)
    assert not found.planes
    assert "a plate with something on it looks the same" in found.said


def test_a_whole_part_with_a_flat_base_is_no_table() -> None:
    generator = np.random.default_rng(0)
    points = generator.uniform(-1, 1, (6_000, 3)) * [50, 50, 10]
    points[:4_000, 2] = -10
    points[4_000:5_000, 0] = 50
    points[5_000:, 2] = 10
    plane = largest_plane(points.astype(np.float32))
    assert plane is not None
    assert not plane.table_like
    assert not tables_of([points.astype(np.float32)] * 3, None).said


def test_a_round_part_has_no_plane() -> None:
    ball = np.random.default_rng(0).normal(size=(3_000, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    assert largest_plane(ball.astype(np.float32)) is None
    assert "No table was found" in tables_of([ball.astype(np.float32)], True).said


def test_a_scan_to_be_judged_loses_its_table_only_if_it_is_larger_than_a_part() -> None:
    points, table = height_map((0.0, 0.0), 1)
    plane = on_table(points, 40.0)
    assert plane is not None
    assert np.array_equal(plane.own, table) or plane.own[table].mean() > 0.999
    assert on_table(points[~table], 40.0) is None
    empty = on_table(height_map(None, 2)[0], 40.0)
    assert empty is not None
    assert empty.share > 0.999


@pytest.fixture(scope="module")
def on_a_table(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    """A detector of blocks that lay on a table, the table taken out."""
    scans = [height_map(place, seed, field=60.0)[0] for seed, place in enumerate(MOVING_NEAR)]
    folder = tmp_path_factory.mktemp("table")
    options = TrainOptions(
        model="BTF", settings={"descriptor": "raw"}, common_pose=False, anyway=True
    )
    return train(scans, folder / "run", options)


@pytest.mark.slow
def test_a_detector_takes_the_table_out_of_what_it_judges(on_a_table: Detector) -> None:
    assert on_a_table.card is not None
    assert on_a_table.card.without_table
    assert any("The table" in sentence for sentence in on_a_table.card.choices)
    points, table = height_map((20.0, 5.0), 9, field=60.0)
    whole, part = on_a_table(points), on_a_table(points[~table])
    assert whole.point_scores.shape == (len(points),)
    assert whole.score == pytest.approx(part.score, rel=1e-3)
    assert (whole.region_of_point[table] == -1).mean() > 0.99
    assert any("points of the table" in note for note in whole.notes)
    assert not any("points of the table" in note for note in part.notes)


@pytest.mark.slow
def test_a_table_alone_is_not_judged(on_a_table: Detector) -> None:
    empty = on_a_table(height_map(None, 3, field=60.0)[0], compare=True)
    assert (empty.decision, empty.regions) == ("not judged", ())
    assert "the table only" in empty.reason


@pytest.mark.slow
def test_a_point_at_the_camera_does_not_make_a_part_alone_look_like_a_table(
    on_a_table: Detector,
) -> None:
    points, table = height_map((20.0, 5.0), 9, field=60.0)
    part = points[~table]
    strayed = np.concatenate([part, np.float32([[0, 0, 500]])])
    found = on_a_table(strayed)
    assert not any("points of the table" in note for note in found.notes)
    assert found.score == pytest.approx(on_a_table(part).score, rel=1e-3)

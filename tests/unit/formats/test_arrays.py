"""Arrays of every shape: points, grids of points, arrays on their side, matrices of heights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plane_anomalib.core.errors import ConfigurationError, PointCloudFileError
from plane_anomalib.formats.io import read_points
from plane_anomalib.formats.raw_cloud import ReadOptions

CLOUD = np.random.default_rng(1).normal(0, 30, (600, 3)).astype(np.float32)
PITCH = ReadOptions(pitch=(0.5, 0.3))
HEIGHTS = 20 + np.random.default_rng(2).normal(0, 0.3, (40, 60)).round(3)
RECORDS = np.zeros(len(CLOUD), [("i", "<f4"), ("z", "<f4"), ("y", "<f4"), ("x", "<f4")])
RECORDS["x"], RECORDS["y"], RECORDS["z"] = CLOUD.T


@pytest.mark.parametrize(
    "array",
    [
        CLOUD,
        CLOUD.T,
        np.asfortranarray(CLOUD),
        CLOUD.reshape(20, 30, 3),
        np.moveaxis(CLOUD.reshape(20, 30, 3), 2, 0),
        np.concatenate([CLOUD.T, np.ones((1, 600))]),
        np.concatenate([CLOUD.reshape(20, 30, 3), np.ones((20, 30, 1))], axis=2),
        RECORDS,
        RECORDS.reshape(20, 30),
    ],
    ids=["rows", "turned", "fortran", "grid", "channels", "label", "grid4", "records", "grid of r"],
)
def test_points_come_out_of_every_shape_that_holds_them(array: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(read_points(tmp_path / "a.npy").points, CLOUD)


def test_what_was_turned_is_said(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", CLOUD.T)
    assert read_points(tmp_path / "a.npy").notes == (
        "The array (3, 600) was turned: a column of it is a point.",
    )
    np.save(tmp_path / "a.npy", CLOUD)
    assert read_points(tmp_path / "a.npy").notes == ()


@pytest.mark.parametrize("shape", [(3, 8), (3, 19), (600,), (600, 2), (2, 2, 2, 3), ()])
def test_shapes_that_do_not_say_are_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=shape))
    with pytest.raises(PointCloudFileError, match=r"array of shape"):
        read_points(tmp_path / "a.npy")


def test_an_archive_may_hold_x_y_and_z_or_a_grid(tmp_path: Path) -> None:
    x, y, z = CLOUD.reshape(20, 30, 3).transpose(2, 0, 1)
    np.savez(tmp_path / "a.npz", x=x, y=y, z=z, intensity=x)
    np.savez(tmp_path / "b.npz", xyz=CLOUD.reshape(20, 30, 3), rgba=np.zeros((20, 30, 4)))
    np.savez(tmp_path / "c.npz", cloud=CLOUD.reshape(20, 30, 3))
    for name in "abc":
        np.testing.assert_array_equal(read_points(tmp_path / f"{name}.npz").points, CLOUD)


def _save(path: Path, heights: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, heights)
    else:
        np.savetxt(path, heights, "%.3f", ",")
    return path


@pytest.mark.parametrize("name", ["a.npy", "a.csv"])
def test_heights_without_a_pitch_are_refused_and_with_one_are_points(
    name: str, tmp_path: Path
) -> None:
    path = _save(tmp_path / name, HEIGHTS)
    with pytest.raises(PointCloudFileError, match=r"matrix of 40 x 60 .*--pitch 0\.5"):
        read_points(path)
    read = read_points(path, options=PITCH)
    x, y = np.meshgrid(np.arange(60) * 0.5, np.arange(40)[::-1] * 0.3)
    expected = np.stack([x, y, HEIGHTS], axis=2).reshape(-1, 3)
    np.testing.assert_allclose(read.points, expected, atol=1e-5)
    assert "height map of 40 x 60" in read.notes[0]


@pytest.mark.parametrize("fill", [-32768, -9999, -99999.9999, 0, np.nan, np.inf, 65535])
@pytest.mark.parametrize("name", ["a.npy", "a.csv"])
def test_what_was_not_measured_is_left_out_and_counted(
    name: str, fill: float, tmp_path: Path
) -> None:
    heights = HEIGHTS.copy()
    heights[np.random.default_rng(3).random(heights.shape) < 0.1] = fill
    number = int((~(heights < 1e4) | (heights == fill)).sum())
    read = read_points(_save(tmp_path / name, heights), options=PITCH)
    assert read.dropped == number
    assert f"{number:,} of 2,400 heights" in " ".join(read.notes)
    assert np.abs(read.points[:, 2] - 20).max() < 3


@pytest.mark.parametrize("base", [0.0, 5.0, -40.0])
def test_measured_heights_are_kept_whatever_they_are(base: float, tmp_path: Path) -> None:
    """A clean plate with a boss, which has few different heights, and a noisy plate at zero."""
    plate = np.full((40, 60), base)
    plate[10:20, 10:20] += 10
    noisy = np.random.default_rng(4).normal(base, 0.02, (40, 60)).round(3)
    for heights in (plate, noisy):
        read = read_points(_save(tmp_path / "a.npy", heights), options=PITCH)
        assert read.dropped == 0
        assert len(read.points) == 2400


def test_a_row_and_a_column_of_positions_are_positions(tmp_path: Path) -> None:
    framed = np.zeros((41, 61))
    framed[0, 1:], framed[1:, 0], framed[1:, 1:] = np.arange(60) * 0.2, np.arange(40) * 0.4, HEIGHTS
    path = _save(tmp_path / "a.csv", framed)
    read = read_points(path)
    assert "taken for positions" in " ".join(read.notes)
    np.testing.assert_allclose(np.ptp(read.points[:, :2], axis=0), [59 * 0.2, 39 * 0.4], rtol=1e-5)
    assert len(read.points) == 2400
    with pytest.raises(PointCloudFileError, match=r"positions 0\.2 apart .* --pitch says 0\.5"):
        read_points(path, options=PITCH)


@pytest.mark.parametrize("pitch", [(0.0,), (-1.0,), (1.0, float("nan")), (1.0, 1.0, 1.0, 1.0)])
def test_a_pitch_that_cannot_be_is_refused(pitch: tuple[float, ...]) -> None:
    with pytest.raises(ConfigurationError, match="--pitch"):
        ReadOptions(pitch=pitch)


def test_options_as_they_are_typed() -> None:
    assert ReadOptions.typed("x, y,z", "0.5,0.3") == ReadOptions(("x", "y", "z"), (0.5, 0.3))
    assert ReadOptions.typed(None, None) == ReadOptions()
    for columns, pitch in (("1,2", None), (None, "half"), ("", "0.5,")):
        with pytest.raises(ConfigurationError, match=r"--pitch|--columns"):
            ReadOptions.typed(columns, pitch)

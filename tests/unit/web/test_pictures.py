from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plane_anomalib.web.colours import DEFECT, ScoreScale
from plane_anomalib.web.pictures import DARK, cloud_picture, contact_sheet, save_png
from plane_anomalib.web.shown_cloud import ShownCloud, best_rotation, render, view_rotation
from tests.support.shown import scored_sphere

SCALE = ScoreScale.fit([np.linspace(0, 1, 100)], threshold=0.5)


def share_of_hue(picture: np.ndarray, colour: tuple[int, int, int]) -> float:
    """Share of pixels that are the colour at some brightness."""
    values = picture.reshape(-1, 3).astype(float) + 1e-9
    direction = np.array(colour) / np.linalg.norm(colour)
    return float((values @ direction / np.linalg.norm(values, axis=1) > 0.995).mean())


def panel(picture: Image.Image, place: int, size: int = 200) -> np.ndarray:
    return np.asarray(picture)[54 : 54 + size, place * size : (place + 1) * size]


def test_a_picture_has_a_panel_for_everything_known() -> None:
    cloud = scored_sphere(np.random.default_rng())
    assert cloud_picture(cloud, SCALE, size=200).size == (800, 296)
    bare = scored_sphere(np.random.default_rng(), truth=None, predicted=None)
    assert cloud_picture(bare, SCALE, size=200).size == (400, 296)


def test_the_defect_is_turned_to_the_viewer_and_coloured_in_the_truth_only() -> None:
    generator = np.random.default_rng()
    cloud = scored_sphere(generator)
    away = ShownCloud(name="away", points=-cloud.points, truth=cloud.truth)
    for shown in (cloud, away):
        picture = cloud_picture(shown, SCALE, size=200)
        assert share_of_hue(panel(picture, 1), DEFECT) > 0.03
        assert share_of_hue(panel(picture, 0), DEFECT) < 0.001


def test_pictures_are_the_same_every_time() -> None:
    cloud = scored_sphere(np.random.default_rng())
    first, second = (np.asarray(cloud_picture(cloud, SCALE, size=150)) for _ in range(2))
    assert np.array_equal(first, second)


def test_the_theme_is_the_background() -> None:
    picture = cloud_picture(scored_sphere(np.random.default_rng()), SCALE, size=150, theme=DARK)
    assert picture.getpixel((0, 0)) == DARK.background
    assert picture.getpixel((1, 56)) == DARK.background


@pytest.mark.parametrize("num", [1, 2, 3, 20])
def test_tiny_and_flat_clouds_can_be_drawn(num: int) -> None:
    points = np.random.default_rng().normal(size=(num, 3)).astype(np.float32)
    points[:, 1] = 0
    cloud = ShownCloud(name="tiny", points=points, scores=np.full(num, np.nan, np.float32))
    assert cloud_picture(cloud, SCALE, size=80).size[1] == 176


def test_near_points_hide_far_ones() -> None:
    generator = np.random.default_rng()
    flat = generator.uniform(-1, 1, (4000, 2))
    heights = np.repeat([0.0, 1.0], 2000)
    points = np.column_stack([flat, heights]).astype(np.float32)
    order = generator.permutation(4000)
    above = render(ShownCloud(name="two", points=points[order]), view_rotation(0, 90), 100)
    middle = above.index[60:140, 60:140]
    assert (heights[order][middle[middle >= 0]] == 1.0).mean() > 0.95


@pytest.mark.parametrize("up", ["x", "y", "z"])
def test_a_view_is_a_rotation_that_keeps_up_above(up: str) -> None:
    for azimuth in (0.0, 35.0, 200.0):
        rotation = view_rotation(azimuth, 25.0, up)
        assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
        assert np.isclose(np.linalg.det(rotation), 1.0, atol=1e-6)
        assert (rotation @ np.eye(3)["xyz".index(up)])[1] > 0.8


def test_without_a_defect_the_usual_view_is_taken() -> None:
    cloud = scored_sphere(np.random.default_rng())
    usual = view_rotation(35.0, 28.0)
    assert np.array_equal(best_rotation(cloud, None), usual)
    assert np.array_equal(best_rotation(cloud, np.zeros(len(cloud.points))), usual)


def test_a_contact_sheet_holds_every_cloud(tmp_path: Path) -> None:
    generator = np.random.default_rng()
    clouds = [scored_sphere(generator, 400, name=f"ball{i}") for i in range(5)]
    sheet = contact_sheet(clouds, SCALE, columns=3, size=100, title="All" * 300)
    assert sheet.size == (300, 44 + 2 * 244 + 44)
    tiles = np.asarray(sheet)
    for number in range(5):
        left, top = number % 3 * 100, 44 + number // 3 * 244
        assert share_of_hue(tiles[top : top + 100, left : left + 100], DEFECT) > 0.02
    file = save_png(sheet, tmp_path / "deep" / "overview.png")
    assert Image.open(file).size == sheet.size

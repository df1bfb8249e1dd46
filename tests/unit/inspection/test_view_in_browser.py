"""Pages of judged clouds as a reader meets them, in headless Chromium."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from plane_anomalib.inspection.report import ViewOptions, view
from plane_anomalib.web.shown_cloud import view_rotation
from tests.support.browser import CONTRAST, Page, browser
from tests.support.inspection_pages import (
    box_of,
    mouse,
    opened,
    picture,
    press,
    rotation,
    settle,
    still,
)
from tests.support.judged import Judged, make_judged, page_data

pytestmark = pytest.mark.browser

VIEWS = {
    "front": (-90, 0), "back": (90, 0), "left": (180, 0), "right": (0, 0), "top": (-90, 90),
    "bottom": (-90, -90),
}  # fmt: skip
POINT = (
    "Object.fromEntries([...document.querySelectorAll('#point dt')]"
    ".map((dt) => [dt.textContent, dt.nextElementSibling.textContent]))"
)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Results with their pages; points are thinned, so that indices are not those of the input."""
    made = make_judged(tmp_path_factory.mktemp("judged"), ("bad", "fine", "good & <b>"))
    view(made.out, options=ViewOptions(num_points=1200, size=96))
    return made


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as page:
        still(page)
        yield page


@pytest.fixture
def page(tab: Page, judged: Judged) -> Page:
    """The page of the anomalous cloud, freshly loaded."""
    return opened(tab, judged.out / "view" / "bad.html")


@pytest.mark.slow
def test_the_page_renders_both_clouds_without_an_error_or_a_request(page: Page) -> None:
    for canvas in ("view", "good"):
        shown = picture(page, canvas)[..., 3] > 0
        assert 0.15 < shown.mean() < 0.95
    assert page.errors == []
    assert page.evaluate("document.querySelector('.badge').textContent") == "Anomaly"
    text = page.evaluate("document.querySelector('.head').textContent")
    assert "0.9 is at or above the threshold 0.75 (best F1 on <2> good scans)" in text
    foot = page.evaluate("document.getElementById('shown').textContent")
    data = page.evaluate("[inspection.cloud.count]")
    assert foot == f"{data[0]:,} of 2,000 points shown, anomalous ones first."


def test_the_map_is_hot_where_the_defects_are(page: Page) -> None:
    press(page, "[data-view=top]")
    drawn = picture(page, "view")
    red, blue = drawn[..., 0], drawn[..., 2]
    hot = (red > blue + 80) & (drawn[..., 3] > 0)
    assert 0.005 < hot.mean() < 0.3
    # The good scan is grey.
    grey = picture(page, "good")
    assert not ((grey[..., 0] > grey[..., 2] + 80) & (grey[..., 3] > 0)).any()


def test_the_slider_says_how_many_of_all_points_are_above(page: Page, judged: Judged) -> None:
    scores = np.load(judged.out / "clouds" / "bad.npz")["scores"].astype(np.float64)
    own = (scores >= 0.5).sum()
    above = "document.getElementById('above').textContent"
    assert page.evaluate(above).startswith(f"{own} of 2,000 points above")
    for stop in (0, 137, 500, 1000):
        slide(page, stop)
        limit = scores.min() + (scores.max() - scores.min()) * stop / 1000
        count = int((scores >= limit).sum())
        share = 100 * count / 2000
        said = page.evaluate(above)
        assert said.startswith(f"{count:,} of 2,000 points above")
        if share >= 1:
            assert f"({share:.1f} %)" in said
    press(page, "#reset")
    assert page.evaluate(above).startswith(f"{own} of 2,000 points above")


def slide(page: Page, stop: int) -> None:
    page.evaluate(
        f"(() => {{ const s = document.getElementById('threshold'); s.value = {stop};"
        "s.dispatchEvent(new Event('input')); })()"
    )
    settle(page)


def test_what_is_above_the_threshold_is_marked_as_the_slider_moves(page: Page) -> None:
    press(page, "[data-mode=above]")
    press(page, "[data-mode=map]")
    marked = []
    for stop in (0, 900):
        slide(page, stop)
        drawn = picture(page, "view")
        coloured = (np.abs(drawn[..., 0] - drawn[..., 2]) > 40) & (drawn[..., 3] > 0)
        marked.append(coloured.sum() / (drawn[..., 3] > 0).sum())
    assert marked[0] > 0.9
    assert marked[1] < 0.3


@pytest.mark.slow
def test_a_threshold_beyond_the_colours_leaves_what_is_below_it_cold(
    tab: Page, tmp_path: Path
) -> None:
    judged = make_judged(tmp_path, ("bad",))
    (judged.run / "detector.json").unlink()
    view(judged.out, options=ViewOptions(scale=(0.0, 0.6), size=64))
    page = opened(tab, judged.out / "view" / "bad.html")
    press(page, "[data-view=top]")

    def hot() -> int:
        drawn = picture(page, "view")
        return int(((drawn[..., 0] > drawn[..., 2] + 60) & (drawn[..., 3] > 0)).sum())

    before = hot()
    slide(page, 1000)
    assert hot() < 0.05 * before
    slide(page, 0)
    assert hot() > 3 * before


def test_the_detectors_threshold_is_marked_with_its_origin(page: Page) -> None:
    said = page.evaluate(
        "((get) => [get('own').hidden, get('own').title, get('origin').textContent])"
        "((id) => document.getElementById(id))"
    )
    assert said[0] is False
    assert said[1] == "The detector's own threshold 0.5: best F1 on <2> good scans"
    assert "best F1 on <2> good scans" in said[2]


def test_a_click_gives_the_point_that_lies_there(page: Page, judged: Judged) -> None:
    given = np.load(judged.out / "clouds" / "bad.npz")
    data = page_data(judged.out / "view" / "bad.html")
    points = given["points"].astype(np.float64)
    press(page, "[data-view=top]")
    # From above, x runs to the right and y up: the place of a point follows from its coordinates.
    target = points[points[:, 2].argmax()]
    middle, unit = page.evaluate("[inspection.cloud.center, inspection.viewer.unit()]")
    box = box_of(page, "view")
    x = box[0] + box[2] / 2 + (target[0] - middle[0]) * unit
    y = box[1] + box[3] / 2 - (target[1] - middle[1]) * unit
    mouse(page, (x, y))
    said: dict[str, Any] = page.evaluate(POINT)
    index = int(said["index"].split()[0])
    at = np.array([float(said[axis]) for axis in "xyz"])
    assert np.abs(at - points[index]).max() <= data["cloud"]["step"] * 1.01
    assert float(said["score"].split(",")[0]) == pytest.approx(given["scores"][index], abs=2e-5)
    assert said["score"].endswith("above the threshold")
    assert said["region"] == str(given["region"][index] + 1)
    assert said["ground truth"] == "defect"
    assert np.linalg.norm((at - target)[:2]) < 3.0
    assert at[2] > points[:, 2].max() - 2.0
    # Beside the cloud there is no point.
    mouse(page, (box[0] + 4, box[1] + box[3] - 4))
    assert "Click or tap" in page.evaluate("document.getElementById('point').textContent")


def test_views_are_those_of_the_static_pictures(page: Page) -> None:
    first = rotation(page)
    for name, angles in VIEWS.items():
        press(page, f"[data-view={name}]")
        assert np.allclose(rotation(page), view_rotation(*angles).ravel(), atol=1e-6), name
    press(page, "[data-view=reset]")
    assert np.allclose(rotation(page), first)


def test_a_flight_ends_where_a_jump_does(page: Page) -> None:
    press(page, "[data-view=left]")
    there = [rotation(page), page.evaluate("[inspection.viewer.zoom, ...inspection.viewer.shift]")]
    press(page, "[data-view=right]")
    page.prefer("light")  # which forgets that motion is to be reduced
    try:
        page.evaluate("document.querySelector('[data-view=left]').click()")
        page.evaluate("new Promise((done) => setTimeout(done, 60))")
        assert page.evaluate("inspection.viewer.flight !== null")
        settle(page)
    finally:
        still(page)
    assert np.allclose(rotation(page), there[0])
    camera = page.evaluate("[inspection.viewer.zoom, ...inspection.viewer.shift]")
    assert np.allclose(camera, there[1])
    assert np.allclose(rotation(page), rotation(page, "inspection.good()"))


def test_a_region_is_flown_to_and_outlined(page: Page, judged: Judged) -> None:
    region = judged.summary.clouds[0].regions[1]
    zoom = page.evaluate("inspection.viewer.zoom")
    press(page, "#regions li:nth-child(2) button")
    assert page.evaluate("inspection.viewer.zoom") > 1.3 * zoom
    at = page.evaluate(
        f"inspection.viewer.project({list(region.center)}.map((v, k) => v - "
        "inspection.cloud.center[k]))"
    )
    cell = page.evaluate("inspection.viewer.layout.cell")
    assert np.allclose(at, np.array(cell) / 2, atol=1.0)
    outlined = page.evaluate("inspection.state.outlined.reduce((a, b) => a + b, 0)")
    assert outlined > 5
    pressed = "[...document.querySelectorAll('#regions button')].map((b) => b.ariaPressed)"
    assert page.evaluate(pressed) == ["false", "true"]
    text = page.evaluate("document.querySelector('#regions button').textContent")
    assert "stands out by 0.5" in text
    with_outline = picture(page, "view")
    press(page, "#regions li:nth-child(2) button")
    assert (picture(page, "view") != with_outline).any()
    assert page.errors == []


def test_the_good_scan_turns_along_and_can_be_put_away(page: Page) -> None:
    before = picture(page, "good")
    box = box_of(page, "view")
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    turned = rotation(page)
    mouse(page, (x, y), (x + 30, y + 5), (x + 60, y + 10))
    assert not np.allclose(rotation(page), turned, atol=0.05)
    assert np.allclose(rotation(page), rotation(page, "inspection.good()"))
    assert (picture(page, "good") != before).mean() > 0.02
    # Both clouds are as large and lie at the same place: the good scan covers the other.
    here, there = (picture(page, canvas)[..., 3] > 0 for canvas in ("view", "good"))
    assert here.shape == there.shape
    assert (here & there).sum() > 0.9 * (here | there).sum()
    # It turns the cloud, too.
    left, top, _, _ = box_of(page, "good")
    mouse(page, (left + 99, top + 99), (left + 139, top + 99))
    assert np.allclose(rotation(page), rotation(page, "inspection.good()"))
    press(page, "[data-mode=good]")
    assert page.evaluate("document.getElementById('goodStage').offsetWidth") == 0
    assert page.errors == []


def test_keys_turn_pick_and_let_go(page: Page) -> None:
    page.evaluate("document.getElementById('view').focus()")
    before = rotation(page)
    key(page, "ArrowRight")
    assert not np.allclose(rotation(page), before, atol=0.05)
    assert np.allclose(rotation(page), rotation(page, "inspection.good()"))
    key(page, "5")
    assert np.allclose(rotation(page), view_rotation(*VIEWS["top"]).ravel(), atol=1e-6)
    key(page, "p")
    assert "index" in page.evaluate(POINT)
    key(page, "Escape")
    assert page.evaluate(POINT) == {}
    # Whoever comes by keyboard sees where she is.
    page.call("Input.dispatchKeyEvent", type="keyDown", key="Tab", windowsVirtualKeyCode=9)
    style = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(style) == "solid"


def key(page: Page, name: str) -> None:
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key=name)
    settle(page)


def test_truth_is_a_pane_of_its_own_where_it_is_known(page: Page, judged: Judged) -> None:
    press(page, "[data-mode=truth]")
    labels = "[...document.querySelectorAll('#labels span')].map((s) => s.textContent)"
    assert page.evaluate(labels) == ["Anomaly map", "Ground truth"]
    opened(page, judged.out / "view" / "fine.html")
    assert page.evaluate("document.querySelector('[data-mode=truth]')") is None
    assert page.evaluate("document.getElementById('regionsNote').textContent").startswith("No part")


def test_without_a_good_scan_there_is_no_panel_and_a_reason(tab: Page, tmp_path: Path) -> None:
    judged = make_judged(tmp_path, ("bad",), num=300)
    (judged.run / "detector.json").unlink()
    view(judged.out, options=ViewOptions(size=64))
    page = opened(tab, judged.out / "view" / "bad.html")
    assert page.evaluate("document.getElementById('goodStage').offsetWidth") == 0
    assert page.evaluate("document.querySelector('[data-mode=good]')") is None
    note = page.evaluate("document.getElementById('goodNote').textContent")
    assert "name its folder with --run" in note
    assert page.errors == []


@pytest.mark.parametrize("name", ["bad.html", "index.html"])
def test_light_and_dark_are_readable_and_fit_a_phone(tab: Page, judged: Judged, name: str) -> None:
    try:
        for scheme in ("light", "dark"):
            tab.prefer(scheme)
            tab.open(judged.out / "view" / name, 390, 844)
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
            ratio = tab.evaluate(CONTRAST)
            assert ratio > 4.5, f"{scheme}: text has a contrast of {ratio:.1f} only."
            shot = Image.open(io.BytesIO(tab.screenshot())).convert("L")
            brightness = float(np.median(np.asarray(shot)))
            assert brightness > 180 if scheme == "light" else brightness < 60
            assert tab.errors == []
    finally:
        still(tab)


@pytest.mark.slow
def test_the_list_filters_and_leads_to_the_pages(tab: Page, judged: Judged) -> None:
    tab.open(judged.out / "view" / "index.html")
    seen = "[...document.querySelectorAll('#clouds li')].filter((li) => !li.hidden)"
    names = f"{seen}.map((li) => li.querySelector('b').textContent)"
    assert tab.evaluate(names) == ["bad", "fine", "good & <b>"]
    loaded = "[...document.images].every((i) => i.complete && i.naturalWidth === 320)"
    tab.wait_for(loaded)
    type_into(tab, "search", "FINE")
    assert tab.evaluate(names) == ["fine"]
    type_into(tab, "search", "nothing")
    assert tab.evaluate("document.getElementById('none').hidden") is False
    type_into(tab, "search", "")
    choose = "(() => { const s = document.getElementById('decision'); s.value = 'anomaly';"
    tab.evaluate(choose + "s.dispatchEvent(new Event('change')); })()")
    assert tab.evaluate(names) == ["bad"]
    assert tab.evaluate("document.getElementById('matches').textContent") == "1 of 3"
    assert tab.errors == []
    links = tab.evaluate("[...document.querySelectorAll('#clouds a')].map((a) => a.href)")
    for link in links:
        tab.call("Page.navigate", url=link)
        tab.wait_for("document.readyState === 'complete' && !!window.inspection")
    assert tab.errors == []


def type_into(page: Page, field: str, text: str) -> None:
    page.evaluate(
        f"(() => {{ const s = document.getElementById({field!r}); s.value = {text!r};"
        "s.dispatchEvent(new Event('input')); })()"
    )

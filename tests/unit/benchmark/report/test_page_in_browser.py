"""The page as a reader meets it, in headless Chromium."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plane_anomalib.benchmark.report.page import write_report
from plane_anomalib.benchmark.report.prompt_map import write_prompts
from tests.support.browser import CONTRAST, Page, browser
from tests.support.sweep_results import failed, keep_cloud, make_sweep

pytestmark = pytest.mark.browser

TABLE = "document.querySelector('section.data table.sortable')"
CANVAS = "document.querySelector('canvas[data-cloud]')"
NAMES = f"[...{TABLE}.querySelectorAll('tbody.rows.ours th')].map((cell) => cell.textContent)"


def head(title: str) -> str:
    cells = f"[...{TABLE}.tHead.rows[0].cells]"
    return f"{cells}.find((cell) => cell.textContent === {title!r})"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with everything in it."""
    folder = tmp_path_factory.mktemp("results")
    generator = np.random.default_rng(0)
    rows = {"B & <b>": 0.9, "Cé_猫": 0.7, "A 100%": 0.5, "lost": 0.6}
    results = make_sweep(rows, ["bowl", "cup", "tap"], seeds=[0, 1])
    lost = next(i for i, r in enumerate(results) if r.job.row == "lost")
    results[lost : lost + 6] = [failed(r) for r in results[lost : lost + 6]]
    for kind in ("worst", "best"):
        results[0] = keep_cloud(folder, results[0], kind, generator)
    shape = (1, 8)
    home = folder / results[0].job_id
    write_prompts(home, ["bowl"], generator.normal(size=shape), generator.normal(size=shape))
    return write_report(results, folder / "out", title="A & <b>", results_folder=folder)[0]


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(tab: Page, file: Path) -> Page:
    """The report, freshly loaded."""
    tab.prefer("light")
    tab.open(file)
    return tab


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def drawn(page: Page) -> np.ndarray:
    """The first canvas once it is drawn, `(height, width, 4)`."""
    page.evaluate(f"{CANVAS}.scrollIntoView({{behavior: 'instant', block: 'center'}})")
    data = f"{CANVAS}.getContext('2d').getImageData(0, 0, {CANVAS}.width, {CANVAS}.height).data"
    page.wait_for(f"{CANVAS}.width > 300 && {data}.some((value) => value > 0)")
    height, width = page.evaluate(f"[{CANVAS}.height, {CANVAS}.width]")
    flat = page.evaluate(f"Array.from({data})")
    return np.array(flat, dtype=np.uint8).reshape(height, width, 4)


def test_the_page_renders_without_an_error_or_a_request(page: Page) -> None:
    titles = page.evaluate("[...document.querySelectorAll('h2')].map((h) => h.textContent)")
    assert titles == [
        *("objects", "Statistics over categories", "Worst and best clouds", "Text prompts"),
        *("Failures", "Environment"),
    ]
    assert page.evaluate("document.title") == "A & <b>"
    assert page.evaluate("document.querySelectorAll('svg').length") >= 5
    drawn(page)
    assert page.errors == []
    # Wide tables scroll in themselves.
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_error_would_be_seen(page: Page) -> None:
    page.evaluate("setTimeout(() => { undefinedName(); }, 0)")
    page.evaluate("new Promise((done) => setTimeout(done, 50))")
    assert any("undefinedName" in error for error in page.errors)


def test_a_click_on_a_columns_title_sorts_and_a_second_one_reverses(page: Page) -> None:
    by_quality = ["B & <b>", "Cé_猫", "A 100%"]
    assert page.evaluate(NAMES) == by_quality
    auroc = head("object AUROC")
    assert page.evaluate(f"{auroc}.getAttribute('aria-sort')") == "descending"
    page.evaluate(f"{auroc}.querySelector('button').click()")
    assert page.evaluate(NAMES) == by_quality[::-1]
    assert page.evaluate(f"{auroc}.getAttribute('aria-sort')") == "ascending"
    page.evaluate(f"{head('Method')}.querySelector('button').click()")
    assert page.evaluate(NAMES) == ["A 100%", "B & <b>", "Cé_猫"]
    assert page.evaluate(f"{head('Method')}.getAttribute('aria-sort')") == "ascending"
    assert page.evaluate(f"{auroc}.hasAttribute('aria-sort')") is False
    # The incomplete row has stayed where it was.
    rest = f"[...{TABLE}.querySelectorAll('tbody.rows.incomplete th')].map((c) => c.textContent)"
    assert page.evaluate(rest) == ["lost"]


def test_a_title_is_reached_and_pressed_by_keyboard(page: Page) -> None:
    page.evaluate(f"{head('Method')}.querySelector('button').focus()")
    for kind in ("keyDown", "keyUp"):
        page.call(
            "Input.dispatchKeyEvent",
            type=kind,
            key="Enter",
            code="Enter",
            windowsVirtualKeyCode=13,
            text="\r" if kind == "keyDown" else "",
        )
    assert page.evaluate(NAMES) == ["A 100%", "B & <b>", "Cé_猫"]


def test_a_cloud_shows_truth_beside_the_map_and_turns(page: Page) -> None:
    before = drawn(page)
    half = before.shape[1] // 2
    shown = before[..., 3] > 0
    assert shown[:, :half].mean() > 0.2
    # One camera: both panes show the same points.
    same = shown[:, :half] == shown[:, half : 2 * half]
    assert same.mean() > 0.99
    red, green, blue = (before[..., i].astype(int) for i in range(3))
    orange = (red > green + 60) & (green > blue)
    blueish = (blue > red + 25) & shown
    assert orange[:, :half].mean() > 0.02
    assert blueish[:, :half].mean() < 0.001
    assert blueish[:, half:].mean() > 0.02
    page.evaluate(f"{CANVAS}.focus()")
    arrow = "new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true, cancelable: true})"
    page.evaluate(f"{CANVAS}.dispatchEvent({arrow})")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert (drawn(page) != before).mean() > 0.05
    assert page.errors == []


def test_the_wheel_scrolls_the_page_until_a_cloud_is_clicked(page: Page) -> None:
    drawn(page)
    wheel = "new WheelEvent('wheel', {deltaY: 200, cancelable: true})"
    assert page.evaluate(f"{CANVAS}.dispatchEvent({wheel})") is True
    page.evaluate(f"{CANVAS}.focus()")
    assert page.evaluate(f"{CANVAS}.dispatchEvent({wheel})") is False


def test_dark_mode_is_dark_and_readable(tab: Page, file: Path) -> None:
    pictures = {}
    for scheme in ("light", "dark"):
        tab.prefer(scheme)
        tab.open(file)
        pictures[scheme] = pixels(tab.screenshot())
        ratio = tab.evaluate(CONTRAST)
        assert ratio > 4.5, f"{scheme}: text has a contrast of {ratio:.1f} only."
    assert tab.errors == []
    assert np.median(pictures["light"]) > 200
    assert np.median(pictures["dark"]) < 60
    drawn(tab)
    assert tab.errors == []


@pytest.mark.slow
def test_chromium_missing_is_a_failure_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"), browser(tmp_path):
        pass

"""The page of a run as a reader meets it, in headless Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from plane_anomalib.web.colours import ScoreScale
from plane_anomalib.web.gallery import CloudRecord
from plane_anomalib.web.run_report import MetricTable, write_report
from tests.support.browser import CONTRAST, Page, browser
from tests.support.shown import scored_sphere

pytestmark = pytest.mark.browser

ROWS = "[...document.querySelectorAll('#metrics tbody tr')].map((r) => r.cells[0].textContent)"
SHOWN = "[...document.querySelectorAll('#modes [aria-pressed=true]')].map((b) => b.dataset.mode)"
PIXELS = """
(() => {
  const { width, height } = view;
  return [...view.getContext("2d").getImageData(0, 0, width, height).data];
})()
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = np.random.default_rng(0)
    clouds = [scored_sphere(generator), scored_sphere(generator, name="other", score=0.2)]
    records = [CloudRecord(c.path, c.category, c.defect, c.score, True, True, 9) for c in clouds]
    return write_report(
        tmp_path_factory.mktemp("run") / "report.html",
        clouds,
        ScoreScale.fit([clouds[0].scores], threshold=0.5),
        title="A & <b>",
        metrics=MetricTable(["AUROC"], [("b", [0.5]), ("a", [None]), ("c", [0.9])]),
        records=records,
        object_threshold=0.5,
    )


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(tab: Page, file: Path) -> Page:
    tab.prefer("light")
    tab.open(file)
    tab.wait_for("view.width > 300")
    return tab


@pytest.mark.slow
def test_every_pane_is_drawn_without_an_error(page: Page) -> None:
    assert page.evaluate(SHOWN) == ["truth", "score"]
    for mode in ("input", "prediction"):
        page.evaluate(f"document.querySelector('[data-mode={mode}]').click()")
    assert page.evaluate(SHOWN) == ["input", "truth", "score", "prediction"]
    page.evaluate("new Promise(requestAnimationFrame)")
    pixels = np.array(page.evaluate(PIXELS), dtype=int).reshape(-1, 4)
    seen = pixels[pixels[:, 3] == 255][:, :3]
    # The found defect is green, the true one vermilion, the rest neutral: grey-blue.
    for channel in (0, 1):
        assert (seen[:, channel] > 1.5 * seen[:, 1 - channel]).mean() > 0.01, channel
    assert page.errors == []


def test_a_moved_threshold_changes_what_is_called_anomalous(page: Page) -> None:
    before = page.evaluate("agreement.textContent")
    page.evaluate("threshold.value = 999; threshold.dispatchEvent(new Event('input'))")
    assert page.evaluate("agreement.textContent") != before
    page.evaluate("reset.click()")
    assert page.evaluate("agreement.textContent") == before
    assert page.errors == []


def test_metrics_sort_by_a_title_and_what_has_no_number_is_last(page: Page) -> None:
    assert page.evaluate(ROWS) == ["b", "a", "c"]
    click = "metrics.tHead.rows[0].cells[{}].firstChild.click()"
    page.evaluate(click.format(1))
    assert page.evaluate(ROWS) == ["c", "b", "a"]
    page.evaluate(click.format(1))
    assert page.evaluate(ROWS) == ["b", "c", "a"]
    page.evaluate(click.format(0))
    assert page.evaluate(ROWS) == ["a", "b", "c"]


def test_light_and_dark_can_both_be_read(page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    assert page.evaluate(CONTRAST) >= 4.5
    page.evaluate("theme.click()")
    assert page.evaluate(ground) != light
    assert page.evaluate(CONTRAST) >= 4.5
    assert page.errors == []

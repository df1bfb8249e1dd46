import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plane_anomalib.web.colours import ScoreScale
from plane_anomalib.web.gallery import CloudRecord
from plane_anomalib.web.pages import UNKNOWN_SCORE
from plane_anomalib.web.run_report import MetricTable, write_report
from plane_anomalib.web.shown_cloud import ShownCloud
from tests.support.shown import scored_sphere

SCALE = ScoreScale.fit([np.linspace(0, 1, 100)], threshold=0.5)


class Page(HTMLParser):
    """The data of a page, the elements it opens and what they refer to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.title = ""
        self._data = ""
        self._inside = ""
        self.text = file.read_text(encoding="utf-8")
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._inside = "data" if ("id", "data") in attrs else tag

    def handle_data(self, data: str) -> None:
        if self._inside == "data":
            self._data += data
        elif self._inside == "title":
            self.title += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self._data)


def unpack(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def report(tmp_path: Path, clouds: list[ShownCloud], **options: Any) -> Page:
    options = {"title": "A run", **options}
    return Page(write_report(tmp_path / "report.html", clouds, SCALE, **options))


def test_the_page_holds_the_points_within_half_a_step(tmp_path: Path) -> None:
    cloud = scored_sphere(np.random.default_rng())
    packed = report(tmp_path, [cloud]).data["clouds"][0]
    codes = unpack(packed["points"], "<u2").reshape(-1, 3)
    points = np.array(packed["origin"]) + codes * packed["step"]
    assert packed["step"] <= np.ptp(cloud.points, axis=0).max() / 65535 * 1.001
    assert np.abs(points - cloud.points).max() <= packed["step"] * 0.5001


def test_the_page_holds_scores_truth_and_prediction(tmp_path: Path) -> None:
    generator = np.random.default_rng()
    cloud = scored_sphere(generator)
    cloud.scores[7] = np.nan
    data = report(tmp_path, [cloud]).data
    packed = data["clouds"][0]
    codes = unpack(packed["pointScores"], "<u2").astype(float)
    scores = data["scores"]["low"] + codes * data["scores"]["step"]
    known = np.isfinite(cloud.scores)
    assert np.abs(scores - cloud.scores)[known].max() <= data["scores"]["step"] * 0.51
    assert codes[7] == UNKNOWN_SCORE
    for key, mask in (("truth", cloud.truth), ("predicted", cloud.predicted)):
        bits = np.unpackbits(unpack(packed[key], "u1"), bitorder="little")[: len(mask)]
        assert np.array_equal(bits.astype(bool), mask)


def test_what_is_not_known_is_null(tmp_path: Path) -> None:
    points = np.random.default_rng().normal(size=(10, 3)).astype(np.float32)
    packed = report(tmp_path, [ShownCloud(name="bare", points=points)]).data["clouds"][0]
    unknown = ("score", "anomalous", "called", "pointScores", "truth", "predicted")
    assert all(packed[key] is None for key in unknown)


def test_the_page_refers_to_nothing_outside_itself(tmp_path: Path) -> None:
    page = report(tmp_path, [scored_sphere(np.random.default_rng())])
    assert not re.search(r"\bhttps?:|\bwss?:|//[a-z]+\.|@import|\burl\(", page.text, re.IGNORECASE)
    assert not {name for name, _ in page.attributes} & {"src", "href", "action", "srcset"}
    policy = dict(page.attributes)["content"]
    assert "default-src 'none'" in page.text
    assert policy is not None


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "</script><img src=x>", "<!--", "@@DATA@@", "a\u2028&quot;"],
)
def test_no_file_name_becomes_markup(name: str, tmp_path: Path) -> None:
    generator = np.random.default_rng()
    plain = report(tmp_path, [scored_sphere(generator)])
    hostile = scored_sphere(generator, name=name, category=name, defect=name, path=f"/{name}.pcd")
    record = CloudRecord(name, name, name, 0.1, True, True, 5)
    table = MetricTable([name], [(name, [0.5])], notes=[name])
    page = report(tmp_path, [hostile], title=name, subtitle=name, records=[record], metrics=table)
    assert page.tags == plain.tags
    assert page.title == name
    assert page.data["clouds"][0]["name"] == name
    assert page.data["metrics"]["notes"] == [name]


def test_the_page_stays_small_and_says_how_many_points_it_shows(tmp_path: Path) -> None:
    generator = np.random.default_rng()
    clouds = [scored_sphere(generator, 6000, name=str(i)) for i in range(4)]
    page = report(tmp_path, clouds, max_points=2000, max_total_points=4000)
    shown = [packed["shown"] for packed in page.data["clouds"]]
    assert max(shown) <= 1000
    assert {packed["total"] for packed in page.data["clouds"]} == {6000}
    assert len(page.text) < 4000 * 18 + 80_000


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    cloud = scored_sphere(np.random.default_rng(), 3000)
    pages = [report(tmp_path, [cloud], max_points=500).text for _ in range(2)]
    assert pages[0] == pages[1]


def test_metrics_that_are_not_numbers_are_left_empty(tmp_path: Path) -> None:
    table = MetricTable(["AUROC", "AP"], [("bowl", [0.5, float("nan")])], [("mean", [None, 1.0])])
    metrics = report(tmp_path, [], metrics=table).data["metrics"]
    assert metrics["rows"] == [{"name": "bowl", "values": [0.5, None]}]
    assert metrics["summary"] == [{"name": "mean", "values": [None, 1.0]}]

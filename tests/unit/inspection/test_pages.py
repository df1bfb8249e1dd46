"""A page of one cloud, and from where it is looked at."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from plane_anomalib.inspection.cloud_files import JudgedCloud
from plane_anomalib.inspection.pages import (
    STOPS,
    ViewedCloud,
    ViewFinder,
    cloud_page,
    shown_cloud,
    shown_indices,
    slider,
)
from plane_anomalib.inspection.regions import Region
from plane_anomalib.inspection.result import Threshold
from plane_anomalib.web.colours import ScoreScale
from plane_anomalib.web.shown_cloud import ShownCloud, best_rotation
from tests.support.judged import part

SCALE = ScoreScale(0.0, 0.5, 1.0, 0.5)


def subject(num: int = 3000, marked: int = 40, **known: Any) -> ViewedCloud:
    generator = np.random.default_rng(0)
    points = part(generator, num)
    order = np.argsort(points[:, 0])
    scores = generator.uniform(0, 0.4, num).astype(np.float32)
    scores[order[:marked]] += 0.55
    region = np.where(scores >= 0.5, 0, -1).astype(np.int32)
    cloud = JudgedCloud(points, scores, region, known.pop("truth", None))
    fields = {"point_threshold": Threshold(0.5, "by hand"), **known}
    return ViewedCloud("a", "a.ply", cloud, **fields)


def unpack(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def test_every_anomalous_point_is_shown_while_there_is_room() -> None:
    given = subject()
    chosen = shown_indices(given, 600)
    assert len(chosen) <= 600
    assert np.all(np.diff(chosen) > 0)
    assert set(np.flatnonzero(given.cloud.scores >= 0.5)) <= set(chosen)


def test_anomalous_points_leave_room_for_the_rest_of_the_surface() -> None:
    given = subject(marked=2500)
    chosen = shown_indices(given, 600)
    normal = np.isin(chosen, np.flatnonzero(given.cloud.scores < 0.5)).sum()
    assert len(chosen) <= 600
    assert normal > 300


def test_all_points_of_a_small_cloud_are_shown() -> None:
    assert np.array_equal(shown_indices(subject(num=500), 500), np.arange(500))


def test_the_sliders_counts_are_of_all_points() -> None:
    given = subject()
    made = slider(given, SCALE)
    scores = given.cloud.scores.astype(np.float64)
    stops = made["low"] + (made["high"] - made["low"]) * np.arange(STOPS + 1) / STOPS
    counts = unpack(made["counts"], "<u4")
    assert counts.tolist() == [(scores >= stop).sum() for stop in stops]
    assert counts[0] == len(scores)
    assert made["ownCount"] == (scores >= 0.5).sum()


def test_scores_that_are_no_numbers_are_above_nothing() -> None:
    given = subject()
    given.cloud.scores[:100] = np.nan
    made = slider(given, SCALE)
    assert unpack(made["counts"], "<u4")[0] == np.isfinite(given.cloud.scores).sum()


def test_a_cloud_without_a_number_has_a_slider_all_the_same() -> None:
    given = subject(num=300, point_threshold=None)
    given.cloud.scores[:] = np.nan
    made = slider(given, SCALE)
    assert (made["low"], made["high"], made["ownCount"]) == (0.0, 1.0, None)


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({}, "not known"),
        ({"score": 0.25}, "Object score 0.25; the detector has no threshold"),
        (
            {"score": 0.25, "threshold": Threshold(0.5, "best F1"), "decision": "normal"},
            "Object score 0.25 is below the threshold 0.5 (best F1).",
        ),
        (
            {"score": 0.5, "threshold": Threshold(0.5, "best F1"), "decision": "anomaly"},
            "Object score 0.5 is at or above the threshold 0.5 (best F1).",
        ),
    ],
)
def test_the_decision_is_told_with_the_thresholds_origin(known: dict[str, Any], words: str) -> None:
    assert words in subject(num=50, **known).verdict()


class Tags(HTMLParser):
    """The elements that a page opens, and its title."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.title = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["title"]:
            self.title += data.strip()


@pytest.mark.parametrize("name", ["</script><b>", "<!--", "@@DATA@@", '"><img src=x>'])
def test_no_name_becomes_markup(name: str) -> None:
    plain = subject(num=200, units="c", model="d")
    hostile = replace(plain, name=name, path=name, units=name, model=name)
    pages = []
    for given in (plain, hostile):
        chosen = shown_indices(given, 100)
        why = f"none: {given.name}"
        page = cloud_page(given, shown_cloud(given, chosen), chosen, SCALE, why, index="index.html")
        pages.append(Tags(page))
    assert pages[0].tags == pages[1].tags
    assert pages[1].title == name


def test_a_region_is_looked_at_from_where_it_is_seen() -> None:
    given = subject(marked=60)
    center = given.cloud.points[given.cloud.region == 0].mean(axis=0)
    region = Region(tuple(center.tolist()), (1.0, 1.0, 1.0), 2.0, 60, 0.02, 0.9, 0.8)
    given = replace(given, regions=[region])
    chosen = shown_indices(given, 1000)
    page = cloud_page(given, shown_cloud(given, chosen), chosen, SCALE, "none")
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    front = np.array(data["regions"][0]["rotation"]).reshape(3, 3)[2]
    outward = center - given.cloud.points.mean(axis=0)
    assert front @ outward / np.linalg.norm(outward) > 0.3


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_shell_is_not_looked_into(axis: int, sign: float) -> None:
    whole = part(np.random.default_rng(axis), 4000)
    outward = sign * (whole[:, axis] - np.median(whole[:, axis]))
    shell = whole[outward > 0]
    # The middle of the shell matters, which is as well seen from inside.
    weights = (outward[outward > 0] > np.quantile(outward, 0.97)).astype(np.float32)
    rotation = ViewFinder(ShownCloud("a", shell), whole).rotation(weights)
    assert sign * rotation[2, axis] > 0.2


def test_of_a_whole_cloud_the_good_scan_hides_nothing() -> None:
    generator = np.random.default_rng(0)
    cloud, good = ShownCloud("a", part(generator)), part(generator)
    weights = (cloud.points[:, 0] > np.quantile(cloud.points[:, 0], 0.9)).astype(np.float32)
    rotation = ViewFinder(cloud, good).rotation(weights)
    assert np.array_equal(rotation, best_rotation(cloud, weights))

"""Charts show every row once, where it belongs, and names that do not lie on each other."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from plane_anomalib.benchmark.leaderboard import leaderboard
from plane_anomalib.benchmark.report.charts import (
    Drawing,
    Labels,
    clipped,
    rank_chart,
    speed_chart,
    text_width,
)
from plane_anomalib.benchmark.report.comparison import MethodComparison, compare
from tests.support.sweep_results import failed, make_result, make_sweep

ROWS = {"A <1> & co": 0.9, "B": 0.7, "C": 0.5, "D": 0.3}


def comparison(count: int, rows: dict[str, float] = ROWS) -> MethodComparison:
    results = make_sweep(rows, [f"c{i}" for i in range(count)], spread=0.01)
    found = compare(leaderboard(results), ["objects"], "object_AUROC", np.random.default_rng(0))
    assert found is not None
    return found


def texts(picture: str) -> dict[str, float]:
    """Words of a picture and where they begin."""
    root = ET.fromstring(picture)  # noqa: S314 - made here
    return {str(each.text): float(each.attrib["x"]) for each in root.iter("text")}


def test_rank_chart_names_every_row_with_its_rank() -> None:
    picture = rank_chart(comparison(12))
    assert {"A <1> & co  1.00", "B  2.00", "3.00  C", "4.00  D"} <= set(texts(picture))
    assert "critical difference 1.35" in texts(picture)


def test_rank_chart_joins_rows_within_the_critical_difference() -> None:
    root = ET.fromstring(rank_chart(comparison(12)))  # noqa: S314
    bars = [each for each in root.iter("line") if each.attrib["class"] == "clique"]
    # 1.35 ranks join neighbours only: three pairs.
    assert len(bars) == 3
    few = ET.fromstring(rank_chart(comparison(4)))  # noqa: S314
    assert not [each for each in few.iter("line") if each.attrib["class"] in ("clique", "bar")]


def test_a_single_row_has_no_rank_chart() -> None:
    assert rank_chart(comparison(12, {"A": 0.9})) == ""


def test_speed_chart_places_faster_rows_left_and_better_ones_above() -> None:
    results = [
        make_result("slow", values={"bowl": 0.9}, seconds=20.0),
        make_result("fast", values={"bowl": 0.6}, seconds=0.2),
        failed(make_result("broken")),
    ]
    picture = speed_chart(leaderboard(results), "objects", "point_AP")
    root = ET.fromstring(picture)  # noqa: S314
    marks = {
        str(each[0].text).partition(":")[0]: (float(each.attrib["cx"]), float(each.attrib["cy"]))
        for each in root.iter("circle")
    }
    assert set(marks) == {"slow", "fast"}
    assert marks["fast"][0] < marks["slow"][0]
    assert marks["slow"][1] < marks["fast"][1]


def test_rows_without_times_have_no_speed_chart() -> None:
    board = leaderboard([make_result(seconds=0.0)])
    assert speed_chart(board, "objects", "point_AP") == ""


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_speed_chart_keeps_every_mark_inside(value: float) -> None:
    results = [make_result(values={"bowl": value}, seconds=1.0)]
    root = ET.fromstring(speed_chart(leaderboard(results), "objects", "object_AP"))  # noqa: S314
    (mark,) = root.iter("circle")
    assert 0 <= float(mark.attrib["cx"]) <= 560
    assert 0 <= float(mark.attrib["cy"]) <= 350


def test_names_in_a_crowd_do_not_lie_on_each_other() -> None:
    generator = np.random.default_rng(2)
    marks = generator.uniform([150, 100], [350, 250], size=(9, 2)).tolist()
    drawing = Drawing(560, 350, "crowd")
    labels = Labels(drawing, marks)
    for index, mark in enumerate(marks):
        labels.put(mark, f"method {index}")
    boxes = labels._taken
    assert len(boxes) == 18
    overlaps = [
        (a, b)
        for i, a in enumerate(boxes[9:])
        for b in boxes[9 + i + 1 :]
        if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
    ]
    assert not overlaps


def test_long_names_are_cut_to_their_room() -> None:
    name = "a very long name of a method with many words"
    assert clipped(name, 1000) == name
    assert text_width(clipped(name, 100)) <= 100
    assert clipped(name, 100).endswith("...")

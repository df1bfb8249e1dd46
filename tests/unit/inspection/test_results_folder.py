"""`summary.json`: what is written is what is read, and nothing else is."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from plane_anomalib.core.results import Versions
from plane_anomalib.inspection.regions import Region
from plane_anomalib.inspection.result import Threshold
from plane_anomalib.inspection.results_folder import (
    SUMMARY_FILE,
    CloudSummary,
    DetectorSummary,
    FailedFile,
    Summary,
    SummaryError,
)
from plane_anomalib.web.colours import ScoreScale
from tests.support.judged import make_judged

REGION = Region((1.0, 2.0, 3.0), (0.5, 0.25, 0.125), 0.6, 12, 0.03, 0.9, 0.7, -0.2)
CLOUD = CloudSummary(
    "a", "scans/a.ply", "f" * 64, 400, 2, 0.75, "anomaly", [REGION], "good1",
    {"npz": "clouds/a.npz"}, 1.5,
)  # fmt: skip
SUMMARY = Summary(
    detector=DetectorSummary(
        "run", "BTF", ["cup"], "mm", Threshold(0.5, "best F1"), None,
        "a" * 64, None, None, Versions("1", "unknown", "2", "3", "3.11"),
    ),
    clouds=[CLOUD, dataclasses.replace(CLOUD, name="b", decision=None, regions=[])],
    failed=[FailedFile("scans/c.ply", "scans/c.ply: holds zero points")],
    left=["scans/d.ply"],
    scale=ScoreScale(0.0, 0.5, 1.0, 0.5),
)  # fmt: skip


def test_what_is_written_is_read_back_with_its_types(tmp_path: Path) -> None:
    assert SUMMARY.write(tmp_path) == tmp_path / SUMMARY_FILE
    assert Summary.read(tmp_path) == SUMMARY
    assert [file.name for file in tmp_path.iterdir()] == [SUMMARY_FILE]


def test_a_folder_without_results_is_told_from_one_with_damaged_ones(tmp_path: Path) -> None:
    with pytest.raises(SummaryError, match=r"holds no summary\.json: give the folder that"):
        Summary.read(tmp_path)
    (tmp_path / SUMMARY_FILE).write_text('{"clouds": [')
    with pytest.raises(SummaryError, match="cannot be read"):
        Summary.read(tmp_path)


@pytest.mark.parametrize(
    ("where", "value", "sentence"),
    [
        (("summary_version",), 4, "is of version 4, and this plane_anomalib reads 3"),
        (("clouds", 0, "decision"), "maybe", r"clouds\[0\].decision must be .*anomaly.*'maybe'"),
        (("clouds", 0, "regions", 0, "center"), [1, 2], r"regions\[0\].center takes 3 values"),
        (("scale", "low"), 7.0, "low < center < high"),
        (("clouds", 0, "files", "npz"), "../secret.npz", "outside of the folder of results"),
        (("clouds", 1, "files", "npz"), "/etc/passwd", "outside of the folder of results"),
    ],
)
def test_what_does_not_fit_is_refused_and_named(
    tmp_path: Path, where: tuple[str | int, ...], value: object, sentence: str
) -> None:
    SUMMARY.write(tmp_path)
    data = json.loads((tmp_path / SUMMARY_FILE).read_text())
    place = data
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    (tmp_path / SUMMARY_FILE).write_text(json.dumps(data))
    with pytest.raises(SummaryError, match=sentence):
        Summary.read(tmp_path)


def test_results_of_the_first_version_are_read_without_the_unit_that_was_a_guess(
    tmp_path: Path,
) -> None:
    judged = make_judged(tmp_path, num=300)
    detector = dataclasses.replace(judged.summary.detector, units="")
    expected = dataclasses.replace(judged.summary, detector=detector)
    file = judged.out / "summary.json"
    text = file.read_text(encoding="utf-8").replace('"center"', '"centre"')
    text = text.replace('"summary_version": 3', '"summary_version": 1')
    assert '"centre"' in text
    assert '"summary_version": 1' in text
    file.write_text(text, encoding="utf-8")
    assert Summary.read(judged.out) == expected

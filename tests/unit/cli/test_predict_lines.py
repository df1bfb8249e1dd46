"""What `predict` prints of each cloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from plane_anomalib.cli.predict import Answers
from plane_anomalib.inspection.inputs import CloudFile
from plane_anomalib.inspection.regions import Region
from plane_anomalib.inspection.results_folder import CloudSummary
from tests.support.detectors import HeightJudge, a_card

HOLE = Region((1.0, 2.0, 3.25), (1.0, 1.0, 1.0), 1.5, 12, 0.034, 2.0, 1.5, -0.25)
CLOUD = CloudSummary("a", "a.ply", "", 353, 2, 2.0, "anomaly", [HOLE, HOLE, HOLE], "good1", {}, 1.0)
SOURCES = [CloudFile(Path("a.ply"), "a"), CloudFile(Path("longer.ply"), "longer")]


def test_a_line_has_the_largest_region_with_units_and_the_sense_of_its_height(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Answers(HeightJudge(card=a_card(units="in")), SOURCES).tell(CLOUD)
    assert capsys.readouterr().out == (
        "  a       anomaly  2 >= 1; at (1, 2, 3.25), 1.5 inches across, 3.4% of points, "
        "0.25 inches missing; 2 more regions; nearest good scan good1; "
        "2 points without finite coordinates left out\n"
    )


def test_units_that_are_not_known_are_not_invented(capsys: pytest.CaptureFixture[str]) -> None:
    Answers(HeightJudge(), SOURCES).tell(CLOUD)
    assert "1.5 across, 3.4% of points, 0.25 missing" in capsys.readouterr().out

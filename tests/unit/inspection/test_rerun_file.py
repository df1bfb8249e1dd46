"""`--rerun`: what is logged, and what happens without the package."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from plane_anomalib.core.errors import ConfigurationError, MissingDependencyError
from plane_anomalib.inspection.report import ViewOptions, view
from plane_anomalib.inspection.rerun_file import RerunFile
from tests.support.judged import make_judged


class _Stream:
    """Records what is logged; its file holds as many lines."""

    made: list[_Stream]

    def __init__(self, name: str) -> None:
        self.logged: list[tuple[str, Any]] = []
        self.made.append(self)

    def save(self, path: Path) -> None:
        self.path = path

    def log(self, place: list[str], what: Any, *, static: bool) -> None:
        assert static
        self.logged.append(("/".join(place), what))

    def disconnect(self) -> None:
        self.path.write_text("\n".join(place for place, _ in self.logged))


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> list[_Stream]:
    """A stand-in for the package, which brings 200 MB; returns the streams that were made."""
    sdk: Any = ModuleType("rerun")
    _Stream.made = []
    sdk.RecordingStream = _Stream
    sdk.Points3D = lambda points, colors: SimpleNamespace(points=points, colors=colors)
    sdk.AnyValues = lambda **values: SimpleNamespace(**values)
    sdk.Boxes3D = lambda **values: SimpleNamespace(**values)
    monkeypatch.setitem(sys.modules, "rerun", sdk)
    return _Stream.made


def test_all_points_scores_regions_truth_and_good_scan_are_logged(
    tmp_path: Path, streams: list[_Stream]
) -> None:
    judged = make_judged(tmp_path)
    file = tmp_path / "all.rrd"
    view(judged.out, options=ViewOptions(num_points=50, size=64, rerun=file))
    (stream,) = streams
    assert [place for place, _ in stream.logged] == [
        *("bad/map", "bad/map", "bad/regions", "bad/ground truth", "bad/good scan"),
        *("fine/map", "fine/map", "fine/good scan"),
    ]
    given = np.load(judged.out / "clouds" / "bad.npz")
    points, values, boxes = (what for _, what in stream.logged[:3])
    assert np.array_equal(points.points, given["points"])
    assert points.colors.shape == (2000, 3)
    assert np.array_equal(values.score, given["scores"])
    region = judged.summary.clouds[0].regions[0]
    assert tuple(boxes.centers[0]) == region.center
    assert tuple(2 * boxes.half_sizes[0]) == region.size
    assert file.read_text().splitlines()[0] == "bad/map"


def test_after_an_error_there_is_no_file(tmp_path: Path, streams: list[_Stream]) -> None:
    file = tmp_path / "all.rrd"
    with pytest.raises(RuntimeError, match="stop"), RerunFile(file):
        raise RuntimeError("stop")
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "plane-anomalib\[rerun\]"'):
        RerunFile(tmp_path / "all.rrd")


def test_another_suffix_is_refused(tmp_path: Path, streams: list[_Stream]) -> None:
    with pytest.raises(ConfigurationError, match=r"must end in \.rrd"):
        RerunFile(tmp_path / "all.txt")

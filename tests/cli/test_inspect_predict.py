"""`plane-anomalib predict RUN CLOUD...` as a user types it, with a small trained detector."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import plane_anomalib
from plane_anomalib.cli import commands
from plane_anomalib.formats.writer import write_points
from plane_anomalib.inspection import detector as detector_module
from plane_anomalib.inspection.card import DetectorCard
from plane_anomalib.inspection.results_folder import Summary
from tests.cli.conftest import Typed
from tests.support.detectors import HeightJudge, bent_cloud, good_cloud, make_run

pytestmark = pytest.mark.slow

Predict = Callable[..., int]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("work")
    return make_run(work / "run", work)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a good and a bent scan."""
    write_points(tmp_path / "scans" / "bent.ply", bent_cloud(11))
    write_points(tmp_path / "scans" / "fine.ply", good_cloud(0))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def predict(run: Path) -> Predict:
    def typed(line: str, out: str = "out") -> int:
        return commands.run(["predict", str(run), *shlex.split(line), "--out", out])

    return typed


def test_paths_make_the_command_ours_and_options_make_it_anomalibs() -> None:
    assert commands.is_ours(["predict", "run", "scan.ply", "--out", "out"])
    assert not commands.is_ours(["predict", "--model", "Plane"])
    assert not commands.is_ours(["predict"])
    assert not commands.is_ours(["test", "run"])


def test_a_line_says_what_was_decided_and_where_it_is(
    predict: Predict, run: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict("scans --formats npz ply csv") == 0
    printed = capsys.readouterr().out
    summary = Summary.read(here / "out")
    bent, fine = summary.clouds
    card = DetectorCard.read(run)
    assert card.threshold is not None
    assert (bent.decision, fine.decision) == ("anomaly", "normal")
    assert printed.count(card.threshold.origin) == 2  # of objects and of points, once each
    line = next(line for line in printed.splitlines() if line.startswith("  bent"))
    assert f"anomaly  {bent.score:.4g} >= {card.threshold.value:.4g}" in line
    region = bent.regions[0]
    assert "at (" + ", ".join(f"{value:.4g}" for value in region.center) + ")" in line
    assert f"{region.diameter:.3g} millimetres across" in line
    assert region.height is not None
    assert abs(region.height) == pytest.approx(0.5, abs=0.1)  # a sheet has no inside for a sign
    side = "too much" if region.height > 0 else "missing"
    assert f"{abs(region.height):.3g} millimetres {side}" in line
    assert bent.nearest_good in {"good0", "good1", "good2"}
    assert f"nearest good scan {bent.nearest_good}" in line
    assert np.linalg.norm(np.subtract(region.center[:2], (0.75, 0.75))) < 0.3
    assert "normal " in next(line for line in printed.splitlines() if line.startswith("  fine"))
    assert f"2 judged, 1 anomaly, 1 normal: {Path('out/summary.json')}" in printed
    assert "plane-anomalib view out" in printed.splitlines()[-1]


def test_scores_are_those_of_the_detector_in_python(
    predict: Predict, run: Path, here: Path
) -> None:
    predict("scans/bent.ply --no-compare")
    expected = plane_anomalib.load(run)(bent_cloud(11))
    with np.load(here / "out/clouds/bent.npz") as arrays:
        assert np.array_equal(arrays["scores"], expected.point_scores)
        assert np.array_equal(arrays["region"], expected.region_of_point)
    cloud = Summary.read(here / "out").clouds[0]
    assert (cloud.score, cloud.nearest_good) == (expected.score, None)
    assert cloud.regions == list(expected.regions)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("scans/bent.ply", 0),
        ("scans/bent.ply --fail-on anomaly", 3),
        ("scans/fine.ply --fail-on anomaly error", 0),
        ("scans/fine.ply scans/bad.ply", 0),
        ("scans/fine.ply scans/bad.ply --fail-on anomaly", 4),
        ("scans/fine.ply scans/bad.ply --fail-on anomaly-only", 0),
        ("scans/fine.ply scans/few.ply --fail-on not-judged", 4),
        ("scans/bent.ply scans/few.ply --fail-on not-judged", 4),
        ("scans/bent.ply scans/few.ply --fail-on anomaly", 3),
        ("scans/few.ply", 0),
        ("scans/fine.ply scans/bad.ply --fail-on error", 1),
        ("scans/bent.ply scans/bad.ply --fail-on error anomaly", 3),
        ("scans/bad.ply", 1),
    ],
)
def test_exit_codes(
    predict: Predict, here: Path, line: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "scans/bad.ply").write_text("no cloud\n")
    write_points(here / "scans/few.ply", good_cloud(7)[:9])
    assert predict(line) == code
    if "bad.ply" in line:
        printed = capsys.readouterr().out
        assert "not read: scans/bad.ply: " in printed
        assert "1 could not be read" in printed
    if "few.ply" in line:
        printed = capsys.readouterr().out
        assert "not judged  It has 9 points, which show no surface" in printed
        assert "1 not judged" in printed


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("scans/bnet.ply", "error: scans/bnet.ply: there is no such file or folder: did you mean"),
        ("scans --category bolt", "error: The detector was not trained on 'bolt': it knows sheet."),
        ("scans --resume --overwrite", "error: --resume keeps what OUT holds"),
        ("scans --truth scans/..", "holds no ground truth of these clouds"),
    ],
)
def test_mistakes_are_answered_before_anything_is_judged(
    predict: Predict, here: Path, line: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        predict(line)
    assert stopped.value.code == 1
    assert sentence in capsys.readouterr().err
    assert not (here / "out").exists()


def test_without_thresholds_it_says_how_to_get_decisions(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    judge = HeightJudge(threshold=None, point_threshold=None)
    monkeypatch.setattr(detector_module, "load", lambda *_, **__: judge)
    line = ["predict", "run", "scans", "--out", "out", "--fail-on", "anomaly"]
    assert commands.run(line) == 0
    printed = capsys.readouterr().out
    assert "no threshold, so it gives scores and no decisions" in printed
    assert "plane-anomalib train GOOD... --out RUN" in printed
    assert "2 judged: " in printed


def test_ctrl_c_says_how_to_go_on_and_resume_does(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    judges = [HeightJudge(stop_at=2), HeightJudge()]
    monkeypatch.setattr(detector_module, "load", lambda *_, **__: judges.pop(0))
    line = ["predict", "run", "scans", "--out", "out"]
    assert commands.run(line) == 130
    printed = capsys.readouterr().out
    assert (
        "Stopped after 1 of 2 files: repeat the command with --resume to do the other 1." in printed
    )
    assert commands.run([*line, "--resume"]) == 0
    assert len(Summary.read(here / "out").clouds) == 2


def test_other_results_are_refused_in_one_sentence(
    predict: Predict,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    predict("scans")
    monkeypatch.setattr(detector_module, "load", lambda *_, **__: HeightJudge())
    with pytest.raises(SystemExit):
        predict("scans")
    assert "error: out: holds what another detector said (BTF of " in capsys.readouterr().err
    assert predict("scans --overwrite") == 0
    assert Summary.read(here / "out").detector.model == "Height"


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text exist on Linux")
def test_a_name_that_is_no_text_stops_nothing(
    predict: Predict, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "scans" / os.fsdecode(b"St\xfcck.ply")).write_text("no cloud\n")
    assert predict("scans") == 0
    assert "not read: scans/St\\udcfcck.ply: " in capsys.readouterr().out
    assert len(Summary.read(here / "out").clouds) == 2


def test_typed_in_a_shell_from_a_list_with_output_to_a_file(
    typed: Typed, run: Path, here: Path
) -> None:
    """The whole way, in a process of its own: the pattern is not for the shell to expand."""
    (here / "today.txt").write_text("scans/fine.ply\nscans/gone.ply\n")
    arguments = ("predict", run, "@today.txt", "scans/b*.ply", "--out", "out", "--fail-on", "error")
    done = typed("plane-anomalib", *arguments, PYTHONPATH=os.pathsep.join(sys.path))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [cloud.name for cloud in Summary.read(here / "out").clouds] == ["fine", "bent"]
    assert "scans/gone.ply: does not exist" in done.stdout

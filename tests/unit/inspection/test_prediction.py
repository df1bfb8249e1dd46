"""Many files, one after the other: nothing is lost, mixed up or kept in memory."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.formats.io import read_points
from plane_anomalib.formats.writer import write_points
from plane_anomalib.inspection import results_folder
from plane_anomalib.inspection.card import ScanCard
from plane_anomalib.inspection.cloud_files import FORMATS
from plane_anomalib.inspection.inputs import CloudFile, find_clouds
from plane_anomalib.inspection.prediction import PredictOptions, judge_files
from plane_anomalib.inspection.result import Threshold
from plane_anomalib.inspection.results_folder import (
    CloudSummary,
    FailedFile,
    ResultEntry,
    Summary,
    SummaryError,
)
from tests.support.detectors import HeightJudge, a_card, bent_cloud, good_cloud

ALL = PredictOptions(formats=FORMATS)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Good, bent, good; the bent one higher than any threshold."""
    for number, cloud in enumerate([good_cloud(1), bent_cloud(2), good_cloud(3)]):
        write_points(tmp_path / "scans" / f"s{number}.ply", cloud + np.float32([0, 0, 0.3]))
    return tmp_path / "scans"


def sources(*given: Path) -> list[CloudFile]:
    return find_clouds([str(path) for path in given])


def names(summary: Summary) -> list[str]:
    return [cloud.name for cloud in summary.clouds]


def table(file: Path) -> dict[str, np.ndarray]:
    """Columns of a written cloud, read by other code than what wrote them."""
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    if file.suffix == ".csv":
        rows = np.genfromtxt(file, delimiter=",", names=True)
        points = np.column_stack([rows["x"], rows["y"], rows["z"]])
        return {"points": points, "scores": rows["score"], "region": rows["region"]}
    from plyfile import PlyData

    vertex = PlyData.read(file)["vertex"]
    points = np.column_stack([vertex["x"], vertex["y"], vertex["z"]])
    colours = np.column_stack([vertex["red"], vertex["green"], vertex["blue"]])
    scores, region = vertex["score"], vertex["region"]
    return {"points": points, "scores": scores, "region": region, "colours": colours}


def test_every_format_has_every_point_in_input_order(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = judge_files(HeightJudge(), sources(scans), out, ALL)
    assert names(summary) == ["s0", "s1", "s2"]
    for cloud in summary.clouds:
        points = read_points(scans / f"{cloud.name}.ply").points
        assert cloud.num_points == len(points)
        assert set(cloud.files) == set(FORMATS)
        for kind, file in cloud.files.items():
            read = table(out / file)
            assert np.array_equal(read["points"].astype(np.float32), points), kind
            assert np.array_equal(read["scores"].astype(np.float32), points[:, 2]), kind
            sizes = np.bincount(read["region"].astype(int) + 1, minlength=len(cloud.regions) + 1)
            assert [region.num_points for region in cloud.regions] == sizes[1:].tolist()
    bent = summary.clouds[1]
    assert (bent.decision, len(bent.regions) > 0) == ("anomaly", True)
    with np.load(out / bent.files["npz"]) as arrays:
        kinds = {name: arrays[name].dtype for name in arrays.files}
    assert kinds == {"points": np.float32, "scores": np.float32, "region": np.int32}
    assert Summary.read(out) == summary


def test_colours_mean_the_same_in_every_cloud_and_turn_at_the_threshold(
    scans: Path, tmp_path: Path
) -> None:
    summary = judge_files(HeightJudge(), sources(scans), tmp_path / "out")
    assert summary.scale is not None
    assert summary.scale.center == 0.7
    for cloud in summary.clouds:
        read = table(tmp_path / "out" / cloud.files["ply"])
        assert np.array_equal(read["colours"], summary.scale.colours(read["scores"]))
        warm = read["colours"][:, 0].astype(int) > read["colours"][:, 2].astype(int) + 40
        assert (read["scores"][warm] > 0.7).all()
        assert warm[read["scores"] > 1.0].all()


def test_a_bad_file_in_the_middle_is_reported_and_the_rest_goes_on(
    scans: Path, tmp_path: Path
) -> None:
    (scans / "s1.ply").write_bytes(b"ply\nformat ascii 1.0\n")
    (scans / "s1b.docx").touch()
    told: list[ResultEntry] = []
    given = sources(scans / "s0.ply", scans / "s1.ply", scans / "s1b.docx", scans / "s2.ply")
    summary = judge_files(HeightJudge(), given, tmp_path / "out", tell=told.append)
    assert names(summary) == ["s0", "s2"]
    assert [Path(file.path).name for file in summary.failed] == ["s1.ply", "s1b.docx"]
    assert all(file.reason.count(file.path) == 1 for file in summary.failed)
    assert "which is not supported here" in summary.failed[1].reason
    kinds = [CloudSummary, FailedFile, FailedFile, CloudSummary]
    assert [type(entry) for entry in told] == kinds
    assert not list((tmp_path / "out" / "clouds").glob("s1*"))


def test_what_a_model_trips_over_is_one_sentence_and_the_rest_goes_on(
    scans: Path, tmp_path: Path
) -> None:
    summary = judge_files(HeightJudge(fail_at=2), sources(scans), tmp_path / "out")
    assert names(summary) == ["s0", "s2"]
    reason = f"{scans / 's1.ply'}: could not be judged (RuntimeError: shapes do not match)."
    assert summary.failed == [FailedFile(str(scans / "s1.ply"), reason)]


def test_points_without_coordinates_are_counted(tmp_path: Path) -> None:
    cloud = good_cloud(0)
    cloud[7] = np.nan
    np.save(tmp_path / "holes.npy", cloud)
    summary = judge_files(HeightJudge(), sources(tmp_path / "holes.npy"), tmp_path / "out")
    assert (summary.clouds[0].num_points, summary.clouds[0].dropped) == (499, 1)


def test_files_of_one_stem_get_results_of_their_own(tmp_path: Path) -> None:
    paths = [tmp_path / "l" / "a.ply", tmp_path / "r" / "A.ply", tmp_path / "l" / "a.xyz"]
    for number, path in enumerate(paths):
        write_points(path, good_cloud(number))
    summary = judge_files(HeightJudge(), sources(*paths), tmp_path / "out")
    files = [tmp_path / "out" / cloud.files["npz"] for cloud in summary.clouds]
    assert len({file.name.casefold() for file in files}) == 3
    for path, file in zip(paths, files, strict=True):
        assert np.array_equal(table(file)["points"], read_points(path).points)


def test_ground_truth_goes_along(scans: Path, tmp_path: Path) -> None:
    points = read_points(scans / "s1.ply").points
    truth = points[:, 2] > 0.9
    backwards = np.column_stack([points, truth])[::-1]
    (tmp_path / "gt").mkdir()
    np.savetxt(tmp_path / "gt" / "s1.txt", backwards, fmt="%.9g")
    given = find_clouds([str(scans)], truth=tmp_path / "gt")
    summary = judge_files(HeightJudge(), given, tmp_path / "out")
    with_truth = table(tmp_path / "out" / summary.clouds[1].files["npz"])["truth"]
    assert with_truth.dtype == np.bool_
    assert np.array_equal(with_truth, truth)
    assert "truth" not in table(tmp_path / "out" / summary.clouds[0].files["npz"])


def test_after_ctrl_c_the_rest_is_done_and_nothing_twice(scans: Path, tmp_path: Path) -> None:
    out, given = tmp_path / "out", sources(scans)
    stopped = judge_files(HeightJudge(stop_at=2), given, out)
    assert (names(stopped), stopped.left) == (["s0"], [str(scans / f"s{i}.ply") for i in (1, 2)])
    assert Summary.read(out) == stopped

    judge = HeightJudge()
    told: list[ResultEntry] = []
    resumed = judge_files(judge, given, out, PredictOptions(resume=True), told.append)
    assert judge.judged == 2
    assert (names(resumed), resumed.left) == (["s0", "s1", "s2"], [])
    assert resumed.clouds[0] == stopped.clouds[0]
    assert resumed.scale == stopped.scale
    assert told == resumed.clouds


def test_resuming_does_again_what_is_not_as_it_was(scans: Path, tmp_path: Path) -> None:
    out, given = tmp_path / "out", sources(scans)
    judge_files(HeightJudge(), given, out)
    (out / "clouds" / "s0.ply").unlink()
    write_points(scans / "s2.ply", good_cloud(8))
    judge = HeightJudge()
    judge_files(judge, given, out, PredictOptions(resume=True))
    assert judge.judged == 2
    assert np.array_equal(table(out / "clouds/s2.npz")["points"], good_cloud(8))
    judge = HeightJudge()
    judge_files(judge, given, out, replace(ALL, resume=True))
    assert judge.judged == 3
    assert len(list((out / "clouds").glob("*.csv"))) == 3


def test_the_summary_is_on_disk_before_the_end(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut leaves: seen from inside the second cloud."""
    monkeypatch.setattr(results_folder, "_SAVE_SECONDS", -1.0)
    seen = []

    def look(entry: ResultEntry) -> None:
        seen.append(len(Summary.read(tmp_path / "out").left))

    judge_files(HeightJudge(), sources(scans), tmp_path / "out", tell=look)
    assert seen == [3, 2, 1]


@pytest.mark.parametrize(
    "other",
    [
        HeightJudge(weights_hash="b" * 64, run=Path("other")),
        HeightJudge(threshold=Threshold(0.9, "by hand")),
    ],
)
@pytest.mark.parametrize("resume", [False, True])
def test_results_of_another_detector_are_not_touched(
    scans: Path, tmp_path: Path, other: HeightJudge, resume: bool
) -> None:
    out = tmp_path / "out"
    judge_files(HeightJudge(), sources(scans), out)
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    with pytest.raises(SummaryError, match=r"another detector said \(Height of run\).*--overwrite"):
        judge_files(other, sources(scans), out, PredictOptions(resume=resume))
    assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == before
    only = sources(scans / "s1.ply")
    assert names(judge_files(other, only, out, PredictOptions(overwrite=True))) == ["s1"]
    assert sorted(file.name for file in (out / "clouds").iterdir()) == ["s1.npz", "s1.ply"]


def test_results_that_are_not_asked_for_again_are_not_lost(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    judge_files(HeightJudge(), sources(scans), out)
    with pytest.raises(SummaryError, match=r"results of 2 clouds that are not asked for now"):
        judge_files(HeightJudge(), sources(scans / "s1.ply"), out)
    with pytest.raises(SummaryError, match=r"s0\.npz: is a result in .*; give another --out"):
        judge_files(HeightJudge(), sources(out / "clouds" / "s0.npz"), out)
    (out / "summary.json").write_text("{}")
    with pytest.raises(SummaryError, match=r"is of version None.*--overwrite to replace"):
        judge_files(HeightJudge(), sources(scans), out)
    assert len(list((out / "clouds").iterdir())) == 6


def test_a_place_that_cannot_be_written_is_named(scans: Path, tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(
        SummaryError, match=r"out: cannot be written \((File exists|Not a directory)"
    ):
        judge_files(HeightJudge(), sources(scans), tmp_path / "out")


@pytest.mark.parametrize(
    ("compare", "compared"), [(None, ["s1"]), (True, ["s0", "s1", "s2"]), (False, [])]
)
def test_by_default_only_anomalous_clouds_are_compared(
    scans: Path, tmp_path: Path, compare: bool | None, compared: list[str]
) -> None:
    judge = HeightJudge(
        card=a_card(scans=[ScanCard("good1", "good1.ply", 500, 0.05, 2.0, 0.9, 0.2)])
    )
    summary = judge_files(judge, sources(scans), tmp_path / "out", PredictOptions(compare=compare))
    assert [c.name for c in summary.clouds if c.nearest_good == "good1"] == compared
    assert (judge.judged, judge.compared) == (3, len(compared))


def test_an_anomaly_is_told_also_if_the_good_scans_are_damaged(
    scans: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    card = a_card(scans=[ScanCard("good1", "good1.ply", 500, 0.05, 2.0, 0.9, 0.2)])
    judge = HeightJudge(card=card, compare_fails=True)
    summary = judge_files(judge, sources(scans), tmp_path / "out")
    assert [c.decision for c in summary.clouds] == ["normal", "anomaly", "normal"]
    assert summary.failed == []
    assert "s1.ply: is judged, but could not be compared with the good scans (good/" in caplog.text


def test_without_good_scans_a_comparison_is_refused_before_anything_is_judged(
    scans: Path, tmp_path: Path
) -> None:
    judge = HeightJudge()
    with pytest.raises(ConfigurationError, match="no good scans to compare with"):
        judge_files(judge, sources(scans), tmp_path / "out", PredictOptions(compare=True))
    assert judge.judged == 0
    assert judge_files(judge, sources(scans), tmp_path / "out").clouds[1].nearest_good is None


def test_without_thresholds_there_are_scores_and_no_decisions(scans: Path, tmp_path: Path) -> None:
    judge = HeightJudge(threshold=None, point_threshold=None)
    summary = judge_files(judge, sources(scans), tmp_path / "out")
    assert {(c.decision, len(c.regions)) for c in summary.clouds} == {(None, 0)}
    assert (table(tmp_path / "out" / "clouds" / "s1.npz")["region"] == -1).all()


@pytest.mark.slow
def test_a_thousand_clouds_do_not_grow_memory(tmp_path: Path) -> None:
    """The scores alone of the clouds 101 to 1,000 are 14 MB, and less than 4 MB may stay."""
    cloud = good_cloud(0, 4000)
    file = tmp_path / "cloud.npy"
    np.save(file, cloud)
    given = [CloudFile(file, f"c{number}") for number in range(1000)]
    process, memory = psutil.Process(), []

    def look(entry: ResultEntry) -> None:
        if len(memory) in (100, 999):
            gc.collect()
        memory.append(process.memory_info().rss)
        assert isinstance(entry, CloudSummary)
        for written in entry.files.values():  # 170 MB otherwise
            (tmp_path / "out" / written).unlink()

    judge = HeightJudge(point_threshold=None)
    summary = judge_files(judge, given, tmp_path / "out", tell=look)
    assert len(summary.clouds) == 1000
    assert memory[999] - memory[100] < 4e6
    assert json.loads((tmp_path / "out/summary.json").read_text())["left"] == []

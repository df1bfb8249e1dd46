"""What `train` and `quickstart` make of a line, in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plane_anomalib.cli import commands
from plane_anomalib.formats.writer import write_points
from plane_anomalib.inspection import scans


@pytest.mark.parametrize(
    ("typed", "ours"),
    [
        (["train", "good_scans"], True),
        (["train", "--model", "Plane"], False),
        (["train"], False),
        (["quickstart", "--help"], True),
        (["test", "good_scans"], False),
    ],
)
def test_train_is_ours_where_a_path_follows(typed: list[str], ours: bool) -> None:
    assert commands.is_ours(typed) is ours


def test_ctrl_c_in_a_fit_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    write_points(tmp_path / "good.ply", np.random.default_rng(0).normal(size=(60, 3)))
    monkeypatch.setattr(scans, "_read", interrupt)
    code = commands.run(["train", str(tmp_path / "good.ply"), "--out", str(tmp_path / "run")])
    assert code == 130
    assert "Nothing is kept" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def test_a_stopped_training_is_not_thrown_away_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_points(tmp_path / "good.ply", np.random.default_rng(0).normal(size=(60, 3)))
    (tmp_path / "run.unfinished").mkdir()
    with pytest.raises(SystemExit):
        commands.run(["train", str(tmp_path / "good.ply"), "--out", str(tmp_path / "run")])
    assert "--resume to go on with it" in capsys.readouterr().err
    assert (tmp_path / "run.unfinished").is_dir()


def test_a_missing_scan_to_check_is_said_before_anything_is_learnt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_points(tmp_path / "good.ply", np.random.default_rng(0).normal(size=(60, 3)))
    line = ["quickstart", str(tmp_path / "good.ply"), "--check", str(tmp_path / "gone.ply")]
    with pytest.raises(SystemExit):
        commands.run([*line, "--out", str(tmp_path / "all")])
    streams = capsys.readouterr()
    assert "gone.ply: there is no such file or folder" in streams.err
    assert "good scan" not in streams.out


def test_an_existing_detector_or_another_folder_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_points(tmp_path / "good.ply", np.random.default_rng(0).normal(size=(60, 3)))
    line = ["train", str(tmp_path / "good.ply"), "--out"]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "detector.json").write_text("{}")
    with pytest.raises(SystemExit):
        commands.run([*line, str(tmp_path / "run")])
    assert "give --overwrite" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        commands.run([*line, str(tmp_path), "--overwrite"])
    assert "no detector's folder" in capsys.readouterr().err
    assert (tmp_path / "run" / "detector.json").read_text() == "{}"

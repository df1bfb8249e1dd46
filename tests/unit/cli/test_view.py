"""`plane-anomalib view` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from plane_anomalib.cli import commands
from tests.support.judged import make_judged, page_data


def test_view_writes_pages_and_says_what_to_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged = make_judged(tmp_path, num=300)
    typed = ["view", str(judged.out), "--view", "-90", "15", "--scale", "0", "2"]
    assert commands.is_ours(typed)
    assert commands.run([*typed, "--size", "80", "--points", "200"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == f"Open {judged.out / 'view' / 'index.html'} in a browser."
    assert len(said) == 3
    assert Image.open(judged.out / "view" / "fine.png").size == (160, 80 + 96)
    data = page_data(judged.out / "view" / "bad.html")
    assert data["cloud"]["shown"] <= 200
    assert data["scale"]["high"] == 2.0


def test_a_cloud_that_cannot_be_shown_is_an_exit_code_of_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged = make_judged(tmp_path, num=300)
    (judged.out / "clouds" / "bad.npz").unlink()
    assert commands.run(["view", str(judged.out), "--size", "64"]) == 1
    assert "bad: not shown" in capsys.readouterr().out


def test_no_results_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        commands.run(["view", str(tmp_path)])
    assert stopped.value.code == 1
    assert "holds no summary.json" in capsys.readouterr().err

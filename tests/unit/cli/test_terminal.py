"""How far a long command is, where there is no terminal."""

from __future__ import annotations

import re

import pytest

from plane_anomalib.cli import terminal


def test_a_stage_is_named_and_its_time_left_told_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "_SECONDS_BETWEEN_LINES", -1.0)
    with terminal.StageLines() as progress:
        progress.start("Judging", 10)
        assert capsys.readouterr().err == "Judging (10 steps)\n"
        progress.advance()
        assert capsys.readouterr().err == "", "the first steps tell little"
        progress.advance()
        assert re.fullmatch(r"  2 of 10, about \d+ s left\n", capsys.readouterr().err)
        progress.advance(8)
        assert capsys.readouterr().err == ""


def test_lines_do_not_come_faster_than_they_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.StageLines() as progress:
        progress.start("Judging", 100)
        for _ in range(99):
            progress.advance()
    assert capsys.readouterr().err == "Judging (100 steps)\n"

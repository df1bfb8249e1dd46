"""How far a long command is where there is no terminal; errors become one line and an exit code."""

from __future__ import annotations

import re

import pytest
from torch.utils.data import DataLoader, Dataset

from plane_anomalib.cli import terminal
from plane_anomalib.cli.terminal import one_sentence_errors, sentence_of
from plane_anomalib.core.errors import DatasetError, PlaneAnomalibError, PointCloudFileError


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


class Broken(Dataset[int]):
    """A dataset whose only item cannot be had."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        raise self.error


def test_our_errors_are_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped, one_sentence_errors():
        raise DatasetError("There is nothing here.")
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "error: There is nothing here.\n"


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError, match="other"), one_sentence_errors():
        raise KeyError("other")


def test_the_variable_asks_for_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANE_ANOMALIB_DEBUG", "1")
    with pytest.raises(DatasetError), one_sentence_errors():
        raise DatasetError("There is nothing here.")


@pytest.mark.parametrize(
    "error", [DatasetError("No such category."), PointCloudFileError("a.pcd", "is cut off")]
)
def test_an_error_from_a_worker_process_keeps_its_sentence(error: PlaneAnomalibError) -> None:
    with pytest.raises(Exception, match="Original Traceback") as caught:
        next(iter(DataLoader(Broken(error), num_workers=1)))
    assert sentence_of(caught.value) == str(error)


def test_a_strangers_error_from_a_worker_has_no_sentence() -> None:
    with pytest.raises(Exception, match="Original Traceback") as caught:
        next(iter(DataLoader(Broken(RuntimeError("other")), num_workers=1)))
    assert sentence_of(caught.value) is None

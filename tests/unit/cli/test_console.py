"""Errors become one line and an exit code, wherever they were raised."""

from __future__ import annotations

import pytest
from torch.utils.data import DataLoader, Dataset

from plane_anomalib.cli.console import one_sentence_errors, sentence_of
from plane_anomalib.core.errors import DatasetError, PlaneAnomalibError, PointCloudFileError


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

"""What a job leaves, on its way from the machine that ran it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from plane_anomalib.benchmark.executors.ray import pack, unpack
from plane_anomalib.benchmark.schema import RESULT_FILE, write_result
from plane_anomalib.core.results import ResultsError
from tests.support.results import order, result


def test_a_folder_arrives_as_it_was_without_links(tmp_path: Path) -> None:
    made = result(order())
    home = write_result(tmp_path / "there", made).parent
    (home / "run/deep").mkdir(parents=True)
    (home / "run/deep/cloud.npz").write_bytes(b"\0\1")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("key")
    (home / "link").symlink_to(tmp_path / "secret/key")
    (home / "linked").symlink_to(tmp_path / "secret", target_is_directory=True)
    arrived = tmp_path / "here" / home.name
    arrived.mkdir(parents=True)
    assert unpack(pack(home), arrived) == made
    files = {file.relative_to(arrived).as_posix() for file in arrived.rglob("*") if file.is_file()}
    assert files == {RESULT_FILE, "run/deep/cloud.npz"}
    assert (arrived / "run/deep/cloud.npz").read_bytes() == b"\0\1"


def test_nothing_is_written_out_of_the_folder(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../beside", "out")
        archive.writestr(str(tmp_path / "absolute"), "out")
    home = tmp_path / "home"
    home.mkdir()
    with pytest.raises(ResultsError, match="cannot be read"):
        unpack(buffer.getvalue(), home)
    assert [entry.name for entry in tmp_path.iterdir()] == ["home"]

"""The folder of results: who may run a job, what the dead leave, how folders come together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from plane_anomalib.benchmark.schema import DONE, SavedCloud, read_result, write_result
from plane_anomalib.benchmark.store import Store, StoreError, merge
from plane_anomalib.core.typed_data import strict_json
from tests.support.results import FAILED, order, result

HOLD = """
import sys
from pathlib import Path
from plane_anomalib.benchmark.store import Store
with Store(Path(sys.argv[1])).claim(sys.argv[2]) as free:
    print(free, flush=True)
    sys.stdin.read()
"""


def test_a_claim_keeps_others_out_until_its_process_is_killed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path), "job"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with store.claim("job") as free:
            assert not free
        with store.claim("another") as free:
            assert free
        assert store.is_claimed("job")
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.communicate()
    assert not store.is_claimed("job")
    with store.claim("job") as free:
        assert free
        with store.claim("job") as again:
            assert not again, "another thread of this process"
    with store.claim("job") as free:
        assert free


def test_an_unfinished_folder_is_begun_anew(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / "job" / "run").mkdir(parents=True)
    (tmp_path / "job" / "run" / "half.ckpt").write_text("half")
    (tmp_path / ".job-1234").mkdir()
    assert list(store.clean("job").iterdir()) == []
    assert [entry.name for entry in tmp_path.iterdir()] == ["job"]


def test_a_damaged_result_is_none(tmp_path: Path) -> None:
    store, wanted = Store(tmp_path), order()
    file = write_result(tmp_path, result(wanted))
    assert store.results([wanted.job_id, "x"]) == {wanted.job_id: result(wanted)}
    file.write_text(file.read_text()[:-40])
    assert store.result(wanted.job_id) is None


def test_folders_of_machines_come_together_by_copying(tmp_path: Path) -> None:
    first, second, all_of_them = (tmp_path / name for name in ("a", "b", "all"))
    cloud = SavedCloud("best_000.npz", "bowl0/test/x.pcd", "bowl0", "best", 0.5)
    kept = replace(result(order(0)), clouds=[cloud])
    np.savez(write_result(first, kept).parent / cloud.file, points=np.zeros((1, 3)))
    write_result(first, result(order(1), FAILED))
    write_result(second, result(order(1)))
    write_result(second, result(order(2)))
    copied, damaged = merge([first, second], all_of_them)
    assert (sorted(copied), damaged) == (sorted(order(seed).job_id for seed in (0, 1, 1, 2)), [])
    found = Store(all_of_them).results(order(seed).job_id for seed in range(3))
    assert [found[order(seed).job_id].status for seed in range(3)] == ["done"] * 3
    assert (all_of_them / order(0).job_id / cloud.file).is_file()
    assert merge([first, second], all_of_them) == ([], []), "what is there stays"
    assert not [entry for entry in all_of_them.iterdir() if entry.name.startswith(".")]


def test_damaged_results_are_named_and_left_out(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    write_result(source, result(order(0))).write_text("{")
    renamed = source / order(1).job_id
    write_result(source, result(order(2))).parent.rename(renamed)
    for seed, name in ((3, "gone.npz"), (4, "../escape.npz")):
        cloud = SavedCloud(name, "x.pcd", "bowl0", "best", 0.5)
        write_result(source, replace(result(order(seed)), clouds=[cloud]))
    (source / "escape.npz").write_text("")
    write_result(source, result(order(5)))
    copied, damaged = merge([source], target)
    assert copied == [order(5).job_id]
    assert len(damaged) == 4
    assert any("is of another job" in sentence for sentence in damaged)
    assert sum("is missing" in sentence for sentence in damaged) == 2
    with pytest.raises(StoreError, match="no folder of results"):
        merge([tmp_path / "nowhere"], target)


def test_a_result_of_0_1_reads_as_it_was_written() -> None:
    file = Path(__file__).with_name("result_of_0_1.json")
    found = read_result(file)
    assert (found.job.row, found.status) == ("BTF FPFH", DONE)
    assert strict_json(found, indent=2) + "\n" == file.read_text(encoding="utf-8")

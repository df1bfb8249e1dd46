"""A job's process and its limits; it only ever gets as far as its imports here."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import psutil
import pytest

from plane_anomalib.benchmark.executors import Resources, create_executor, is_settled
from plane_anomalib.benchmark.executors.local import slots_of_machine
from plane_anomalib.benchmark.job_process import Allowance, supervise
from plane_anomalib.benchmark.schema import RESULT_FILE, read_result, write_result
from plane_anomalib.benchmark.store import Store
from tests.support.results import DONE, FAILED, order, result


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / order().job_id
    folder.mkdir()
    return folder


def test_a_job_that_takes_too_long_is_ended(home: Path) -> None:
    found = supervise(order(), home, Allowance(timeout_seconds=0.3), threading.Event())
    assert found is not None
    assert (found.status, found.run, found.attempt) == ("timeout", None, 1)
    assert found.failure is not None
    assert found.failure.message == "It took longer than 0.3 s and was ended."
    assert read_result(home / RESULT_FILE) == found
    assert not _children()


def test_a_job_that_holds_too_much_is_ended(home: Path) -> None:
    found = supervise(order(), home, Allowance(memory_bytes=60 * 2**20), threading.Event())
    assert found is not None
    assert found.status == "out_of_memory"
    assert found.failure is not None
    assert "more than the limit of 0.06 GiB" in found.failure.message
    assert not _children()


def test_a_job_that_somebody_kills_says_so(home: Path) -> None:
    threading.Thread(target=_kill_first_child).start()
    found = supervise(order(), home, Allowance(), threading.Event())
    assert found is not None
    assert (found.status, found.failure and found.failure.type) == (FAILED, "Died")
    assert "killed by SIGKILL; the system may have run out of memory" in str(found.failure)


def test_a_sweep_that_is_stopped_leaves_nothing_running_and_nothing_half_done(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    write_result(tmp_path, result(order(0)))
    orders = [order(0), order(1), order(2)]
    running = create_executor("local", Resources(processes=1)).run(orders, store)
    assert next(running).job_id == order(0).job_id, "what another process has done is taken"
    while not _children():
        time.sleep(0.01)
    running.close()
    assert not _children()
    folders = {entry.name for entry in tmp_path.iterdir() if not entry.name.startswith(".")}
    assert folders == {order(0).job_id}
    assert not any(store.is_claimed(each.job_id) for each in orders)


def test_a_job_that_another_process_is_at_is_waited_for(tmp_path: Path) -> None:
    store, wanted = Store(tmp_path), order()
    with store.claim(wanted.job_id):
        threading.Timer(0.3, write_result, (tmp_path, result(wanted))).start()
        running = create_executor("local", Resources()).run([wanted], store)
        waiting: list[str] = []
        thread = threading.Thread(target=lambda: waiting.extend(r.status for r in running))
        thread.start()
        thread.join(0.8)
        assert waiting == []
    thread.join(10)
    assert waiting == [DONE]


def test_what_settles_an_order() -> None:
    assert not is_settled(order(), None)
    assert is_settled(order(), result(order()))
    assert is_settled(order(), result(order(), FAILED))
    assert not is_settled(order(attempt=2), result(order(), FAILED))
    assert is_settled(order(attempt=2), result(order()))


def test_processes_share_the_cores_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    local = "plane_anomalib.benchmark.executors.local"
    monkeypatch.setattr(f"{local}.usable_cores", lambda: 8)
    for processes, jobs, count, threads in ((4, 9, 4, "2"), (4, 2, 2, "4"), (20, 99, 20, "1")):
        slots = slots_of_machine(processes, jobs)
        assert [slot["OMP_NUM_THREADS"] for slot in slots] == [threads] * count
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert "OMP_NUM_THREADS" not in slots_of_machine(2, 2)[0], "what the user has set stays"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in slots_of_machine(None, 9)] == ["2", "5"]


def _children() -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [each for each in found if "job_process" in " ".join(each.cmdline())]


def _kill_first_child() -> None:
    while not (found := _children()):
        time.sleep(0.01)
    found[0].kill()

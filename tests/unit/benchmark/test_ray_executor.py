"""Sweeps on a Ray cluster of three nodes, all of them on this machine; one is killed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from plane_anomalib.benchmark.executors import Resources, create_executor, ray
from plane_anomalib.benchmark.executors.ray_cluster import ClusterError, Share, connected, load_ray
from plane_anomalib.benchmark.identity import code_digest, job_id
from plane_anomalib.benchmark.schema import JobOrder, read_results, write_result
from plane_anomalib.benchmark.store import Store
from plane_anomalib.cli import commands
from plane_anomalib.core.errors import ConfigurationError, MissingDependencyError
from plane_anomalib.core.registry import DATASETS, MODELS
from plane_anomalib.core.results import Component
from tests.support import quick_jobs
from tests.support.quick_jobs.sitecustomize import DEADLY
from tests.support.results import DONE, FAILED, order, result

pytestmark = pytest.mark.slow

QUICK = Path(quick_jobs.__path__[0])
NODES = 3
PATIENCE = 240
"""Seconds that nothing here takes, except on a machine that is out of breath."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes of one core and one GPU (nobody looks for it) each, connected for all tests.

    Executors leave a connection that is there as it is, so that workers are started but once.
    """
    with pytest.MonkeyPatch.context() as patch:
        path = [str(QUICK), str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        load_ray()
        folder = Path(tempfile.mkdtemp(prefix="ray"))
        patch.setenv("TMPDIR", str(folder))  # For what killed workers leave.
        (folder / "ray").mkdir()
        # Also the address that `auto` finds: another cluster on this machine keeps its own.
        patch.setenv("RAY_TMPDIR", str(folder))
        from ray.cluster_utils import Cluster

        made = Cluster()
        try:
            for index in range(NODES):
                first = {} if index else {"include_dashboard": False}
                made.add_node(
                    wait=False, num_cpus=1, num_gpus=1, object_store_memory=80 * 2**20,
                    **first,
                )  # fmt: skip
            made.wait_for_nodes(PATIENCE)
            with connected(made.address):
                yield made
        finally:
            _end(made, folder)


def _end(cluster: Any, folder: Path) -> None:
    """Leave no process of the cluster, whatever has happened to it."""
    import ray

    try:
        ray.shutdown()
        cluster.shutdown()
    finally:
        ours = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if str(folder) in " ".join(process.cmdline()):
                    ours.append(process)
                    process.kill()
        psutil.wait_procs(ours, timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


def wanted(notes: Path, *seeds: int) -> list[JobOrder]:
    """Orders for this machine's code, which note what they do."""
    code = code_digest(MODELS.entry("BTF"), DATASETS.entry("AnomalyShapeNet"))
    made = []
    for seed in seeds:
        plain = order(seed)
        identity = replace(plain.identity, code=code)
        job = replace(plain.job, data=Component("AnomalyShapeNet", {"root": str(notes)}))
        made.append(JobOrder(job_id(identity), job, identity))
    return made


def started(notes: Path, count: int) -> list[dict[str, Any]]:
    """What jobs noted, once this many have."""
    deadline = time.monotonic() + PATIENCE
    while len(files := list(notes.glob("*.json"))) < count:
        assert time.monotonic() < deadline, f"{len(files)} of {count} jobs have started"
        time.sleep(0.05)
    return [json.loads(file.read_text()) for file in files]


def resources(cluster: Any, **options: str) -> Resources:
    return Resources(options={"address": cluster.address, **options})


def node_of(cluster: Any, note: dict[str, Any]) -> Any:
    """The node that a job runs on: of its worker's parent."""
    raylet = psutil.Process(note["parent"]).ppid()
    for node in cluster.list_all_nodes():
        if any(info.process.pid == raylet for info in node.all_processes["raylet"]):
            return node
    raise AssertionError(f"{note} runs on no node")


def is_running(note: dict[str, Any]) -> bool:
    with suppress(psutil.Error):
        return "job_process" in " ".join(psutil.Process(note["pid"]).cmdline())
    return False


def wait_for_end(notes: list[dict[str, Any]]) -> None:
    deadline = time.monotonic() + PATIENCE
    while any(map(is_running, notes)):
        assert time.monotonic() < deadline, "a job outlives its worker"
        time.sleep(0.05)


def names_in(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir() if not entry.name.startswith(".")}


@pytest.mark.parametrize("patience", [ray._CANCEL_SECONDS, 0.0], ids=["asked", "killed"])
def test_closing_a_sweep_ends_its_tasks_and_leaves_nothing(
    cluster: Any, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    monkeypatch.setattr(ray, "_CANCEL_SECONDS", patience)
    store = Store(tmp_path / "results")
    running_job, queued_job, done_job = orders = wanted(notes, 1, 2, 3)
    write_result(store.folder, result(done_job))
    running = create_executor("ray", resources(cluster, gpus="0")).run(orders, store)
    assert next(running).job_id == done_job.job_id, "what another process has done is taken"
    jobs = started(notes, 2)
    assert all(store.is_claimed(each.job_id) for each in (running_job, queued_job))
    assert [note["CUDA_VISIBLE_DEVICES"] for note in jobs] == ["", ""]
    running.close()
    assert not any(map(is_running, jobs))
    assert names_in(store.folder) == {done_job.job_id}
    assert not any(store.is_claimed(each.job_id) for each in orders)


def test_a_worker_with_other_code_is_refused(cluster: Any, notes: Path, tmp_path: Path) -> None:
    (made,) = wanted(notes, 1)
    other = replace(made, identity=replace(made.identity, code="0" * 64))
    sentence = "has other code for BTF on AnomalyShapeNet than the sweep was planned with: install"
    with pytest.raises(ClusterError, match=sentence) as refused:
        list(create_executor("ray", resources(cluster)).run([other], Store(tmp_path / "results")))
    assert "\n" not in str(refused.value)
    assert not list(notes.iterdir())


def test_a_job_that_takes_its_workers_down_becomes_a_failed_row(
    cluster: Any, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plane_anomalib.benchmark.executors.ray.RETRIES", 1)
    (notes / "go").touch()
    store, orders = Store(tmp_path / "results"), wanted(notes, DEADLY, 1)
    results = list(create_executor("ray", resources(cluster)).run(orders, store))
    assert {r.job.seed: r.status for r in results} == {DEADLY: FAILED, 1: DONE}
    assert Counter(note["seed"] for note in started(notes, 3)) == {DEADLY: 2, 1: 1}
    (failure,) = [r.failure for r in results if r.status == FAILED]
    assert failure is not None
    assert failure.type == "WorkerCrashedError"
    assert read_results(store.folder) == sorted(results, key=lambda r: r.job_id)


def test_a_node_is_killed_and_every_result_arrives_once(
    cluster: Any,
    notes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Last in this file: the cluster has one node less afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    store, orders = Store(Path("results")), wanted(notes, *range(8))
    lost: list[dict[str, Any]] = []

    def kill_a_node() -> None:
        try:
            jobs = started(notes, 2 * NODES)
            nodes = {note["pid"]: node_of(cluster, note) for note in jobs}
            assert Counter(nodes.values()) == dict.fromkeys(cluster.list_all_nodes(), 2)
            doomed = next(node for node in nodes.values() if node is not cluster.head_node)
            lost.extend(note for note in jobs if nodes[note["pid"]] is doomed)
            cluster.remove_node(doomed, allow_graceful=False)
            wait_for_end(lost)
        finally:
            (notes / "go").touch()

    killer = threading.Thread(target=kill_a_node)
    killer.start()
    share = resources(cluster, gpus="0.5", cpus="0.5")
    results = list(create_executor("ray", share).run(orders, store))
    killer.join()

    assert capfd.readouterr() == ("", ""), "what Ray has to say about it is for its log files"
    assert len(lost) == 2, "two jobs ran on the node, each with half of its GPU"
    assert sorted(r.job_id for r in results) == sorted(each.job_id for each in orders)
    assert {r.status for r in results} == {DONE}
    assert read_results(store.folder) == sorted(results, key=lambda r: r.job_id)
    assert names_in(store.folder) == {each.job_id for each in orders}
    for each in orders:
        home = store.home(each.job_id)
        assert (home / "run/inner/file.txt").read_text() == str(each.job.seed)
        assert (home / "log.txt").exists()
        assert not store.is_claimed(each.job_id)
    jobs = started(notes, 10)
    again = Counter({note["seed"]: 1 for note in lost})
    assert Counter(note["seed"] for note in jobs) == Counter(range(8)) + again
    assert {note["CUDA_VISIBLE_DEVICES"] for note in jobs} == {"0"}
    assert {note["OMP_NUM_THREADS"] for note in jobs} == {"1"}
    assert {note["RAY_USAGE_STATS_ENABLED"] for note in jobs} == {"0"}
    assert {note["cwd"] for note in jobs} == {str(tmp_path)}, "relative paths mean the same"


def test_the_share_of_a_job_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert Share.parse({}) == Share("local", 1.0, None)
    given = {"address": "auto", "cpus": "2", "gpus": "0.5"}
    assert Share.parse(given) == Share("auto", 2.0, 0.5)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert Share.parse({"gpus": "0"}) == Share("10.0.0.1:6379", 1.0, 0.0)
    for options, sentence in (
        ({"cpus": "many"}, "--ray-cpus must be a number, not 'many'."),
        ({"cpus": "0"}, "--ray-cpus must be above 0."),
        ({"gpus": "-1"}, "--ray-gpus must be a number, not '-1'."),
        ({"gpus": "nan"}, "--ray-gpus must be a number, not 'nan'."),
        ({"gpus": "1.5"}, "--ray-gpus 1.5: a job has a part of one GPU, or whole GPUs."),
    ):
        with pytest.raises(ConfigurationError) as refused:
            create_executor("ray", Resources(options=options))
        assert str(refused.value) == sentence


def test_an_address_without_a_cluster_is_said_at_once(tmp_path: Path, notes: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        running = create_executor("ray", Resources(options={"address": address}))
        began = time.monotonic()
        sentence = rf"^No Ray cluster can be used at '{address}' .*refused.*: `ray start --head` "
        with pytest.raises(ClusterError, match=sentence):
            list(running.run(wanted(notes, 1), Store(tmp_path)))
    assert time.monotonic() - began < 60


def test_what_is_for_ray_alone_goes_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        commands.run(["sweep", "run", "smoke", "--ray-gpus", "0.5"])
    expected = "error: --ray-gpus goes with --executor ray: add that, or leave it out.\n"
    assert capsys.readouterr().err == expected


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    sentence = r'^ray is needed for --executor ray .*: pip install "plane-anomalib\[ray\]"\.$'
    with pytest.raises(MissingDependencyError, match=sentence):
        create_executor("ray", Resources())

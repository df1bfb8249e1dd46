"""Jobs on a Ray cluster, each in a process of its own under a Ray task.

A task runs its job in a folder of its own on its node, and what that folder holds in the end comes
back to this process, the only one that writes into the folder of results. So that folder need not
be shared between the nodes, a node that dies leaves nothing half done in it, and a job that Ray
starts again elsewhere has its result there once.

The nodes must have what a job reads: the data and the weights, under the same paths, and the same
code. A worker whose code differs is refused, since the id of a job says which code made its result.
"""

from __future__ import annotations

import io
import os
import socket
import time
import zipfile
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

from plane_anomalib.benchmark.executors import Resources, is_settled
from plane_anomalib.benchmark.executors.ray_cluster import (
    RETRIES,
    ClusterError,
    Share,
    check_fits,
    connected,
    first_line,
    fitting,
    load_ray,
)
from plane_anomalib.benchmark.identity import code_digest
from plane_anomalib.benchmark.job_process import Allowance, failed, supervise
from plane_anomalib.benchmark.schema import (
    FAILED,
    OUT_OF_MEMORY,
    RESULT_FILE,
    Failure,
    JobOrder,
    JobResult,
    read_result,
    write_result,
)
from plane_anomalib.benchmark.store import Store
from plane_anomalib.core.errors import ConfigurationError, PlaneAnomalibError
from plane_anomalib.core.files import replaced
from plane_anomalib.core.registry import DATASETS, MODELS
from plane_anomalib.core.typed_data import from_plain, load_strict, strict_json

_WAIT_SECONDS = 1.0
_CANCEL_SECONDS = 10.0
"""For a task to end its job and itself; after that its worker is killed."""
_KILL_SECONDS = 10.0
_MOST_AT_A_TIME = 400
"""Each job that is submitted holds a file open, its claim."""
_THREADS = "OMP_NUM_THREADS"


class RayExecutor:
    """Jobs as tasks of a Ray cluster.

    Args:
        resources: `processes` bounds the jobs submitted at a time, `memory_bytes` is also what Ray
            keeps free for each; the options are those of `Share.parse`.

    Raises:
        ConfigurationError: An option cannot be meant.
        MissingDependencyError: Ray is not installed.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._share = Share.parse(resources.options or {})
        load_ray()

    def run(self, orders: Sequence[JobOrder], store: Store) -> Generator[JobResult, None, None]:
        """See `Executor`.

        Raises:
            ClusterError: The cluster cannot be reached, or cannot run any job.
        """
        with connected(self._share.address) as ray:
            wanted = self._wanted(ray)
            check_fits(ray, wanted, self._share.address)
            yield from _Submissions(ray, wanted, self._resources, orders, store).results()

    def _wanted(self, ray: Any) -> dict[str, float]:
        """What each job takes, by Ray's name for it."""
        gpus, memory = self._share.gpus, self._resources.memory_bytes
        if gpus is None:
            gpus = float(ray.cluster_resources().get("GPU", 0) > 0)
        wanted = {"CPU": self._share.cpus, "GPU": gpus, "memory": float(memory or 0)}
        return {name: amount for name, amount in wanted.items() if amount}


class _Submissions:
    """Orders on their way through a cluster; this process has the claim of each that is there."""

    def __init__(
        self,
        ray: Any,
        wanted: Mapping[str, float],
        resources: Resources,
        orders: Sequence[JobOrder],
        store: Store,
    ) -> None:
        self._ray, self._wanted, self._store = ray, wanted, store
        self._most = resources.processes
        self._waiting = deque(orders)
        self._running: dict[Any, tuple[JobOrder, ExitStack]] = {}
        threads = os.environ.get(_THREADS) or str(max(int(wanted["CPU"]), 1))
        self._setting = Setting(
            os.getcwd(), resources.timeout_seconds, resources.memory_bytes, {_THREADS: threads}
        )
        self._task = ray.remote(
            num_cpus=wanted["CPU"],
            num_gpus=wanted.get("GPU", 0),
            memory=int(wanted.get("memory", 0)) or None,
            max_retries=RETRIES,
        )(run_order)

    def results(self) -> Iterator[JobResult]:
        """Submit the orders and bring their results home."""
        try:
            while self._waiting or self._running:
                yield from self._submit()
                yield from self._collect()
        finally:
            self._cancel()

    def _submit(self) -> Iterator[JobResult]:
        """Submit what may be, and yield what turns out to be done already."""
        room = self._room()
        for _ in range(len(self._waiting)):
            if len(self._running) >= room:
                return
            order, claim = self._waiting.popleft(), ExitStack()
            if not claim.enter_context(self._store.claim(order.job_id)):
                # Another process is at it; perhaps it dies.
                claim.close()
                self._waiting.append(order)
                continue
            before = self._store.result(order.job_id)
            if before is not None and is_settled(order, before):
                claim.close()
                yield before
                continue
            task = self._task.options(name=f"plane-anomalib {order.job_id}")
            self._running[task.remote(strict_json(order), self._setting)] = order, claim

    def _room(self) -> int:
        """How many jobs may be submitted at a time.

        Twice what fits now: no node waits for this process, and an autoscaler sees that more is
        wanted. The rest is left to other sweeps on the same folder.
        """
        if self._most is not None:
            return self._most
        return min(2 * max(fitting(self._ray, self._wanted), 1), _MOST_AT_A_TIME)

    def _collect(self) -> Iterator[JobResult]:
        """Wait for a moment, and yield what has ended."""
        if not self._running:
            time.sleep(_WAIT_SECONDS)
            return
        ready, _ = self._ray.wait(list(self._running), timeout=_WAIT_SECONDS)
        for reference in ready:
            order, claim = self._running.pop(reference)
            with claim:
                result = self._land(order, reference)
            yield result

    def _land(self, order: JobOrder, reference: Any) -> JobResult:
        """Put a task's outcome into the folder of results."""
        errors = self._ray.exceptions
        try:
            parcel = self._ray.get(reference)
        except errors.RayTaskError as error:
            raise _refusal(order, error.cause) from error
        except errors.RayError as error:
            is_memory = isinstance(error, errors.OutOfMemoryError)
            failure = Failure(type(error).__name__, first_line(error), str(error))
            now = time.time()
            result = failed(order, OUT_OF_MEMORY if is_memory else FAILED, failure, now, now)
            self._store.clean(order.job_id)
            write_result(self._store.folder, result)
            return result
        return unpack(parcel, self._store.clean(order.job_id))

    def _cancel(self) -> None:
        """End every task, and wait until their processes are gone."""
        left = list(self._running)
        for force, patience in ((False, _CANCEL_SECONDS), (True, _KILL_SECONDS)):
            for reference in left:
                self._ray.cancel(reference, force=force)
            if left:
                _, left = self._ray.wait(left, num_returns=len(left), timeout=patience)
        for _, claim in self._running.values():
            claim.close()


def _refusal(order: JobOrder, cause: BaseException) -> PlaneAnomalibError:
    """A task's exception as one sentence."""
    if isinstance(cause, PlaneAnomalibError):
        return cause
    return ClusterError(
        f"A Ray worker could not run job {order.job_id} ({type(cause).__name__}: "
        f"{first_line(cause)}): every node needs plane_anomalib as it is installed here."
    )


@dataclass(frozen=True)
class Setting:
    """What a worker is told beside its order.

    Attributes:
        folder: Where relative paths of the sweep begin.
        timeout_seconds: See `Allowance`.
        memory_bytes: See `Allowance`.
        environment: See `Allowance`.
    """

    folder: str
    timeout_seconds: float | None = None
    memory_bytes: int | None = None
    environment: dict[str, str] = field(default_factory=dict)


def run_order(text: str, setting: Setting) -> bytes:
    """Run a job on the node that this is called on.

    Its folder lies where temporary files go on that node; a worker that is killed leaves it there.

    Args:
        text: The order as JSON.
        setting: Everything else.

    Returns:
        Its folder, packed.

    Raises:
        ClusterError: The code on this node is not the code that the order was made for.
    """
    order = from_plain(JobOrder, load_strict(text))
    refuse_other_code(order)
    if Path(setting.folder).is_dir():
        os.chdir(setting.folder)
    gpus = ",".join(map(str, load_ray().get_gpu_ids()))
    environment = {**setting.environment, "CUDA_VISIBLE_DEVICES": gpus}
    allowance = Allowance(setting.timeout_seconds, setting.memory_bytes, environment)
    with TemporaryDirectory(prefix="plane-anomalib-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / order.job_id
        home.mkdir()
        supervise(order, home, allowance, Event())
        return pack(home)


def refuse_other_code(order: JobOrder) -> None:
    """Refuse an order if this machine's code is not the one in the job's identity.

    Raises:
        ClusterError: It differs, or lacks the model or the dataset.
    """
    model, dataset = order.job.model.name, order.job.data.name
    try:
        same = code_digest(MODELS.entry(model), DATASETS.entry(dataset)) == order.identity.code
    except ConfigurationError:  # A plugin is missing.
        same = False
    if not same:
        raise ClusterError(
            f"The Ray worker on {socket.gethostname()} has other code for {model} on {dataset} "
            "than the sweep was planned with: install the same version of plane_anomalib, and of "
            "the plugin, on every node, and restart Ray there."
        )


def pack(home: Path) -> bytes:
    """Everything in a job's folder, without links: what they lead to stays behind.

    Args:
        home: The folder.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(home.rglob("*")):
            relative = file.relative_to(home)
            above = [home / parent for parent in relative.parents]
            if file.is_file() and not any(part.is_symlink() for part in (file, *above[:-1])):
                archive.write(file, relative.as_posix())
    return buffer.getvalue()


def unpack(parcel: bytes, home: Path) -> JobResult:
    """Write a packed folder; its result, by which others know that it is whole, comes last.

    Args:
        parcel: From `pack`.
        home: Where to: the job's folder, empty and claimed.

    Returns:
        The result in it.

    Raises:
        ResultsError: There is no result, or it is damaged or of another schema version.
    """
    with zipfile.ZipFile(io.BytesIO(parcel)) as archive:
        # `extract` takes drives, roots and `..` out of names.
        names = archive.namelist()
        for name in names:
            if name != RESULT_FILE:
                archive.extract(name, home)
        if RESULT_FILE in names:
            with replaced(home / RESULT_FILE) as temporary:
                temporary.write_bytes(archive.read(RESULT_FILE))
    return read_result(home / RESULT_FILE)

"""What a Ray worker does: one job, in a process of its own, in a folder of its own.

The worker need not see the folder of results: what its job leaves travels home as bytes.
"""

from __future__ import annotations

import io
import os
import socket
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from plane_anomalib.benchmark.executors.ray_cluster import ClusterError, load_ray
from plane_anomalib.benchmark.identity import code_digest
from plane_anomalib.benchmark.job_process import Allowance, supervise
from plane_anomalib.benchmark.schema import RESULT_FILE, JobOrder, JobResult, read_result
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.files import replaced
from plane_anomalib.core.registry import DATASETS, MODELS
from plane_anomalib.core.typed_data import from_plain, load_strict


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

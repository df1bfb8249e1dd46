"""What a Ray worker does: one job, in a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from plane_anomalib.benchmark.code_digest import code_digest
from plane_anomalib.benchmark.executors.parcel import pack
from plane_anomalib.benchmark.executors.ray_cluster import ClusterError, load_ray
from plane_anomalib.benchmark.order import Order
from plane_anomalib.benchmark.supervise import Allowance, supervise
from plane_anomalib.core.errors import ConfigurationError
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
    order = from_plain(Order, load_strict(text))
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


def refuse_other_code(order: Order) -> None:
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

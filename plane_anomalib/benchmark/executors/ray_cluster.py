"""A Ray cluster: what is asked of it, the way to it, and what it has room for."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from plane_anomalib.core.errors import (
    ConfigurationError,
    MissingDependencyError,
    PlaneAnomalibError,
)

logger = logging.getLogger(__name__)

RETRIES = 3
"""How often a job is started again after its node or its worker has died."""
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray would start a job that fills its node's memory again and again.
    "RAY_task_oom_retries": str(RETRIES),
    # Ray would have everything else on a machine go first, and jobs are timed.
    "RAY_worker_niceness": "0",
    # Ray announces that it will no longer hide GPUs from tasks without one; jobs are told here.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # It prints what its own processes log when a node dies, where the tables of the sweep go.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
}
"""Of this process, unless the user has set them."""
_OBJECT_BYTES = 256 * 2**20
"""Of a local cluster, for results on their way; Ray would take a third of the memory."""
_REACH_SECONDS = 10.0


class ClusterError(PlaneAnomalibError):
    """There is no Ray cluster, or it cannot run the jobs."""


@dataclass(frozen=True)
class Share:
    """What each job takes of a cluster.

    Attributes:
        address: Of the cluster, "auto" for the one this machine belongs to, "local" for a new one
            on this machine.
        cpus: Cores, not necessarily whole.
        gpus: GPUs, a part of one or whole ones; None for one if the cluster has any.
    """

    address: str = "local"
    cpus: float = 1.0
    gpus: float | None = None

    @classmethod
    def parse(cls, options: Mapping[str, str]) -> Share:
        """Read the options `address`, `cpus` and `gpus`; each may be left out.

        Without an address the variable `RAY_ADDRESS` counts, as everywhere in Ray.

        Raises:
            ConfigurationError: One of them cannot be meant.
        """
        address = options.get("address") or os.environ.get("RAY_ADDRESS") or "local"
        cpus, gpus = _number(options, "cpus"), _number(options, "gpus")
        if cpus is not None and cpus <= 0:
            raise ConfigurationError("--ray-cpus must be above 0.")
        if gpus is not None and gpus > 1 and not gpus.is_integer():
            raise ConfigurationError(
                f"--ray-gpus {gpus:g}: a job has a part of one GPU, or whole GPUs."
            )
        return cls(address, 1.0 if cpus is None else cpus, gpus)


def load_ray() -> Any:
    """The package, imported so that it keeps quiet.

    Raises:
        MissingDependencyError: It is not installed.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError("ray", "ray", "for --executor ray") from error
    return ray


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, connected; a connection that was there before stays.

    Args:
        address: See `Share`.

    Raises:
        ClusterError: There is no cluster at the address, or it is of another version.
    """
    ray = load_ray()
    _check_reachable(address)
    if ray.is_initialized():
        yield ray
        return
    own = {"object_store_memory": _OBJECT_BYTES, "include_dashboard": False}
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **(own if address == "local" else {}),
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise _unusable(address, error) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Try an address of host and port: Ray itself tries for minutes, line by line."""
    found = re.fullmatch(r"(?:ray://)?\[?([^/]+?)\]?:(\d{1,5})", address)
    if found is None:
        return
    try:
        socket.create_connection((found[1], int(found[2])), timeout=_REACH_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _unusable(address, error) from error


def _unusable(address: str, error: Exception) -> ClusterError:
    return ClusterError(
        f"No Ray cluster can be used at {address!r} ({first_line(error)}): `ray start --head` "
        "starts one, and without --ray-address there is one on this machine for the sweep."
    )


def fitting(ray: Any, wanted: Mapping[str, float]) -> int:
    """How many jobs the nodes have room for, if nothing else runs there."""
    offers = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(
        min(int(offer.get(name, 0) / amount) for name, amount in wanted.items()) for offer in offers
    )


def check_fits(ray: Any, wanted: Mapping[str, float], address: str) -> None:
    """Say it if no node has room for a job; a cluster, other than this machine, may grow."""
    if fitting(ray, wanted):
        return
    what = " and ".join(
        f"{amount / 2**30:g} GiB of memory" if name == "memory" else f"{amount:g} {name}"
        for name, amount in wanted.items()
    )
    if address == "local":
        raise ClusterError(
            f"This machine has not the {what} that each job is to have: ask for less, or give "
            "--ray-address of a cluster."
        )
    logger.warning("No node of the Ray cluster has %s: the jobs wait for one that has.", what)


def first_line(error: BaseException) -> str:
    """What an error says first; Ray's go on for a page."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__


def _number(options: Mapping[str, str], name: str) -> float | None:
    """An option that is a number from 0 on."""
    text = options.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ConfigurationError(f"--ray-{name} must be a number, not {text!r}.")
    return value

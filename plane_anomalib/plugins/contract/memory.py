"""The check of peak memory, on a cloud as large as a scanner's."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from plane_anomalib.core.errors import ContractError, NotMeasuredError
from plane_anomalib.plugins.contract.check import check, expect
from plane_anomalib.plugins.contract.subject import Subject
from plane_anomalib.plugins.contract.trees import surface

POINTS = 300_000
LIMIT = 2_000_000_000
"""Bytes above what the process held before: 6,700 per point."""
_ADVICE = "work in chunks of points, never on a matrix of all points by all others."
_PROC = Path("/proc/self")


@check
def bounded_memory(subject: Subject, generator: np.random.Generator) -> None:
    """Scoring a cloud of 300,000 points takes at most 2 GB."""
    cloud = surface(generator, POINTS)
    subject.model  # noqa: B018  (training is not to be measured)
    gc.collect()
    before = _restart_peak()
    with _limited_to(2 * LIMIT):
        try:
            found = subject.scores(cloud)
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and "memory" not in str(error):
                raise
            raise ContractError(
                f"Scoring {POINTS:,} points takes more than {2 * LIMIT / 1e9:.0f} GB: {_ADVICE}"
            ) from error
        grown = _status("VmHWM") - before
    expect(len(found.anomaly_map) == POINTS, f"{len(found.anomaly_map)} scores for {POINTS:,}.")
    expect(
        grown <= LIMIT,
        f"Scoring {POINTS:,} points takes {grown / 1e9:.1f} GB, more than {LIMIT / 1e9:.0f}: "
        f"{_ADVICE}",
    )


def _restart_peak() -> int:
    """Let the peak of resident memory start again from what is resident now, and say how much.

    In this process, since another one would take the seconds that torch and anomalib take to
    import. What earlier calls left with the allocator counts as resident.

    Raises:
        NotMeasuredError: The system has no such switch.
    """
    try:
        (_PROC / "clear_refs").write_text("5")
        return _status("VmRSS")
    except OSError as error:
        raise NotMeasuredError(
            "peak memory can only be measured on Linux, with a writable /proc/self/clear_refs."
        ) from error


def _status(field: str) -> int:
    """A field of the process's status, in bytes."""
    found = re.search(rf"^{field}:\s+(\d+) kB$", (_PROC / "status").read_text(), re.M)
    if found is None:
        raise OSError(f"{_PROC}/status has no {field}.")
    return int(found[1]) * 1024


@contextmanager
def _limited_to(growth: int) -> Iterator[None]:
    """Let allocations fail that go beyond `growth` bytes, before the system kills the process."""
    import resource  # not on every system

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    ceiling = _status("VmSize") + growth
    if soft != resource.RLIM_INFINITY:
        ceiling = min(ceiling, soft)
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

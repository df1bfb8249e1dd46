"""How many processors there are for this process."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Processors that this process may run on, at least 1 and not always all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

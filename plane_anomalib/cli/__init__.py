"""`plane-anomalib`: our commands at once, anomalib's with this package imported explicitly."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import NoReturn

_UNREAD = 120
"""Python's own exit code for output that could not be written."""


def main() -> None:
    """Run the command line; anomalib's commands need no import hook here."""
    from plane_anomalib.cli import commands

    if not commands.is_anomalibs(sys.argv[1:]):
        _leave(commands.run(sys.argv[1:]))

    import plane_anomalib

    plane_anomalib.register()

    from plane_anomalib.cli.anomalib_cli import run

    run()


def _leave(code: int) -> NoReturn:
    """End at once: to take torch down in order costs half a second and a hundred megabytes."""
    if "torch" not in sys.modules or threading.active_count() > 1:
        raise SystemExit(code)
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads any more
        code = _UNREAD
    os._exit(code)

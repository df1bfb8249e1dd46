"""`plane-anomalib`: our commands at once, anomalib's with this package imported explicitly."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; anomalib's commands need no import hook here."""
    from plane_anomalib.cli import commands

    if not commands.is_anomalibs(sys.argv[1:]):
        raise SystemExit(commands.run(sys.argv[1:]))

    import plane_anomalib

    plane_anomalib.register()

    from plane_anomalib.cli.anomalib_cli import run

    run()

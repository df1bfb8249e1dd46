"""`plane-anomalib`: anomalib's command line with this package imported explicitly, and more."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, like `anomalib`, but without depending on the import hook."""
    from plane_anomalib.cli import commands

    if commands.is_ours(sys.argv[1:]):
        raise SystemExit(commands.run(sys.argv[1:]))

    import plane_anomalib

    plane_anomalib.register()

    from anomalib.loggers import configure_logger

    from plane_anomalib.cli.anomalib_cli import PointCloudCLI

    configure_logger()
    PointCloudCLI()

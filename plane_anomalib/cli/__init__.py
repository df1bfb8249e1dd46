"""`plane-anomalib`: anomalib's command line with this package imported explicitly."""

from __future__ import annotations


def main() -> None:
    """Run the command line, like `anomalib`, but without depending on the import hook."""
    import plane_anomalib

    plane_anomalib.register()

    from anomalib.loggers import configure_logger

    from plane_anomalib.cli.anomalib_cli import PointCloudCLI

    configure_logger()
    PointCloudCLI()

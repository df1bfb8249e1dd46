"""Makes bare `anomalib train --model Plane` work; stdlib only, never raises."""


def install() -> None:
    """Install the import hook (called by torch when it is imported)."""

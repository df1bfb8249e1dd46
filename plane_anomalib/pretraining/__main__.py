"""`python -m plane_anomalib.pretraining`."""

from __future__ import annotations

# Guarded, since the processes that draw shapes import this module again.
if __name__ == "__main__":
    from plane_anomalib.pretraining.command import main

    raise SystemExit(main())

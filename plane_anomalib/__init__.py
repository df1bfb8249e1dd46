"""PLANE and other 3D point-cloud anomaly detectors for anomalib."""

from plane_anomalib.version import __version__

__all__ = ["__version__"]

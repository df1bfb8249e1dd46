"""M3DM on point clouds: features of a point transformer in a memory bank."""

from plane_anomalib.models.m3dm.lightning_model import M3DM

__all__ = ["M3DM"]

"""PatchCore on point clouds."""

from plane_anomalib.models.patchcore3d.lightning_model import PatchCore3D

__all__ = ["PatchCore3D"]

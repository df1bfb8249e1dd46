"""BTF: distances of local descriptors to those of normal clouds."""

from plane_anomalib.models.btf.lightning_model import BTF

__all__ = ["BTF"]

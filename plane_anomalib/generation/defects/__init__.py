"""Synthetic defects: what PLANE is trained on."""

from plane_anomalib.generation.defects.ano3d import ANO3D_KINDS, Ano3D
from plane_anomalib.generation.defects.base import AnomalyTransform, SyntheticCloud
from plane_anomalib.generation.defects.extended import EXTENDED_KINDS, DefectMix

__all__ = [
    "ANO3D_KINDS",
    "EXTENDED_KINDS",
    "Ano3D",
    "AnomalyTransform",
    "DefectMix",
    "SyntheticCloud",
]

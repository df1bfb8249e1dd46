"""Reg3DAD: registered coordinates and features of a point transformer."""

from plane_anomalib.models.reg3dad.lightning_model import Reg3DAD

__all__ = ["Reg3DAD"]

"""Procedural shapes with captions, to pretrain the point-language model on.

Torch-free: numpy and scipy only.
"""

from plane_anomalib.generation.shapes.catalogue import FAMILIES, HELD_OUT
from plane_anomalib.generation.shapes.draw import Shape, draw_shape
from plane_anomalib.generation.shapes.solid import Solid

__all__ = ["FAMILIES", "HELD_OUT", "Shape", "Solid", "draw_shape"]

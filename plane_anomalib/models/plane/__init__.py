"""PLANE: a frozen point-language model steered by text and point-cloud prompts."""

from plane_anomalib.models.plane.lightning_model import Plane
from plane_anomalib.models.plane.settings import PlaneSettings
from plane_anomalib.models.plane.torch_model import PlaneModel

__all__ = ["Plane", "PlaneModel", "PlaneSettings"]

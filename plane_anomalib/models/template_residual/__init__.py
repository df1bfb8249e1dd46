"""TemplateResidual: no training; scans are laid onto normal templates and the distance is measured."""

from plane_anomalib.models.template_residual.torch_model import TemplateResidualDetector

__all__ = ["TemplateResidualDetector"]

"""TemplateResidual: scans are laid onto normal templates and their distance is measured."""

from plane_anomalib.models.template_residual.torch_model import TemplateResidualDetector

__all__ = ["TemplateResidualDetector"]

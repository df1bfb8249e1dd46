"""TemplateResidual: signed distance to the aligned normal specimens, no training."""

from plane_anomalib.models.template_residual.lightning_model import TemplateResidual
from plane_anomalib.models.template_residual.torch_model import TemplateResidualDetector

__all__ = ["TemplateResidual", "TemplateResidualDetector"]

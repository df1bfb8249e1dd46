"""TemplateResidual: signed distance to the aligned normal specimens, no training."""

from plane_anomalib.models.template_residual.lightning_model import TemplateResidual

__all__ = ["TemplateResidual"]

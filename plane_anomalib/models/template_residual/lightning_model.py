"""TemplateResidual: signed distance to the aligned normal specimens, no training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from anomalib.models.components import AnomalibModule

from plane_anomalib.core.configured import configured
from plane_anomalib.models.lightning.fitted import FittedMixin
from plane_anomalib.models.template_residual.config import TemplateResidualConfig


@configured(TemplateResidualConfig)
class TemplateResidual(FittedMixin, AnomalibModule):
    """Distance of a point from the normal specimens of its category, in standard deviations.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
    """

    contract_arguments: ClassVar[Mapping[str, Any]] = {"max_points": 5_000}

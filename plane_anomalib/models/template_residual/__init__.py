"""TemplateResidual: signed distance to the aligned normal specimens, no training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plane_anomalib.models.lightning.fitted_models import (
        TemplateResidual as TemplateResidual,
    )


def __getattr__(name: str) -> Any:
    """The Lightning class, imported when it is asked for: the method itself needs no anomalib."""
    if name == "TemplateResidual":
        from plane_anomalib.models.lightning.fitted_models import TemplateResidual

        return TemplateResidual
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

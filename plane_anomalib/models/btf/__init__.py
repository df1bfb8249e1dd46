"""BTF: distances of local descriptors to those of normal clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plane_anomalib.models.lightning.fitted_models import BTF as BTF


def __getattr__(name: str) -> Any:
    """The Lightning class, imported when it is asked for: the method itself needs no anomalib."""
    if name == "BTF":
        from plane_anomalib.models.lightning.fitted_models import BTF

        return BTF
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

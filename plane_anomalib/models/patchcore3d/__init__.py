"""PatchCore on point clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plane_anomalib.models.lightning.fitted_models import PatchCore3D as PatchCore3D


def __getattr__(name: str) -> Any:
    """The Lightning class, imported when it is asked for: the method itself needs no anomalib."""
    if name == "PatchCore3D":
        from plane_anomalib.models.lightning.fitted_models import PatchCore3D

        return PatchCore3D
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

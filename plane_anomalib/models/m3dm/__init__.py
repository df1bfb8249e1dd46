"""M3DM on point clouds: features of a point transformer in a memory bank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plane_anomalib.models.lightning.fitted_models import M3DM as M3DM


def __getattr__(name: str) -> Any:
    """The Lightning class, imported when it is asked for: the method itself needs no anomalib."""
    if name == "M3DM":
        from plane_anomalib.models.lightning.fitted_models import M3DM

        return M3DM
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

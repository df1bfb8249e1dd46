"""Reg3DAD: registered coordinates and features of a point transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plane_anomalib.models.lightning.fitted_models import Reg3DAD as Reg3DAD


def __getattr__(name: str) -> Any:
    """The Lightning class, imported when it is asked for: the method itself needs no anomalib."""
    if name == "Reg3DAD":
        from plane_anomalib.models.lightning.fitted_models import Reg3DAD

        return Reg3DAD
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

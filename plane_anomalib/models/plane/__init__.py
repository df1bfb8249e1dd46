"""PLANE: a frozen point-language model steered by text and point-cloud prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plane_anomalib.models.plane.lightning_model import Plane as Plane


def __getattr__(name: str) -> Any:
    """The Lightning class, imported when it is asked for: the method itself needs no anomalib."""
    if name == "Plane":
        from plane_anomalib.models.plane.lightning_model import Plane

        return Plane
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

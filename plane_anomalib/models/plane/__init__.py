"""PLANE: a frozen point-language model steered by text and point-cloud prompts."""

from __future__ import annotations

from typing import Any

from plane_anomalib.core.registry import MODELS


def __getattr__(name: str) -> Any:
    """The anomalib model, imported when it is asked for: the method itself needs no anomalib."""
    if name == "Plane":
        return MODELS.get(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""PLANE and other 3D point-cloud anomaly detectors for anomalib.

After `import plane_anomalib`, anomalib knows the models and datasets of this package by name. The
import itself is cheap: torch and anomalib are imported when something that needs them is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plane_anomalib.core.registry import DATASETS, MODELS, register, register_when_imported
from plane_anomalib.core.version import __version__

if TYPE_CHECKING:
    from plane_anomalib.inspection.detector import Detector, load

__all__ = ["DATASETS", "MODELS", "Detector", "__version__", "load", "register"]


def __getattr__(name: str) -> Any:
    """Import a model, dataset or function when it is first asked for: `plane_anomalib.Plane`."""
    if name in ("Detector", "load"):
        from plane_anomalib.inspection import detector

        return getattr(detector, name)
    for registry in (MODELS, DATASETS):
        if name in registry.entries:
            return registry.get(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *MODELS.names, *DATASETS.names})


register_when_imported()

"""Find anomalies in 3D point clouds: PLANE and other detectors, for one's own scans and anomalib.

    detector = plane_anomalib.train("good_scans/", "bracket")
    for found in plane_anomalib.predict(detector, "incoming/"):
        print(found.path, found.inspection.decision)

Public is what `__all__` names, here: four functions (`train`, `load`, `predict`, `view`), the types
they take and return, the errors they raise, the classes that a plugin derives from, and the models
and datasets by name. Within a minor version (0.2.x) it only grows; what goes or changes is named in
CHANGELOG.md first. Everything else, every module's path included, may change with any version, as
may scores of a model that is trained anew.

The import is cheap: torch and anomalib are imported when something that needs them is. Once
anomalib is imported, too, it knows the models and datasets of this package by name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from plane_anomalib.core.errors import (
    ConfigurationError,
    DatasetError,
    PlaneAnomalibError,
    PointCloudFileError,
)
from plane_anomalib.core.progress import Progress
from plane_anomalib.core.registry import (
    DATASETS,
    METHODS,
    MODELS,
    register,
    register_when_imported,
)
from plane_anomalib.core.version import __version__

if TYPE_CHECKING:
    from plane_anomalib.core.configured import configured
    from plane_anomalib.data.datamodule import PointCloudDataModule
    from plane_anomalib.inspection.card import DetectorError
    from plane_anomalib.inspection.detector import Detector, load
    from plane_anomalib.inspection.prediction import Prediction, PredictOptions, predict
    from plane_anomalib.inspection.regions import Region
    from plane_anomalib.inspection.report import ViewOptions, ViewPages, view
    from plane_anomalib.inspection.result import Inspection, Threshold
    from plane_anomalib.inspection.results_folder import SummaryError
    from plane_anomalib.inspection.training import train
    from plane_anomalib.inspection.training_plan import TrainOptions
    from plane_anomalib.models.components.config import MethodConfig
    from plane_anomalib.models.components.fitted_model import CloudDetector, FittedModel
    from plane_anomalib.models.components.method import Method, TrainedMethod
    from plane_anomalib.models.components.scores import CloudScores
    from plane_anomalib.models.lightning.base import FittedMixin, PointCloudMixin

_LAZY = {
    "train": "inspection.training",
    "load": "inspection.detector",
    "predict": "inspection.prediction",
    "view": "inspection.report",
    "Detector": "inspection.detector",
    "DetectorError": "inspection.card",
    "Inspection": "inspection.result",
    "PredictOptions": "inspection.prediction",
    "Prediction": "inspection.prediction",
    "Region": "inspection.result",
    "SummaryError": "inspection.results_folder",
    "Threshold": "inspection.result",
    "TrainOptions": "inspection.training_plan",
    "ViewOptions": "inspection.report",
    "ViewPages": "inspection.report",
    "configured": "core.configured",
    "CloudDetector": "models.components.fitted_model",
    "CloudScores": "models.components.method",
    "FittedMixin": "models.lightning.base",
    "FittedModel": "models.components.fitted_model",
    "Method": "models.components.method",
    "MethodConfig": "models.components.config",
    "PointCloudDataModule": "data.datamodule",
    "PointCloudMixin": "models.lightning.base",
    "TrainedMethod": "models.components.method",
}
"""What is imported when it is first asked for, and from where."""

__all__ = [
    "DATASETS",
    "METHODS",
    "MODELS",
    "CloudDetector",
    "CloudScores",
    "ConfigurationError",
    "DatasetError",
    "Detector",
    "DetectorError",
    "FittedMixin",
    "FittedModel",
    "Inspection",
    "Method",
    "MethodConfig",
    "PlaneAnomalibError",
    "PointCloudDataModule",
    "PointCloudFileError",
    "PointCloudMixin",
    "PredictOptions",
    "Prediction",
    "Progress",
    "Region",
    "SummaryError",
    "Threshold",
    "TrainOptions",
    "TrainedMethod",
    "ViewOptions",
    "ViewPages",
    "__version__",
    "configured",
    "load",
    "predict",
    "register",
    "train",
    "view",
]


def __getattr__(name: str) -> Any:
    """Import a function, class, model or dataset when it is first asked for."""
    if name in _LAZY:
        return getattr(import_module(f"plane_anomalib.{_LAZY[name]}"), name)
    for registry in (MODELS, DATASETS):
        if name in registry.entries:
            return registry.get(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *MODELS.names, *DATASETS.names})


register_when_imported()

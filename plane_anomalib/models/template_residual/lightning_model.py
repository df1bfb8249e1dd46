"""TemplateResidual: signed distance to the aligned normal specimens, no training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from anomalib.metrics import Evaluator
from anomalib.models.components import AnomalibModule
from anomalib.visualization import Visualizer
from torch import nn

from plane_anomalib.models.components.arguments import check_numbers
from plane_anomalib.models.components.fitted_model import FittedModel
from plane_anomalib.models.lightning.fitted import FittedMixin
from plane_anomalib.models.template_residual.torch_model import TemplateResidualDetector


class TemplateResidual(FittedMixin, AnomalibModule):
    """Distance of a point from the normal specimens of its category, in standard deviations.

    Args:
        registration: Search for the pose of clouds that do not lie on the templates; off, every
            cloud is taken as it lies.
        calibrate: Divide residuals by the spread of normal specimens at that place; off, by their
            spread over the whole object.
        remove_deviation: Measure also after the specimen's low-frequency deviation was removed.
        coverage: Add what is missing from complete scans.
        smoothing: Average residuals over neighbours; off, each point stands alone.
        scales: Numbers of neighbours to average over; the largest deviation counts.
        wavelength: Width of the smooth deviations, as a share of the longest side.
        object_points: The score of a cloud is the mean over so many highest points.
        max_points: Larger clouds are scored at so many points and interpolated.
        seed: Of every draw.
        pre_processor: As in anomalib; the default is none.
        post_processor: As in anomalib.
        evaluator: As in anomalib.
        visualizer: As in anomalib.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
    """

    contract_arguments: ClassVar[Mapping[str, Any]] = {"max_points": 5_000}

    def __init__(
        self,
        registration: bool = True,
        calibrate: bool = True,
        remove_deviation: bool = True,
        coverage: bool = True,
        smoothing: bool = True,
        scales: Sequence[int] = (6, 16, 48),
        wavelength: float = 0.2,
        object_points: int = 50,
        max_points: int = 40_000,
        seed: int = 0,
        pre_processor: nn.Module | bool = True,
        post_processor: nn.Module | bool = True,
        evaluator: Evaluator | bool = True,
        visualizer: Visualizer | bool = True,
    ) -> None:
        check_numbers({"seed": seed}, above={}, least={"seed": 0})
        super().__init__(pre_processor, post_processor, evaluator, visualizer)
        make = partial(
            TemplateResidualDetector,
            registration=registration,
            calibrate=calibrate,
            remove_deviation=remove_deviation,
            coverage=coverage,
            smoothing=smoothing,
            scales=scales,
            wavelength=wavelength,
            object_points=object_points,
            max_points=max_points,
            seed=seed,
        )
        make()  # refuses arguments that cannot work before any data are read
        self.model = FittedModel(make)

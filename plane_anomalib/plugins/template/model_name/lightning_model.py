"""ModelName for anomalib: its arguments, and what to fit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from anomalib.metrics import Evaluator
from anomalib.models.components import AnomalibModule
from anomalib.visualization import Visualizer
from torch import nn

from model_name.torch_model import ModelNameDetector
from plane_anomalib.models.components.config import check_numbers
from plane_anomalib.models.components.fitted_model import FittedModel
from plane_anomalib.models.lightning.fitted import FittedMixin


class ModelName(FittedMixin, AnomalibModule):
    """ModelName: distance of every point to the normal clouds of its category.

    Args:
        num_points: Points of the normal clouds that are kept, per category.
        seed: Chooses them.
        pre_processor: As in anomalib; the default is none.
        post_processor: As in anomalib.
        evaluator: As in anomalib.
        visualizer: As in anomalib.

    Raises:
        ConfigurationError: `num_points` is not positive.
    """

    # For `plane-anomalib check`: makes the model quick. A model that is quick needs none.
    contract_arguments: ClassVar[Mapping[str, Any]] = {"num_points": 1000}

    def __init__(
        self,
        num_points: int = 50_000,
        seed: int = 0,
        pre_processor: nn.Module | bool = True,
        post_processor: nn.Module | bool = True,
        evaluator: Evaluator | bool = True,
        visualizer: Visualizer | bool = True,
    ) -> None:
        check_numbers({"num_points": num_points}, above={"num_points": 0}, least={})
        super().__init__(pre_processor, post_processor, evaluator, visualizer)
        self.model = FittedModel(partial(ModelNameDetector, num_points, seed))

"""ModelName for anomalib; its arguments are the fields of its config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from anomalib.models.components import AnomalibModule

from model_name.config import ModelNameConfig
from plane_anomalib import FittedMixin, configured


@configured(ModelNameConfig)
class ModelName(FittedMixin, AnomalibModule):
    """ModelName: distance of every point to the normal clouds of its category.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
    """

    # For `plane-anomalib check`: makes the model quick. A model that is quick needs none.
    contract_arguments: ClassVar[Mapping[str, Any]] = {"num_points": 1000}

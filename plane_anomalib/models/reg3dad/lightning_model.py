"""Reg3DAD: registered coordinates and features of a point transformer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from anomalib.models.components import AnomalibModule

from plane_anomalib.core.configured import configured
from plane_anomalib.models.lightning.fitted import FittedMixin
from plane_anomalib.models.reg3dad.config import Reg3DADConfig


@configured(Reg3DADConfig)
class Reg3DAD(FittedMixin, AnomalibModule):
    """Reg3DAD: registered coordinates and point transformer features, half and half.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
        WeightsError: The encoder's weights are missing or damaged.
    """

    contract_arguments: ClassVar[Mapping[str, Any]] = {"coreset_size": 200}

"""M3DM on point clouds: features of a point transformer in a memory bank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from anomalib.models.components import AnomalibModule

from plane_anomalib.core.configured import configured
from plane_anomalib.models.lightning.fitted import FittedMixin
from plane_anomalib.models.m3dm.config import M3DMConfig


@configured(M3DMConfig)
class M3DM(FittedMixin, AnomalibModule):
    """M3DM, its point branch: nearest normal feature of a point transformer.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
        WeightsError: The encoder's weights are missing or damaged.
    """

    contract_arguments: ClassVar[Mapping[str, Any]] = {"num_groups": 64}

"""PatchCore on point clouds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from anomalib.models.components import AnomalibModule

from plane_anomalib.core.configured import configured
from plane_anomalib.models.lightning.fitted import FittedMixin
from plane_anomalib.models.patchcore3d.config import PatchCore3DConfig


@configured(PatchCore3DConfig)
class PatchCore3D(FittedMixin, AnomalibModule):
    """PatchCore on point clouds: registration, descriptor, coreset, nearest row.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
        WeightsError: The encoder's weights are missing or damaged.
    """

    contract_arguments: ClassVar[Mapping[str, Any]] = {"coreset_size": 200}

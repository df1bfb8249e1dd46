"""The methods that are fitted at once, as anomalib models; their configs document them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from anomalib.models.components import AnomalibModule

from plane_anomalib.core.configured import configured
from plane_anomalib.models.btf import BTFConfig
from plane_anomalib.models.lightning.base import FittedMixin
from plane_anomalib.models.m3dm import M3DMConfig
from plane_anomalib.models.patchcore3d import PatchCore3DConfig
from plane_anomalib.models.reg3dad import Reg3DADConfig
from plane_anomalib.models.template_residual import TemplateResidualConfig


@configured(BTFConfig)
class BTF(FittedMixin, AnomalibModule):
    """BTF: nearest normal descriptor, without registration or learning.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
    """


@configured(PatchCore3DConfig)
class PatchCore3D(FittedMixin, AnomalibModule):
    """PatchCore on point clouds: registration, descriptor, coreset, nearest row.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
        WeightsError: The encoder's weights are missing or damaged.
    """

    contract_arguments: ClassVar[Mapping[str, Any]] = {"coreset_size": 200}


@configured(M3DMConfig)
class M3DM(FittedMixin, AnomalibModule):
    """M3DM, its point branch: nearest normal feature of a point transformer.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
        WeightsError: The encoder's weights are missing or damaged.
    """

    contract_arguments: ClassVar[Mapping[str, Any]] = {"num_groups": 64}


@configured(Reg3DADConfig)
class Reg3DAD(FittedMixin, AnomalibModule):
    """Reg3DAD: registered coordinates and point transformer features, half and half.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
        WeightsError: The encoder's weights are missing or damaged.
    """

    contract_arguments: ClassVar[Mapping[str, Any]] = {"coreset_size": 200}


@configured(TemplateResidualConfig)
class TemplateResidual(FittedMixin, AnomalibModule):
    """Distance of a point from the normal specimens of its category, in standard deviations.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
    """

    contract_arguments: ClassVar[Mapping[str, Any]] = {"max_points": 5_000}

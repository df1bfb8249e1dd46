"""BTF: distances of local descriptors to those of normal clouds."""

from __future__ import annotations

from anomalib.models.components import AnomalibModule

from plane_anomalib.core.configured import configured
from plane_anomalib.models.btf.config import BTFConfig
from plane_anomalib.models.lightning.fitted import FittedMixin


@configured(BTFConfig)
class BTF(FittedMixin, AnomalibModule):
    """BTF: nearest normal descriptor, without registration or learning.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
    """

"""What BTF can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from plane_anomalib.models.components.config import BankConfig


@dataclass(frozen=True)
class BTFConfig(BankConfig):
    """What BTF can be told.

    Args:
        descriptor: `"fpfh"`, or `"raw"` coordinates.
    """

    method: ClassVar[str] = "plane_anomalib.models.btf.torch_model:create_btf"
    seconds_per_cloud: ClassVar[float | None] = 1.0

    descriptor: Literal["fpfh", "raw"] = "fpfh"

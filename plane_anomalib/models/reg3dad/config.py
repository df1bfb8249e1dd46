"""What Reg3DAD can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plane_anomalib.models.components.config import BankConfig, check_numbers


@dataclass(frozen=True)
class Reg3DADConfig(BankConfig):
    """What Reg3DAD can be told.

    Args:
        backbone: `"builtin"`, the name of published weights (the paper's: `"point-mae"`; see
            `plane-anomalib weights list`), or a file of them.
        coreset_size: Rows kept per bank; by default 10,000.
    """

    method: ClassVar[str] = "plane_anomalib.models.reg3dad.torch_model:create_reg3dad"
    seconds_per_cloud: ClassVar[float | None] = 0.9

    backbone: str = "builtin"
    coreset_size: int | None = None

    def check(self) -> None:
        """Refuse numbers that are too small."""
        super().check()
        check_numbers(vars(self), above={"coreset_size": 0}, least={})

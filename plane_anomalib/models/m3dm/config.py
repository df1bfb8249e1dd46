"""What M3DM can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plane_anomalib.models.components.config import BankConfig, check_numbers


@dataclass(frozen=True)
class M3DMConfig(BankConfig):
    """What M3DM can be told.

    Args:
        backbone: `"builtin"`, the name of published weights (the paper's: `"point-mae"`; see
            `plane-anomalib weights list`), or a file of them.
        num_groups: Groups per cloud; by default the preset's (1,024; faithful: 16,384).
    """

    method: ClassVar[str] = "plane_anomalib.models.m3dm.torch_model:create_m3dm"
    seconds_per_cloud: ClassVar[float | None] = 0.4

    backbone: str = "builtin"
    num_groups: int | None = None

    def check(self) -> None:
        """Refuse numbers that are too small."""
        super().check()
        check_numbers(vars(self), above={"num_groups": 0}, least={})

"""What ModelName can be told: each choice with its type, its default and a line, and only here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plane_anomalib import ConfigurationError, MethodConfig


@dataclass(frozen=True)
class ModelNameConfig(MethodConfig):
    """What ModelName can be told.

    Args:
        num_points: Points of the normal clouds that are kept, per category.
        seed: Chooses them.
    """

    method: ClassVar[str] = "model_name.torch_model:create_model_name"

    num_points: int = 50_000
    seed: int = 0

    def check(self) -> None:
        """Refuse numbers that are too small.

        Raises:
            ConfigurationError: One is; say which, and what it may be.
        """
        if self.num_points < 1:
            raise ConfigurationError(f"num_points must be above 0, not {self.num_points}.")
        if self.seed < 0:
            raise ConfigurationError(f"seed must be at least 0, not {self.seed}.")

"""What ModelName can be told: each choice with its type, its default and a line, and only here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plane_anomalib.models.components.config import MethodConfig, check_numbers


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
        """Refuse numbers that are too small."""
        check_numbers(vars(self), above={"num_points": 0}, least={"seed": 0})

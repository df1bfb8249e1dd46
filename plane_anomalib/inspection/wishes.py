"""What the user decides about a detector, checked before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from plane_anomalib.benchmark.components import complete
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.registry import MODELS

DEFAULT_MODEL = "TemplateResidual"
PARTS = frozenset({"pre_processor", "post_processor", "evaluator", "visualizer"})
"""Arguments that anomalib's parts are given by."""


@dataclass(frozen=True)
class Wishes:
    """What the user decides; `None` leaves it to us.

    Attributes:
        model: Registered name.
        settings: Arguments of the model.
        name: What the part is called.
        one_sided: Whether scans to be judged show one side of parts whose good scans are whole.
        common_pose: Whether all scans lie the same way.
        seed: Of everything drawn.

    Raises:
        ConfigurationError: A name is empty, or the seed is negative.
    """

    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    one_sided: bool | None = None
    common_pose: bool | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.name is not None and not self.name.strip():
            raise ConfigurationError("--name is empty: say what the part is called, or leave it.")
        if self.seed < 0:
            raise ConfigurationError(f"--seed must be 0 or more, not {self.seed}.")

    def component(self) -> tuple[str, dict[str, Any]]:
        """The registered name of the model and all of its arguments.

        Raises:
            ConfigurationError: There is no such model or argument; the message says which may
                have been meant.
        """
        for name in self.settings:
            if name in PARTS:
                raise ConfigurationError(f"{name} is a part of anomalib and cannot be set here.")
        whole = complete(MODELS, self.model or DEFAULT_MODEL, self.settings)
        arguments = {k: v for k, v in whole.arguments.items() if k not in PARTS}
        if "seed" in arguments and "seed" not in self.settings:
            arguments["seed"] = self.seed
        return whole.name, arguments
